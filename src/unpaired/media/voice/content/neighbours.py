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
CANDIDATES = 16
"""Nearest units from which the neighbours are chosen."""
JUMP_COST = 0.1
"""Cost, in cosine distance, of a unit that does not follow that of the 20 ms before it in the target's recordings."""
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
    successive units are successive, the target's frames are copied in order. Such neighbours are preferred: a unit is
    ranked by the cheapest sequence of candidates through it, with the sum of distances and jumps as its cost.
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
        """Return the chosen units (n, k) of normalized queries (n, features)."""
        pieces = queries.split(max(1, _MAX_DISTANCES // len(self.units)))
        count = min(CANDIDATES, len(self.units))
        nearest = [(piece @ self.units.T).topk(count) for piece in pieces]
        units = torch.cat([indices for _, indices in nearest]).numpy()
        distances = 1 - torch.cat([similarity for similarity, _ in nearest]).numpy()
        best = rank_by_sequences(units, distances, self.bounds[:, 0], JUMP_COST)[:, : self.k]
        return np.asarray(np.take_along_axis(units, best, 1))

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


def rank_by_sequences(
    units: npt.NDArray[np.int64], distances: Floats, recordings: npt.NDArray[np.int64], jump_cost: float
) -> npt.NDArray[np.int64]:
    """Rank the candidates of each step by the cost of the cheapest sequence through them (Viterbi, both directions).

    `units` and `distances` are (steps, candidates); `recordings` has a number of the recording of each unit. A sequence
    costs the sum of its distances, and `jump_cost` for each step that does not go on to the next unit of a recording.
    Returns positions (steps, candidates), cheapest first.
    """
    forward, backward = np.array(distances, np.float64), np.zeros(distances.shape)
    follows = (units[1:, None] == units[:-1, :, None] + 1) & (
        recordings[units[1:]][:, None] == recordings[units[:-1]][:, :, None]
    )
    jumps = np.where(follows, 0.0, jump_cost)  # (steps - 1, from, to)
    for t, jump in enumerate(jumps):
        forward[t + 1] += (forward[t][:, None] + jump).min(0)
    for t in range(len(jumps) - 1, -1, -1):
        backward[t] = (jumps[t] + (distances[t + 1] + backward[t + 1])[None]).min(1)
    return np.argsort(forward + backward, axis=1, kind="stable")


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
