"""What a representation makes of a wave, and the protocol that all representations follow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from unpaired.errors import WorkError
from unpaired.media.voice.audio_io import Wave

__all__ = ["CHUNK_SECONDS", "FeatureLayout", "Floats", "Representation", "VoiceFeatures"]

CHUNK_SECONDS: float = 20
"""Analysis and synthesis work on chunks of about this length."""

Floats = npt.NDArray[np.float32]
FeatureLayout = tuple[tuple[str, int], ...]
"""Names of the groups of rows, in their order, with the number of rows of each."""


@dataclass(frozen=True, eq=False)
class VoiceFeatures:
    """Rows (rows, frames) float32 in named groups. "values" is what networks see; the others go past them.

    Every representation has "values" and "level" (dB of full scale, one row, which the silence gate reads).
    """

    rows: Floats
    layout: FeatureLayout

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or len(self.rows) != sum(count for _, count in self.layout):
            raise WorkError(f"features of shape {self.rows.shape} do not fit the rows {dict(self.layout)}")

    @classmethod
    def from_groups(cls, layout: FeatureLayout, **groups: npt.ArrayLike) -> VoiceFeatures:
        """Features from their groups, each (rows, frames), or (frames,) where it is one row."""
        parts = [np.atleast_2d(np.asarray(groups[name], np.float32)) for name, _ in layout]
        return cls(np.concatenate(parts), layout)

    @property
    def num_frames(self) -> int:
        """The number of frames."""
        return int(self.rows.shape[1])

    @property
    def values(self) -> Floats:
        """(coefficients, frames): what networks see, not yet z-scored."""
        return self["values"]

    def __getitem__(self, name: str) -> Floats:
        """A group's rows (count, frames), as a view."""
        start = 0
        for group, count in self.layout:
            if group == name:
                return self.rows[start : start + count]
            start += count
        raise KeyError(name)

    def __contains__(self, name: str) -> bool:
        return any(group == name for group, _ in self.layout)

    def slice_frames(self, start: int, stop: int | None = None) -> VoiceFeatures:
        """The frames from `start` to `stop`, as views."""
        return VoiceFeatures(self.rows[:, start:stop], self.layout)

    def replace_groups(self, **groups: npt.ArrayLike) -> VoiceFeatures:
        """A copy in which the named groups are others."""
        return VoiceFeatures.from_groups(self.layout, **{name: groups.get(name, self[name]) for name, _ in self.layout})


class Representation(Protocol):
    """One way to see a voice as frames of coefficients. Final classes, frozen: their settings are their fields.

    Levels are those of the wave that is given; callers bring it to `loudness.TARGET_LUFS` first.
    """

    @property
    def name(self) -> str:
        """The word for it in settings: world, mel."""

    @property
    def sample_rate_hz(self) -> int:
        """The rate of the waves that it takes and gives."""

    @property
    def hop_samples(self) -> int:
        """Samples from frame to frame."""

    @property
    def num_coefficients(self) -> int:
        """Rows of "values"."""

    @property
    def layout(self) -> FeatureLayout:
        """The groups of rows of its features."""

    @property
    def context_frames(self) -> int:
        """Frames beside a chunk that its analysis depends on."""

    def get_settings(self) -> dict[str, int | float | str]:
        """All that its features depend on: the key of cached analyses, and what a model saves."""

    def analyse(self, wave: Wave) -> VoiceFeatures:
        """Features of a wave (samples,); frame t stands for the samples from `t * hop_samples` on."""

    def synthesise(self, features: VoiceFeatures) -> Wave:
        """A wave of `frames * hop_samples` samples."""

    @property
    def lookahead_frames(self) -> int:
        """Frames after a chunk that its synthesis waits for."""

    def synthesise_stream(
        self, stream: Iterable[VoiceFeatures], chunk_seconds: float = CHUNK_SECONDS
    ) -> Iterator[Wave]:
        """Blocks of the wave of features that come in blocks, in constant memory, without clicks.

        It is made in chunks of `chunk_seconds`, or of less.
        """
