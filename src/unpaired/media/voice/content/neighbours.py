"""Nearest frames of a target speaker by content, after kNN-VC (Baas et al. 2023, arXiv:2305.18975)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from unpaired.errors import WorkError
from unpaired.media.voice.features import Floats
from unpaired.media.voice.vad import Mask

__all__ = ["MAX_UNITS", "UNIT_FRAMES", "ContentNeighbours", "TargetRecording"]

UNIT_FRAMES = 4
"""Frames of 5 ms per unit, which is one frame of content (20 ms)."""
MAX_UNITS = 30_000
"""Largest number of the target's units that are searched: 10 minutes."""
NEIGHBOURS = 4
_MIN_DEVIATION = 1e-4
_MAX_DISTANCES = 1 << 24  # entries of a distance matrix: 64 MiB


@dataclass(frozen=True, eq=False)
class TargetRecording:
    """Recording of the target: content (features, units), frames (rows, n) at 5 ms, mask (n,) of speech frames."""

    content: Floats
    frames: Floats
    speech: Mask


@dataclass(frozen=True, eq=False)
class ContentNeighbours:
    """Replace each 20 ms of a recording by the mean of the target's `k` units with the nearest content.

    The distance is the cosine distance of content features, each divided by its standard deviation over the target's
    speech: so nothing needs to be known about the source. A unit is not one frame: each neighbour contributes its own
    frames, 20 ms before and after its center, and successive units are cross-faded linearly. Where the neighbours of
    successive units are successive, the target's frames are copied in order.
    """

    scale: Floats
    units: Tensor
    frames: Floats
    bounds: npt.NDArray[np.int64]
    k: int = NEIGHBOURS

    @classmethod
    def fit(cls, recordings: Sequence[TargetRecording], k: int = NEIGHBOURS) -> ContentNeighbours:
        """Fit on recordings of the target.

        Beyond `MAX_UNITS` units, the same fraction of each recording is used, from its beginning. Raises WorkError for
        fewer than `k` units, or without speech.
        """
        recordings = _limit(recordings)
        speech = np.concatenate([_to_units(recording.speech) for recording in recordings])
        if len(speech) <= k or not speech.any():
            raise WorkError(f"{len(speech) * 0.02:.1f} s of the target's recordings: too short, or without speech")
        content = np.concatenate([recording.content for recording in recordings], 1)
        frames = np.concatenate([recording.frames for recording in recordings], 1)
        lengths = np.array([recording.content.shape[1] for recording in recordings])
        stops = np.repeat(np.cumsum(lengths), lengths)
        scale = np.maximum(content[:, speech].std(1, keepdims=True), _MIN_DEVIATION).astype(np.float32)
        return cls(
            scale,
            _normalise(content / scale),
            frames,
            np.stack([stops - np.repeat(lengths, lengths), stops], 1) * UNIT_FRAMES,
            k,
        )

    def __call__(self, content: Floats) -> Floats:
        """Return frames (rows, n) for content (features, n) at 5 ms."""
        neighbours = self._search(_normalise(content[:, ::UNIT_FRAMES] / self.scale))
        return self._average(neighbours, content.shape[1])

    def to_tensors(self) -> dict[str, Tensor]:
        """Return all fitted values as tensors."""
        scale, frames = torch.from_numpy(self.scale), torch.from_numpy(self.frames)
        return {"units": self.units, "k": torch.tensor(self.k), "scale": scale, "frames": frames}

    def _search(self, queries: Tensor) -> npt.NDArray[np.int64]:
        """Return the nearest units (n, k) of normalized queries (n, features)."""
        pieces = queries.split(max(1, _MAX_DISTANCES // len(self.units)))
        return np.asarray(torch.cat([(piece @ self.units.T).topk(self.k).indices for piece in pieces]).numpy())

    def _average(self, neighbours: npt.NDArray[np.int64], count: int) -> Floats:
        """Return `count` frames (rows, count): the means of the neighbours' frames, cross-faded between units."""
        time = np.arange(count)
        first = np.minimum(time // UNIT_FRAMES, len(neighbours) - 1)
        second = np.minimum(first + 1, len(neighbours) - 1)
        weight = ((time - first * UNIT_FRAMES) / UNIT_FRAMES * (second > first)).astype(np.float32)
        parts = []
        for unit in (first, second):
            chosen = neighbours[unit]
            position = chosen * UNIT_FRAMES + (time - unit * UNIT_FRAMES)[:, None]
            low, high = self.bounds[chosen, 0], self.bounds[chosen, 1]
            parts.append(self.frames[:, np.clip(position, low, high - 1)].mean(2))
        return np.asarray(parts[0] * (1 - weight) + parts[1] * weight, np.float32)


def _normalise(content: Floats) -> Tensor:
    """Return features (n, features) of norm 1 from (features, n)."""
    return functional.normalize(torch.from_numpy(np.ascontiguousarray(content.T)), dim=1)


def _to_units(mask: Mask) -> Mask:
    return mask[::UNIT_FRAMES]


def _limit(recordings: Sequence[TargetRecording]) -> list[TargetRecording]:
    """Cut recordings to whole units, and in total to at most `MAX_UNITS` of them."""
    counts = [min(r.content.shape[1], r.frames.shape[1] // UNIT_FRAMES) for r in recordings]
    fraction = min(1.0, MAX_UNITS / max(1, sum(counts)))
    out = []
    for recording, count in zip(recordings, counts, strict=True):
        units = int(count * fraction)
        frames = units * UNIT_FRAMES
        out.append(
            TargetRecording(recording.content[:, :units], recording.frames[:, :frames], recording.speech[:frames])
        )
    return out
