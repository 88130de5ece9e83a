"""Raw value range of a domain of more than 8 bits, robust against outliers and no-data markers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from unpaired.media.image.decoded_image import FloatArray

LEVELS = np.concatenate([[0, 1e-4, 1e-3, 5e-3], np.linspace(0.01, 0.99, 57), [0.995, 0.999, 0.9999, 1]])
"""Levels of the quantiles that represent a picture's values."""
MAX_GAP = 8.0
"""Maximum gap between neighboring values, relative to the range of the values on the inner side of the gap.

Values beyond a larger gap are outliers.
"""
_MIN_DISTINCT = 16
_MAX_SAMPLED_FILES = 4096

Quantiles = npt.NDArray[np.float64]


def measure_quantiles(pixels: FloatArray) -> Quantiles | None:
    """Return the quantiles of a picture's finite values at `LEVELS`; None if no value is finite.

    Pictures of more than 2**20 values are subsampled, except for minimum and maximum.
    """
    values = pixels[np.isfinite(pixels)]
    if not values.size:
        return None
    if values.size > 1 << 20:
        sample = values[:: values.size >> 19]
        return np.concatenate([[values.min()], np.quantile(sample, LEVELS[1:-1], method="nearest"), [values.max()]])
    return np.asarray(np.quantile(values, LEVELS, method="nearest"), np.float64)


@dataclass
class ValueRange:
    """Accumulated quantiles of pictures with equal bits, and the files of the lowest and highest value."""

    low: float = np.inf
    high: float = -np.inf
    low_file: str = ""
    high_file: str = ""
    _samples: list[Quantiles] = field(default_factory=list)

    def add(self, quantiles: Quantiles, name: str) -> None:
        """Add the quantiles of a picture."""
        if quantiles[0] < self.low:
            self.low, self.low_file = float(quantiles[0]), name
        if quantiles[-1] > self.high:
            self.high, self.high_file = float(quantiles[-1]), name
        if len(self._samples) < _MAX_SAMPLED_FILES:
            self._samples.append(quantiles)

    def find_bulk(self) -> tuple[float, float]:
        """Return the range without outliers: extended from the middle 80% outwards to the first gap above `MAX_GAP`."""
        values = np.unique(np.concatenate(self._samples))
        if len(values) < _MIN_DISTINCT:
            return self.low, self.high
        tenth = len(values) // 10
        start, stop = tenth, len(values) - 1 - tenth
        while stop + 1 < len(values) and values[stop + 1] - values[stop] <= MAX_GAP * (values[stop] - values[tenth]):
            stop += 1
        top = len(values) - 1 - tenth
        while start > 0 and values[start] - values[start - 1] <= MAX_GAP * (values[top] - values[start]):
            start -= 1
        # Files beyond the first _MAX_SAMPLED_FILES may have a slightly wider range.
        low = self.low if start == 0 else float(values[start])
        high = self.high if stop == len(values) - 1 else float(values[stop])
        return low, high

    def find_percentiles(self, low: float, high: float) -> tuple[float, float]:
        """Return two percentiles (0 to 100) of the values of all pictures, each picture with the same weight."""
        values = np.concatenate(self._samples)
        # A quantile represents the values halfway to its neighbors.
        borders = np.concatenate([[0], (LEVELS[1:] + LEVELS[:-1]) / 2, [1]])
        weights = np.tile(np.diff(borders), len(self._samples))
        order = np.argsort(values)
        centers = np.cumsum(weights[order]) - weights[order] / 2
        levels = np.array([low, high]) / 100 * len(self._samples)
        first, last = np.interp(levels, centers, values[order])
        return (self.low if low == 0 else float(first)), (self.high if high == 100 else float(last))

    def describe_outliers(self) -> str:
        """Describe the outliers and their files; empty if there are none."""
        low, high = self.find_bulk()
        outliers = [
            f"{value:g} (as in {name})"
            for value, name, is_outlier in (
                (self.low, self.low_file, self.low < low),
                (self.high, self.high_file, self.high > high),
            )
            if is_outlier
        ]
        if not outliers:
            return ""
        return (
            f"values such as {' and '.join(outliers)} are far from all others and treated as outliers; networks see "
            f"{low:g} to {high:g} (--value-range LOW,HIGH sets the range)"
        )
