"""Loudness after ITU-R BS.1770-4, measured block by block in constant memory, and gains to a target loudness."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import signal

from unpaired.media.voice.audio_io import Wave

__all__ = ["TARGET_LUFS", "LoudnessMeter", "compute_gain", "measure_loudness", "scale_blocks"]

TARGET_LUFS = -23.0
"""Loudness in LUFS to which recordings are brought before analysis (EBU R 128)."""
_MAX_GAIN_DB = 40.0
_ABSOLUTE_THRESHOLD_LUFS, _RELATIVE_THRESHOLD_LU, _LUFS_OFFSET = -70.0, -10.0, -0.691


class LoudnessMeter:
    """Measure loudness and peak of a mono signal that arrives in blocks."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.peak = 0.0
        self._filter = _build_k_weighting(sample_rate_hz)
        self._filter_state = np.zeros((len(self._filter), 2))
        self._step_samples = sample_rate_hz // 10
        self._remainder = np.zeros(0)
        self._step_energies: list[npt.NDArray[np.float64]] = []

    def add(self, wave: Wave) -> None:
        """Add the next block (samples,)."""
        if not len(wave):
            return
        self.peak = max(self.peak, float(np.abs(wave).max()))
        weighted, self._filter_state = signal.sosfilt(self._filter, wave.astype(np.float64), zi=self._filter_state)
        joined = np.concatenate([self._remainder, np.square(weighted)])
        cut = len(joined) // self._step_samples * self._step_samples
        self._step_energies.append(joined[:cut].reshape(-1, self._step_samples).sum(1))
        self._remainder = joined[cut:]

    def lufs(self) -> float:
        """Return the integrated loudness so far in LUFS; minus infinity for silence.

        A signal shorter than 0.4 s is one gating block.
        """
        step_energies = np.concatenate([*self._step_energies, np.zeros(0)])
        if len(step_energies) < 4:
            samples = len(step_energies) * self._step_samples + len(self._remainder)
            blocks = np.array([(step_energies.sum() + self._remainder.sum()) / max(samples, 1)])
        else:
            blocks = np.convolve(step_energies, np.ones(4), "valid") / (4 * self._step_samples)
        level = _LUFS_OFFSET + 10 * np.log10(np.maximum(blocks, 1e-20))
        blocks = blocks[level > _ABSOLUTE_THRESHOLD_LUFS]
        if not len(blocks):
            return -math.inf
        relative_threshold = _LUFS_OFFSET + 10 * math.log10(blocks.mean()) + _RELATIVE_THRESHOLD_LU
        loud = blocks[_LUFS_OFFSET + 10 * np.log10(blocks) > relative_threshold]
        return _LUFS_OFFSET + 10 * math.log10(loud.mean())


def measure_loudness(wave: Wave, sample_rate_hz: int) -> float:
    """Return the integrated loudness of a mono wave (samples,) in LUFS."""
    meter = LoudnessMeter(sample_rate_hz)
    meter.add(wave)
    return meter.lufs()


def compute_gain(from_lufs: float, to_lufs: float = TARGET_LUFS) -> float:
    """Return the factor from one loudness in LUFS to another: 1 for silence, at most 40 dB."""
    if not (math.isfinite(from_lufs) and math.isfinite(to_lufs)):
        return 1.0
    return float(10 ** (min(to_lufs - from_lufs, _MAX_GAIN_DB) / 20))


def scale_blocks(waves: Iterable[Wave], factor: float) -> Iterator[Wave]:
    """Multiply each block by `factor`."""
    for wave in waves:
        yield wave * np.float32(factor)


def _build_k_weighting(sample_rate_hz: int) -> npt.NDArray[np.float64]:
    """Return the K-weighting of BS.1770 as two second-order sections (2, 6), from its analog prototypes, for any rate.

    The constants of the prototypes are those that reproduce the standard's table at 48 kHz.
    """
    k, q = math.tan(math.pi * 1681.974450955533 / sample_rate_hz), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a,
        2 * (k * k - high) / a,
        (high - band * k / q + k * k) / a,
        1,
        2 * (k * k - 1) / a,
        (1 - k / q + k * k) / a,
    ]
    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate_hz), 0.5003270373238773
    a = 1 + k / q + k * k
    low_cut = [1, -2, 1, 1, 2 * (k * k - 1) / a, (1 - k / q + k * k) / a]
    return np.array([shelf, low_cut], np.float64)
