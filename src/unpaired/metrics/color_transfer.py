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


def fit_color_transfer(sources: Iterable[Tensor], targets: Iterable[Tensor]) -> ColorTransfer:
    """Fit the affine map of least mean squared change that gives `sources` the mean and covariance of `targets`.

    Both are batches (B, C, H, W) of equal C and any sizes, and are read once. It is the Monge-Kantorovich map of two
    Gaussians (Pitie and Kokaram 2007, "The linear Monge-Kantorovitch linear colour mapping"): T = A^-1/2 (A^1/2 B
    A^1/2)^1/2 A^-1/2 for the covariances A of the sources and B of the targets; for one channel, the ratio of the
    standard deviations. Raises ValueError for different numbers of channels, other shapes, or no pictures.
    """
    mean_x, cov_x = pixel_statistics(sources)
    mean_y, cov_y = pixel_statistics(targets)
    if len(mean_x) != len(mean_y):
        raise ValueError(f"sources have {len(mean_x)} channels and targets {len(mean_y)}; expected equal numbers")
    root, inverse = _power(cov_x, 0.5), _power(cov_x, -0.5)
    matrix = inverse @ _power(root @ cov_y @ root, 0.5, floor=0.0) @ inverse
    return ColorTransfer(matrix, mean_y - matrix @ mean_x)


def pixel_statistics(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the mean (C) and covariance (C, C) over all pixels of batches (B, C, H, W), float64."""
    count, total, square = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        _check(batch, batch.shape[1] if batch.dim() == 4 else 0)
        pixels = batch.double().transpose(0, 1).flatten(1)
        count, total, square = count + pixels.shape[1], total + pixels.sum(1), square + pixels @ pixels.T
    if not count:
        raise ValueError("no pictures; expected at least one batch (B, C, H, W)")
    mean = total / count
    return mean, square / count - torch.outer(mean, mean)


def _power(covariance: Tensor, exponent: float, floor: float = FLOOR) -> Tensor:
    values, vectors = torch.linalg.eigh((covariance + covariance.T) / 2)
    power: Tensor = (vectors * values.clamp(min=floor) ** exponent) @ vectors.T
    return power


def _check(pictures: Tensor, channels: int) -> None:
    if pictures.dim() != 4 or pictures.shape[1] != channels:
        raise ValueError(f"pictures have the shape {tuple(pictures.shape)}; expected (B, {channels or 'C'}, H, W)")
