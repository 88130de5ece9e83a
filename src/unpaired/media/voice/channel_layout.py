"""Recordings of several channels: which of them are converted, and where the results are placed.

Channels that hold the same voice (correlated by 0.9 or more with the loudest) are mixed, converted once, and the result
is placed as the voice was: each channel gets it at its own level and polarity. Channels that differ are converted each
by itself, so that two speakers on two channels stay apart. Dead channels stay silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from unpaired.media.voice.audio_inspection import AudioInspection
from unpaired.media.voice.audio_io import Wave

ChannelMode = Literal["keep", "mono"]
MIN_CORRELATION = 0.9
"""Channels that correlate at least so with the loudest one hold the same voice."""
MAX_SEPARATE_CHANNELS = 8
"""Of more channels the mix is converted and placed."""


@dataclass(frozen=True, eq=False)
class ChannelLayout:
    """`streams` are the channels that are mixed for each conversion; `gains` (channels, streams) place the results."""

    streams: tuple[tuple[int, ...], ...]
    gains: npt.NDArray[np.float32]
    note: str = ""

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return len(self.gains)

    def get_peak_gain(self, stream: int) -> float:
        """The largest factor that a stream gets in a channel, at least 1."""
        return max(1.0, *(abs(float(gain)) for gain in self.gains[:, stream]))

    def place(self, waves: Sequence[Wave]) -> npt.NDArray[np.float32]:
        """(samples, channels), or (samples,) of one channel, from a block of each stream."""
        block = np.stack(waves, 1) @ self.gains.T
        return block[:, 0] if self.channels == 1 else block


def choose_layout(inspection: AudioInspection, mode: ChannelMode) -> ChannelLayout:
    """Decide what is converted and where it goes, from the covariance of the channels."""
    channels, mixed = inspection.header.channels, inspection.active_channels
    if channels == 1 or mode == "mono":
        return ChannelLayout((mixed,), np.ones((1, 1), np.float32))
    covariance = inspection.covariance
    power = np.maximum(np.diag(covariance), 1e-20)
    loudest = int(power.argmax())
    correlations = covariance[loudest] / np.sqrt(power * power[loudest])
    live = [channel for channel in range(channels) if power[channel] >= 1e-6 * power[loudest]]
    is_same_voice = all(abs(correlations[channel]) >= MIN_CORRELATION for channel in live)
    if is_same_voice or len(live) > MAX_SEPARATE_CHANNELS:
        mix_covariance = covariance[:, mixed].mean(1)
        mix_power = max(float(mix_covariance[list(mixed)].mean()), 1e-20)
        gains = np.where(np.isin(np.arange(channels), live), mix_covariance / mix_power, 0)
        note = f"{channels} channels of one voice: converted once, and placed as the voice was"
        return ChannelLayout((mixed,), gains.astype(np.float32)[:, None], note)
    gains = np.zeros((channels, len(live)), np.float32)
    gains[live, range(len(live))] = 1
    note = f"{len(live)} channels with different sound: each is converted by itself (--channels mono mixes them)"
    return ChannelLayout(tuple((channel,) for channel in live), gains, note)


class RunningMixer:
    """Blocks of a stream to mono: the mean of the channels, or the loudest alone while they cancel each other."""

    def __init__(self, channels: int, max_loss_db: float) -> None:
        self._products = np.zeros((channels, channels))
        self._min_ratio = 10 ** (-max_loss_db / 10)

    def mix(self, blocks: Iterable[npt.NDArray[np.float32]]) -> Iterator[Wave]:
        """Mix blocks (samples, channels)."""
        for block in blocks:
            wide = block.astype(np.float64)
            self._products += wide.T @ wide
            powers = np.diag(self._products)
            loudest = int(powers.argmax())
            cancels = self._products.mean() < self._min_ratio * powers[loudest]
            yield np.ascontiguousarray(block[:, loudest]) if cancels else block.mean(1, dtype=np.float32)
