"""Conversion of recordings with several channels: which channels are converted, and how results are panned.

If all channels with signal contain the same voice (correlation of at least 0.9 with the loudest), they are mixed and
converted once; each output channel gets the result with the level and polarity of its input channel. Otherwise each
channel is converted separately, so that two speakers on two channels stay separate. Channels without signal stay
silent.
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
"""Minimum absolute correlation with the loudest channel of a channel that contains the same voice."""
MAX_SEPARATE_CHANNELS = 8
"""Maximum number of channels that are converted separately; more channels are mixed."""


@dataclass(frozen=True, eq=False)
class ChannelLayout:
    """Channels to mix for each conversion (`streams`) and gains (channels, streams) of the results in the output."""

    streams: tuple[tuple[int, ...], ...]
    gains: npt.NDArray[np.float32]
    note: str = ""

    @property
    def channels(self) -> int:
        """Number of output channels."""
        return len(self.gains)

    def get_peak_gain(self, stream: int) -> float:
        """Return the largest absolute gain of a stream in any channel, at least 1."""
        return max(1.0, *(abs(float(gain)) for gain in self.gains[:, stream]))

    def place(self, waves: Sequence[Wave]) -> npt.NDArray[np.float32]:
        """Return a block (samples, channels), or (samples,) for one channel, from a block (samples,) of each stream."""
        block = np.stack(waves, 1) @ self.gains.T
        return block[:, 0] if self.channels == 1 else block


def choose_layout(inspection: AudioInspection, mode: ChannelMode) -> ChannelLayout:
    """Choose the layout from the covariance of the channels."""
    channels, mixed = inspection.header.channels, inspection.active_channels
    if channels == 1 or mode == "mono":
        return ChannelLayout((mixed,), np.ones((1, 1), np.float32))
    covariance = inspection.covariance
    power = np.maximum(np.diag(covariance), 1e-20)
    loudest = int(power.argmax())
    correlations = covariance[loudest] / np.sqrt(power * power[loudest])
    active = [channel for channel in range(channels) if power[channel] >= 1e-6 * power[loudest]]
    is_same_voice = all(abs(correlations[channel]) >= MIN_CORRELATION for channel in active)
    if is_same_voice or len(active) > MAX_SEPARATE_CHANNELS:
        mix_covariance = covariance[:, mixed].mean(1)
        mix_power = max(float(mix_covariance[list(mixed)].mean()), 1e-20)
        gains = np.where(np.isin(np.arange(channels), active), mix_covariance / mix_power, 0)
        note = f"{channels} channels with the same voice: converted once, with each channel's level kept"
        return ChannelLayout((mixed,), gains.astype(np.float32)[:, None], note)
    gains = np.zeros((channels, len(active)), np.float32)
    gains[active, range(len(active))] = 1
    note = f"{len(active)} channels with different sound: converted separately (--channels mono mixes them)"
    return ChannelLayout(tuple((channel,) for channel in active), gains, note)


class RunningMixer:
    """Mixer of a stream to mono: the mean of the channels, or only the loudest while they cancel each other.

    They cancel each other if their mean is more than `max_loss_db` quieter than the loudest channel.
    """

    def __init__(self, channels: int, max_loss_db: float) -> None:
        self._products = np.zeros((channels, channels))
        self._min_ratio = 10 ** (-max_loss_db / 10)

    def mix(self, blocks: Iterable[npt.NDArray[np.float32]]) -> Iterator[Wave]:
        """Yield each block (samples, channels) as mono (samples,)."""
        for block in blocks:
            wide = block.astype(np.float64)
            self._products += wide.T @ wide
            powers = np.diag(self._products)
            loudest = int(powers.argmax())
            cancels = self._products.mean() < self._min_ratio * powers[loudest]
            yield np.ascontiguousarray(block[:, loudest]) if cancels else block.mean(1, dtype=np.float32)
