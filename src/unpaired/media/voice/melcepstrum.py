"""Mel-cepstra of spectral envelopes by two constant matrices.

The mel-cepstrum c_0..c_M of an envelope |H(w)| is the cosine series of its logarithm along a warped axis:

    log|H(w)| = sum_m c_m cos(m b(w)),    b(w) = w + 2 atan(a sin w / (1 - a cos w))

(the phase of an all-pass filter; Tokuda et al. 1994, "Mel-generalized cepstral analysis"). So decoding is a matrix of
cosines. Encoding is the projection on them; over w it is weighted by b'(w) = (1 - a^2) / (1 + a^2 - 2 a cos w):

    c_m = (1 or 2) / pi * integral from 0 to pi of log|H(w)| cos(m b(w)) b'(w) dw

which the trapezoidal rule over the bins of a DFT gives to rounding, as the integrand is smooth and periodic.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["build_matrices", "decode", "encode", "warp_frequency"]

Doubles = npt.NDArray[np.float64]


def warp_frequency(omega: npt.ArrayLike, alpha: float) -> Doubles:
    """b(w) for w in radians per sample."""
    w = np.asarray(omega, np.float64)
    return np.asarray(w + 2 * np.arctan2(alpha * np.sin(w), 1 - alpha * np.cos(w)), np.float64)


@lru_cache(maxsize=8)
def build_matrices(order: int, alpha: float, bins: int) -> tuple[Doubles, Doubles]:
    """Encode (bins, order + 1) and decode (order + 1, bins), for envelopes at `bins` points from 0 to Nyquist."""
    omega = np.linspace(0, np.pi, bins)
    decoding = np.cos(np.arange(order + 1)[:, None] * warp_frequency(omega, alpha))
    slope = (1 - alpha**2) / (1 + alpha**2 - 2 * alpha * np.cos(omega))
    weight = slope / (bins - 1)
    weight[[0, -1]] /= 2
    encoding = (decoding * weight).T
    encoding[:, 1:] *= 2
    return encoding, decoding


def encode(power: Doubles, order: int, alpha: float) -> Doubles:
    """Power spectra (frames, bins) to mel-cepstra (frames, order + 1): natural logarithm, of the amplitude."""
    encoding, _ = build_matrices(order, alpha, power.shape[-1])
    return np.asarray(0.5 * np.log(power) @ encoding)


def decode(cepstra: npt.NDArray[np.floating], bins: int, alpha: float) -> Doubles:
    """Mel-cepstra (frames, order + 1) to power spectra (frames, bins)."""
    _, decoding = build_matrices(cepstra.shape[-1] - 1, alpha, bins)
    return np.exp(2 * cepstra.astype(np.float64) @ decoding)
