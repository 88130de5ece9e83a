"""Linear color transfer: a baseline that uses only the mean and covariance of each domain's pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

FLOOR = 1e-8
"""Lower bound of variances in divisions, so that a source of a single color has a finite result."""


@dataclass(frozen=True)
class ColorTransfer:
    """Affine map of the channels of each pixel: `matrix` (C, C) and `offset` (C), float64."""

    matrix: Tensor
    offset: Tensor

    def __call__(self, pictures: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> the same shape, clamped to [-1, 1]."""
        _check(pictures, len(self.offset))
        mapped = torch.einsum("dc,bchw->bdhw", self.matrix, pictures.double()) + self.offset[:, None, None]
        return mapped.clamp(-1, 1).to(pictures.dtype)


@dataclass(frozen=True)
class ColorStatistics:
    """Mean (C) and covariance (C, C) of the channels over all pixels of `num_pictures` pictures, float64.

    The number is for information only.
    """

    mean: Tensor
    covariance: Tensor
    num_pictures: int = 0


def fit_color_transfer(source: ColorStatistics, target: ColorStatistics) -> ColorTransfer:
    """Return the affine map of least mean squared change from the mean and covariance of `source` to those of `target`.

    It is the Monge-Kantorovich map of two Gaussians (Pitie and Kokaram 2007, "The linear Monge-Kantorovitch linear
    color mapping"): T = A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 for the covariances A of the source and B of the target; for
    one channel, the ratio of the standard deviations. Raises ValueError for different numbers of channels.
    """
    if len(source.mean) != len(target.mean):
        raise ValueError(
            f"sources have {len(source.mean)} channels and targets {len(target.mean)}; expected equal numbers"
        )
    root, inverse = _power(source.covariance, 0.5), _power(source.covariance, -0.5)
    matrix = inverse @ _power(root @ target.covariance @ root, 0.5, floor=0.0) @ inverse
    return ColorTransfer(matrix, target.mean - matrix @ source.mean)


def measure_colors(batches: Iterable[Tensor]) -> ColorStatistics:
    """Measure the colors of all pixels of batches (B, C, H, W) of equal C and any sizes, which are read once.

    Raises ValueError for other shapes, or no pictures.
    """
    num_pictures, count, total, square = 0, 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        _check(batch, batch.shape[1] if batch.dim() == 4 else 0)
        pixels = batch.double().transpose(0, 1).flatten(1)
        num_pictures += len(batch)
        count, total, square = count + pixels.shape[1], total + pixels.sum(1), square + pixels @ pixels.T
    if not count:
        raise ValueError("no pictures; expected at least one batch (B, C, H, W)")
    mean = total / count
    return ColorStatistics(mean, square / count - torch.outer(mean, mean), num_pictures)


def _power(covariance: Tensor, exponent: float, floor: float = FLOOR) -> Tensor:
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    power: Tensor = (vectors * values.clamp(min=floor) ** exponent) @ vectors.T
    return power


def _check(pictures: Tensor, channels: int) -> None:
    if pictures.dim() != 4 or pictures.shape[1] != channels:
        raise ValueError(f"pictures have the shape {tuple(pictures.shape)}; expected (B, {channels or 'C'}, H, W)")
