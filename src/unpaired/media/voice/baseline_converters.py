"""Converters of frames that need no training: the floor that every method must beat.

Both take and give values (coefficients, frames), and are fitted on frames of speech of two speakers, (coefficients,
frames) each, which need not correspond. F0 is `convert.change`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unpaired.errors import WorkError
from unpaired.media.voice.features import Floats

__all__ = ["AffineBaseline", "Baseline", "NearestNeighbourBaseline"]

_MIN_DEVIATION = 1e-3
MAX_LIBRARY_FRAMES = 60_000
"""Frames of the target that `Nearest` keeps (5 minutes at 5 ms), evenly taken where there are more."""
_MAX_DISTANCES = 1 << 24  # entries of one matrix of distances: 64 MiB


class Baseline(Protocol):
    """A fitted converter of frames."""

    def __call__(self, values: Floats) -> Floats:
        """(coefficients, frames) of the source to as many of the target."""

    def to_tensors(self) -> dict[str, Tensor]:
        """All that it learned."""


@dataclass(frozen=True, eq=False)
class AffineBaseline:
    """Mean and deviation of each coefficient from the source's to the target's: y = m_t + (x - m_s) s_t / s_s."""

    scale: Floats
    shift: Floats

    @classmethod
    def fit(cls, source: Floats, target: Floats) -> AffineBaseline:
        """Both (coefficients, frames); raises WorkError below two frames, or for unequal coefficients."""
        (mean_s, deviation_s), (mean_t, deviation_t) = _compute_moments(source, target)
        scale = deviation_t / deviation_s
        return cls(scale, mean_t - scale * mean_s)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> AffineBaseline:
        """The inverse of `tensors`."""
        return cls(tensors["scale"].numpy(), tensors["shift"].numpy())

    def __call__(self, values: Floats) -> Floats:
        """The transform of (coefficients, frames)."""
        return values * self.scale + self.shift

    def to_tensors(self) -> dict[str, Tensor]:
        """All that it learned."""
        return {"scale": torch.from_numpy(self.scale), "shift": torch.from_numpy(self.shift)}


@dataclass(frozen=True, eq=False)
class NearestNeighbourBaseline:
    """Replaces each frame by the mean of the target's `k` nearest (after kNN-VC, Baas et al. 2023, arXiv:2305.18975,
    which does so in the features of a self-supervised network), then takes a moving average over `smooth` frames.

    A frame is first brought to the target's mean and deviation (`Affine`). Near is Euclidean in the values as they are:
    for mel-cepstra that is the distance of log spectra. Between z-scores it is worse by more than 1 dB of MCD, as the
    faint upper coefficients then count as much as the formants.
    """

    affine: AffineBaseline
    library: Tensor
    k: int = 4
    smooth: int = 3

    @classmethod
    def fit(
        cls, source: Floats, target: Floats, k: int = 4, max_frames: int = MAX_LIBRARY_FRAMES
    ) -> NearestNeighbourBaseline:
        """Both (coefficients, frames); at most `limit` frames are kept, evenly taken."""
        affine = AffineBaseline.fit(source, target)
        indices = np.unique(np.linspace(0, target.shape[1] - 1, max_frames).round().astype(np.int64))
        return cls(affine, torch.from_numpy(np.ascontiguousarray(target[:, indices].T)), min(k, len(indices)))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> NearestNeighbourBaseline:
        """The inverse of `tensors`."""
        return cls(AffineBaseline.from_tensors(tensors), tensors["library"], int(tensors["k"]), int(tensors["smooth"]))

    def __call__(self, values: Floats) -> Floats:
        """Look every frame of (coefficients, frames) up, in pieces of bounded memory."""
        queries = torch.from_numpy(np.ascontiguousarray(self.affine(values).T))
        norms = self.library.square().sum(1)
        neighbour_means = []
        for piece in queries.split(max(1, _MAX_DISTANCES // len(self.library))):
            distances = torch.addmm(norms[None], piece, self.library.T, alpha=-2)  # the query's own norm orders nothing
            neighbour_means.append(self.library[distances.topk(self.k, largest=False).indices].mean(1))
        half = self.smooth // 2
        padded = functional.pad(torch.cat(neighbour_means).T[None], (half, half), mode="replicate")
        return np.asarray(functional.avg_pool1d(padded, 2 * half + 1, 1)[0].numpy(), np.float32)

    def to_tensors(self) -> dict[str, Tensor]:
        """All that it learned."""
        scalars = {"k": torch.tensor(self.k), "smooth": torch.tensor(self.smooth)}
        return {**self.affine.to_tensors(), "library": self.library, **scalars}


def _compute_moments(*groups: Floats) -> list[tuple[Floats, Floats]]:
    if len({len(group) for group in groups}) > 1:
        raise WorkError(f"speakers of {' and '.join(str(len(group)) for group in groups)} coefficients do not match")
    if min(group.shape[1] for group in groups) < 2:
        raise WorkError("each speaker needs at least two frames of speech")
    means = [group.mean(1, keepdims=True, dtype=np.float64) for group in groups]
    deviations = [np.maximum(group.std(1, keepdims=True, dtype=np.float64), _MIN_DEVIATION) for group in groups]
    return [(m.astype(np.float32), d.astype(np.float32)) for m, d in zip(means, deviations, strict=True)]
