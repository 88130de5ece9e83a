"""Energy c_0 of mel-cepstra, predicted from the other coefficients of a frame: loud sounds have their own spectra."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from unpaired.media.voice.features import VoiceFeatures
from unpaired.media.voice.vad import Mask

__all__ = ["fit_energy", "predict_energy"]

_RIDGE = 1e-3  # relative to the mean variance of the coefficients


def fit_energy(recordings: Iterable[tuple[VoiceFeatures, Mask]]) -> tuple[float, ...]:
    """Fit c_0 = w_0 + sum of w_m c_m to the speech frames of recordings by least squares; returns w_0..w_order."""
    gram = np.zeros(())
    for features, mask in recordings:
        rows = np.concatenate([np.ones((1, int(mask.sum()))), features.values[:, mask], features["energy"][:, mask]])
        gram = gram + rows @ rows.T
    # Centering removes the intercept, which must not be shrunk.
    count, sums = gram[0, 0], gram[1:, 0]
    covariance = gram[1:, 1:] / count - np.outer(sums, sums) / count**2
    variances = covariance[:-1, :-1] + _RIDGE * np.trace(covariance[:-1, :-1]) / len(sums) * np.eye(len(sums) - 1)
    slopes = np.linalg.solve(variances, covariance[:-1, -1])
    intercept = (sums[-1] - slopes @ sums[:-1]) / count
    return (float(intercept), *slopes.tolist())


def predict_energy(values: Tensor, weights: Tensor) -> Tensor:
    """Return c_0 (B, 1, T) of coefficients c_1..c_order (B, order, T) with weights (B, order + 1) of `fit_energy`."""
    return weights[:, :1, None] + torch.einsum("bm,bmt->bt", weights[:, 1:], values)[:, None]
