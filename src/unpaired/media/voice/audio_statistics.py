"""Statistics of a recording, added up over its blocks: peak, clipping, and the covariance of the channels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DEAD_CHANNEL_RATIO = 1e-3
"""A channel is ignored if its standard deviation is below this fraction of the loudest channel's (-60 dB)."""
MIN_CLIPPED_RUN = 3
"""Minimum number of consecutive full-scale samples that count as clipping."""
MAX_MIX_LOSS_DB = 6.5
"""If the mean of the channels is quieter than the loudest channel by more than this, in dB, they cancel each other."""

ChannelBlock = npt.NDArray[np.float32]


class AudioStatistics:
    """Running sums over a file's blocks."""

    def __init__(self, channels: int) -> None:
        self.samples, self.nonfinite, self.clipped, self.peak = 0, 0, 0, 0.0
        self._sum, self._products = np.zeros(channels), np.zeros((channels, channels))

    def add(self, block: ChannelBlock) -> None:
        """Add a block (samples, channels); NaN and infinite values count as zero."""
        is_finite = np.isfinite(block)
        if not is_finite.all():
            self.nonfinite += int((~is_finite).sum())
            block = np.where(is_finite, block, np.float32(0))
        magnitude = np.abs(block)
        self.peak = max(self.peak, float(magnitude.max()))
        at_full_scale = magnitude >= 0.9999
        run = (
            at_full_scale[MIN_CLIPPED_RUN - 1 :]
            & at_full_scale[1 : len(at_full_scale) - 1]
            & at_full_scale[: 1 - MIN_CLIPPED_RUN]
        )
        self.clipped += int(run.sum())
        self.samples += len(block)
        wide = block.astype(np.float64)
        self._sum += wide.sum(0)
        self._products += wide.T @ wide

    def find_active_channels(self) -> tuple[int, ...]:
        """Return the channels whose deviation is at least -60 dB of the loudest channel's; all if all are silent."""
        deviation = np.sqrt(np.maximum(np.diag(self.compute_covariance()), 0))
        return tuple(int(channel) for channel in np.flatnonzero(deviation >= DEAD_CHANNEL_RATIO * deviation.max()))

    def find_channel_to_use_alone(self, active_channels: tuple[int, ...]) -> int | None:
        """Return the loudest channel if the active channels cancel each other in their mean; else None."""
        covariance = self.compute_covariance()[np.ix_(active_channels, active_channels)]
        powers = np.maximum(np.diag(covariance), 0)
        loudest = int(powers.argmax())
        if powers[loudest] <= 0 or covariance.mean() >= 10 ** (-MAX_MIX_LOSS_DB / 10) * powers[loudest]:
            return None
        return active_channels[loudest]

    def compute_covariance(self) -> npt.NDArray[np.float64]:
        """Compute the covariance of the channels (channels, channels)."""
        mean = self._sum / self.samples
        return np.asarray(self._products / self.samples - np.outer(mean, mean))
