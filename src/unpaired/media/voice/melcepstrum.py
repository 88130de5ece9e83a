"""Mel-cepstra of spectral envelopes, computed with two constant matrices.

The mel-cepstrum c_0..c_M of an envelope |H(w)| is the cosine series of its logarithm along a warped axis:

    log|H(w)| = sum_m c_m cos(m b(w)),    b(w) = w + 2 atan(a sin w / (1 - a cos w))

b is the phase of an all-pass filter (Tokuda et al. 1994, "Mel-generalized cepstral analysis"). Decoding is therefore a
matrix of cosines. Encoding is the projection onto them, weighted over w by b'(w) = (1 - a^2) / (1 + a^2 - 2 a cos w):

    c_m = (1 or 2) / pi * integral from 0 to pi of log|H(w)| cos(m b(w)) b'(w) dw

The trapezoidal rule over the bins of a DFT computes this up to rounding, because the integrand is smooth and periodic.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["build_matrices", "decode", "encode", "warp_frequency"]

Doubles = npt.NDArray[np.float64]


def warp_frequency(omega: npt.ArrayLike, alpha: float) -> Doubles:
    """Return b(w) for `omega` in radians per sample, with the all-pass constant `alpha`."""
    w = np.asarray(omega, np.float64)
    return np.asarray(w + 2 * np.arctan2(alpha * np.sin(w), 1 - alpha * np.cos(w)), np.float64)


@lru_cache(maxsize=8)
def build_matrices(order: int, alpha: float, bins: int) -> tuple[Doubles, Doubles]:
    """Return the matrices to encode (bins, order + 1) and decode (order + 1, bins) envelopes.

    Envelopes have `bins` points from 0 to the Nyquist frequency.
    """
    omega = np.linspace(0, np.pi, bins)
    decoding = np.cos(np.arange(order + 1)[:, None] * warp_frequency(omega, alpha))
    slope = (1 - alpha**2) / (1 + alpha**2 - 2 * alpha * np.cos(omega))
    weight = slope / (bins - 1)
    weight[[0, -1]] /= 2
    encoding = (decoding * weight).T
    encoding[:, 1:] *= 2
    return encoding, decoding


def encode(power: Doubles, order: int, alpha: float) -> Doubles:
    """Convert power spectra (frames, bins) to mel-cepstra (frames, order + 1) of the natural log amplitude."""
    encoding, _ = build_matrices(order, alpha, power.shape[-1])
    return np.asarray(0.5 * np.log(power) @ encoding)


def decode(cepstra: npt.NDArray[np.floating], bins: int, alpha: float) -> Doubles:
    """Convert mel-cepstra (frames, order + 1) to power spectra (frames, bins)."""
    _, decoding = build_matrices(cepstra.shape[-1] - 1, alpha, bins)
    return np.exp(2 * cepstra.astype(np.float64) @ decoding)
