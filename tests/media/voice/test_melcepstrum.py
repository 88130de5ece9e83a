from __future__ import annotations

import math

import numpy as np
import pytest

from unpaired.media.voice.melcepstrum import build_matrices, decode, encode, warp_frequency

ALPHA, BINS = 0.41, 513


def slow_cepstrum(log_amplitude: object, order: int) -> list[float]:
    """Compute the cosine series along the warped axis in a loop.

    The all-pass with the opposite sign maps evenly spaced warped frequencies back to those of the envelope.
    """
    assert callable(log_amplitude)
    points = 2000
    result = []
    for m in range(order + 1):
        total = 0.0
        for i in range(points):
            warped = math.pi * (i + 0.5) / points
            came_from = warped - 2 * math.atan2(ALPHA * math.sin(warped), 1 + ALPHA * math.cos(warped))
            total += log_amplitude(came_from) * math.cos(m * warped)
        result.append(total / points * (1 if m == 0 else 2))
    return result


def envelope(w: float) -> float:
    """Return the log amplitude of two resonances."""
    total = -3.0
    for radius, angle in ((0.9, 0.5), (0.85, 1.4)):
        for sign in (1, -1):
            re, im = 1 - radius * math.cos(w - sign * angle), radius * math.sin(w - sign * angle)
            total -= 0.5 * math.log(re * re + im * im)
    return total


def test_encoding_equals_a_loop_implementation() -> None:
    power = np.array([[math.exp(2 * envelope(math.pi * k / (BINS - 1))) for k in range(BINS)]])
    np.testing.assert_allclose(encode(power, 24, ALPHA)[0], slow_cepstrum(envelope, 24), atol=1e-6)


def test_encoding_equals_frequency_warping_by_recursion() -> None:
    # Oppenheim and Johnson 1972 on the plain cepstrum.
    power = np.array([math.exp(2 * envelope(math.pi * k / (BINS - 1))) for k in range(BINS)])
    plain = np.fft.irfft(0.5 * np.log(power))[:BINS]
    plain[1:] *= 2
    order = 16
    g = np.zeros(order + 1)
    for c in plain[::-1]:
        d = g.copy()
        g[0] = c + ALPHA * d[0]
        g[1] = (1 - ALPHA**2) * d[0] + ALPHA * d[1]
        for m in range(2, order + 1):
            g[m] = d[m - 1] + ALPHA * (d[m] - g[m - 1])
    np.testing.assert_allclose(encode(power[None], order, ALPHA)[0], g, atol=1e-6)


def test_decoding_inverts_encoding() -> None:
    cepstra = np.random.default_rng(0).normal(0, 0.3, (5, 25))
    np.testing.assert_allclose(encode(decode(cepstra, BINS, ALPHA), 24, ALPHA), cepstra, atol=1e-9)


def test_flat_spectrum_has_only_c0() -> None:
    cepstra = encode(np.full((1, BINS), 4.0), 24, ALPHA)[0]
    assert cepstra[0] == pytest.approx(math.log(2))
    assert np.abs(cepstra[1:]).max() < 1e-9


def test_warped_axis_approximates_mel() -> None:
    hz = np.array([500, 1000, 2000, 4000])
    mel = np.log(1 + hz / 1000) / np.log(1 + 8000 / 1000)  # Fant 1968
    np.testing.assert_allclose(warp_frequency(hz / 8000 * np.pi, ALPHA) / np.pi, mel, atol=0.04)
    np.testing.assert_allclose(warp_frequency([0, np.pi], ALPHA), [0, np.pi], atol=1e-12)


def test_matrices_are_cached() -> None:
    assert build_matrices(24, ALPHA, BINS) is build_matrices(24, ALPHA, BINS)
