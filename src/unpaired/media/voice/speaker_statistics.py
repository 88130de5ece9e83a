"""What is known of a speaker as a whole, without the packages that find it out."""

from __future__ import annotations

from pydantic import Field

from unpaired.config.settings import StrictModel


class VoiceStatistics(StrictModel):
    """Statistics over the speech frames of a domain, in the units of its representation's features."""

    mean: tuple[float, ...] = Field(description="mean of each coefficient")
    std: tuple[float, ...] = Field(description="standard deviation of each coefficient, at least 0.001")
    scale: tuple[float, ...] = Field(description="what is 1 of each coefficient to the networks, around its mean")
    log_f0_mean: float | None = Field(description="mean of log F0 (Hz) over voiced frames; unset: none is voiced")
    log_f0_std: float | None = Field(description="standard deviation of log F0 over voiced frames")
    voiced_fraction: float | None = Field(
        description="share of the speech frames that are voiced; unset: no F0 is known"
    )
    lufs: float = Field(description="mean loudness of its recordings as they were found")
    frames: int = Field(ge=2, description="speech frames that were counted")

    @property
    def log_f0_mean_std(self) -> tuple[float, float] | None:
        """Mean and deviation of log F0, where there is any."""
        if self.log_f0_mean is None or self.log_f0_std is None:
            return None
        return self.log_f0_mean, self.log_f0_std
