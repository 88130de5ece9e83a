"""Voice conversion baselines that need no training.

Each converts values (coefficients, frames) and is fitted on speech frames of two speakers, each (coefficients, frames),
which need not be aligned. F0 is converted separately, by `conversion`.
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
"""Target frames that `NearestNeighbourBaseline` keeps (5 minutes at 5 ms), at even intervals if there are more."""
_MAX_DISTANCES = 1 << 24  # entries of a distance matrix: 64 MiB


class Baseline(Protocol):
    """Fitted converter of frames."""

    def __call__(self, values: Floats) -> Floats:
        """Convert values (coefficients, frames) of the source to as many frames of the target."""

    def to_tensors(self) -> dict[str, Tensor]:
        """Return all fitted values as tensors."""


@dataclass(frozen=True, eq=False)
class AffineBaseline:
    """Match mean and standard deviation of each coefficient: y = m_t + (x - m_s) s_t / s_s."""

    scale: Floats
    shift: Floats

    @classmethod
    def fit(cls, source: Floats, target: Floats) -> AffineBaseline:
        """Fit on frames (coefficients, frames) of both speakers.

        Raises WorkError for fewer than two frames or different numbers of coefficients.
        """
        (mean_s, deviation_s), (mean_t, deviation_t) = _compute_moments(source, target)
        scale = deviation_t / deviation_s
        return cls(scale, mean_t - scale * mean_s)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> AffineBaseline:
        """Create from the result of `to_tensors`."""
        return cls(tensors["scale"].numpy(), tensors["shift"].numpy())

    def __call__(self, values: Floats) -> Floats:
        """Transform values (coefficients, frames)."""
        return values * self.scale + self.shift

    def to_tensors(self) -> dict[str, Tensor]:
        """Return all fitted values as tensors."""
        return {"scale": torch.from_numpy(self.scale), "shift": torch.from_numpy(self.shift)}


@dataclass(frozen=True, eq=False)
class NearestNeighbourBaseline:
    """Replace each frame by the mean of its `k` nearest target frames, then average over `smooth` frames.

    The idea is that of kNN-VC (Baas et al. 2023, arXiv:2305.18975), which searches in the features of a self-supervised
    network. Here a frame is first brought to the target's mean and deviation (`AffineBaseline`), and distances are
    Euclidean between unscaled values: for mel-cepstra, distances of log spectra. Distances of z-scores are worse by
    more than 1 dB of MCD, because the faint upper coefficients then weigh as much as the formants.
    """

    affine: AffineBaseline
    library: Tensor
    k: int = 4
    smooth: int = 3

    @classmethod
    def fit(
        cls, source: Floats, target: Floats, k: int = 4, max_frames: int = MAX_LIBRARY_FRAMES
    ) -> NearestNeighbourBaseline:
        """Fit on frames (coefficients, frames) of both speakers.

        At most `max_frames` target frames are kept, at even intervals. Raises WorkError as `AffineBaseline.fit`.
        """
        affine = AffineBaseline.fit(source, target)
        indices = np.unique(np.linspace(0, target.shape[1] - 1, max_frames).round().astype(np.int64))
        return cls(affine, torch.from_numpy(np.ascontiguousarray(target[:, indices].T)), min(k, len(indices)))

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> NearestNeighbourBaseline:
        """Create from the result of `to_tensors`."""
        return cls(AffineBaseline.from_tensors(tensors), tensors["library"], int(tensors["k"]), int(tensors["smooth"]))

    def __call__(self, values: Floats) -> Floats:
        """Convert values (coefficients, frames), in pieces of bounded memory."""
        queries = torch.from_numpy(np.ascontiguousarray(self.affine(values).T))
        norms = self.library.square().sum(1)
        neighbour_means = []
        for piece in queries.split(max(1, _MAX_DISTANCES // len(self.library))):
            distances = torch.addmm(
                norms[None], piece, self.library.T, alpha=-2
            )  # the query's norm does not change the order
            neighbour_means.append(self.library[distances.topk(self.k, largest=False).indices].mean(1))
        half = self.smooth // 2
        padded = functional.pad(torch.cat(neighbour_means).T[None], (half, half), mode="replicate")
        return np.asarray(functional.avg_pool1d(padded, 2 * half + 1, 1)[0].numpy(), np.float32)

    def to_tensors(self) -> dict[str, Tensor]:
        """Return all fitted values as tensors."""
        scalars = {"k": torch.tensor(self.k), "smooth": torch.tensor(self.smooth)}
        return {**self.affine.to_tensors(), "library": self.library, **scalars}


def _compute_moments(*groups: Floats) -> list[tuple[Floats, Floats]]:
    if len({len(group) for group in groups}) > 1:
        raise WorkError(
            f"speakers have {' and '.join(str(len(group)) for group in groups)} coefficients; expected equal numbers"
        )
    if min(group.shape[1] for group in groups) < 2:
        raise WorkError("each speaker needs at least two frames of speech")
    means = [group.mean(1, keepdims=True, dtype=np.float64) for group in groups]
    deviations = [np.maximum(group.std(1, keepdims=True, dtype=np.float64), _MIN_DEVIATION) for group in groups]
    return [(m.astype(np.float32), d.astype(np.float32)) for m, d in zip(means, deviations, strict=True)]
