"""Features of a recording, and the protocols of the analysers and representations that compute them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from unpaired.errors import WorkError
from unpaired.media.voice.audio_io import Wave

__all__ = ["CHUNK_SECONDS", "Analyser", "FeatureLayout", "Floats", "Representation", "VoiceFeatures"]

CHUNK_SECONDS: float = 20
"""Approximate length in seconds of the chunks of analysis and synthesis."""

Floats = npt.NDArray[np.float32]
FeatureLayout = tuple[tuple[str, int], ...]
"""Names of the groups of rows in order, with the number of rows of each."""


@dataclass(frozen=True, eq=False)
class VoiceFeatures:
    """Rows (rows, frames) float32 in named groups.

    Only the group "values" passes through networks. Every representation has "values" and "level" (dB of full scale,
    one row, which energy-based voice activity detection uses). Other analysers have groups of their own.
    """

    rows: Floats
    layout: FeatureLayout

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or len(self.rows) != sum(count for _, count in self.layout):
            raise WorkError(f"features of shape {self.rows.shape}: expected the rows {dict(self.layout)}")

    @classmethod
    def from_groups(cls, layout: FeatureLayout, **groups: npt.ArrayLike) -> VoiceFeatures:
        """Create features from their groups, each (rows, frames), or (frames,) for a single row."""
        parts = [np.atleast_2d(np.asarray(groups[name], np.float32)) for name, _ in layout]
        return cls(np.concatenate(parts), layout)

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return int(self.rows.shape[1])

    @property
    def values(self) -> Floats:
        """Input of the networks before normalization: (coefficients, frames)."""
        return self["values"]

    def __getitem__(self, name: str) -> Floats:
        """Return the rows (count, frames) of a group, as a view; raises KeyError."""
        start = 0
        for group, count in self.layout:
            if group == name:
                return self.rows[start : start + count]
            start += count
        raise KeyError(name)

    def __contains__(self, name: str) -> bool:
        return any(group == name for group, _ in self.layout)

    def slice_frames(self, start: int, stop: int | None = None) -> VoiceFeatures:
        """Return the frames from `start` to `stop`, as views."""
        return VoiceFeatures(self.rows[:, start:stop], self.layout)

    def replace_groups(self, **groups: npt.ArrayLike) -> VoiceFeatures:
        """Return a copy with the given groups replaced."""
        return VoiceFeatures.from_groups(self.layout, **{name: groups.get(name, self[name]) for name, _ in self.layout})


class Analyser(Protocol):
    """Analysis of waves to frames.

    Implementations are frozen dataclasses with settings as fields. Levels are those of the given wave; callers bring it
    to `loudness.TARGET_LUFS` first.
    """

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of its waves in Hz."""

    @property
    def hop_samples(self) -> int:
        """Samples between two frames."""

    @property
    def layout(self) -> FeatureLayout:
        """Groups of rows of its features."""

    @property
    def context_frames(self) -> int:
        """Frames on either side of a chunk that analysis depends on."""

    def get_settings(self) -> dict[str, int | float | str]:
        """Return all settings that the features depend on; they are part of cache keys and are saved with models."""

    def analyse(self, wave: Wave) -> VoiceFeatures:
        """Return the features of a wave (samples,); frame t describes the samples from `t * hop_samples` on."""


class Representation(Analyser, Protocol):
    """Conversion between waves and frames of coefficients."""

    @property
    def name(self) -> str:
        """Name in settings: world or mel."""

    @property
    def num_coefficients(self) -> int:
        """Number of rows of the group "values"."""

    def synthesize(self, features: VoiceFeatures) -> Wave:
        """Return a wave of `frames * hop_samples` samples."""

    @property
    def lookahead_frames(self) -> int:
        """Frames after a chunk that synthesis needs."""

    def synthesize_stream(
        self, stream: Iterable[VoiceFeatures], chunk_seconds: float = CHUNK_SECONDS
    ) -> Iterator[Wave]:
        """Yield the wave of features that arrive in blocks, in constant memory and without clicks.

        The wave is synthesized in chunks of at most `chunk_seconds`.
        """
