"""The range of raw values of a domain of more than 8 bits: robust against a few wild values and no-data markers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from unpaired.media.image.image_decoding import FloatArray

LEVELS = np.concatenate([[0, 1e-4, 1e-3, 5e-3], np.linspace(0.01, 0.99, 57), [0.995, 0.999, 0.9999, 1]])
"""The quantiles that stand for one picture's values."""
MAX_GAP = 8.0
"""A value further from the bulk of all values than this multiple of the bulk's own width is an outlier."""
_MIN_DISTINCT = 16
_MAX_SAMPLED_FILES = 4096

Quantiles = npt.NDArray[np.float64]


def measure_quantiles(pixels: FloatArray) -> Quantiles | None:
    """Quantiles of a picture's finite values, the lowest first; None where no value is finite."""
    values = pixels[np.isfinite(pixels)]
    if not values.size:
        return None
    if values.size > 1 << 20:  # the extremes come from all values
        sample = values[:: values.size >> 19]
        return np.concatenate([[values.min()], np.quantile(sample, LEVELS[1:-1], method="nearest"), [values.max()]])
    return np.asarray(np.quantile(values, LEVELS, method="nearest"), np.float64)


@dataclass
class ValueRange:
    """Quantiles of pictures of one depth, and the files of the lowest and the highest value."""

    low: float = np.inf
    high: float = -np.inf
    low_file: str = ""
    high_file: str = ""
    _samples: list[Quantiles] = field(default_factory=list)

    def add(self, quantiles: Quantiles, name: str) -> None:
        """Add a picture's values."""
        if quantiles[0] < self.low:
            self.low, self.low_file = float(quantiles[0]), name
        if quantiles[-1] > self.high:
            self.high, self.high_file = float(quantiles[-1]), name
        if len(self._samples) < _MAX_SAMPLED_FILES:
            self._samples.append(quantiles)

    def find_bulk(self) -> tuple[float, float]:
        """The range without outliers: from the middle outwards, up to the first gap that is far too wide."""
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
        # Files that were not sampled may reach a little further.
        low = self.low if start == 0 else float(values[start])
        high = self.high if stop == len(values) - 1 else float(values[stop])
        return low, high

    def describe_outliers(self) -> str:
        """Say which values are outliers and in which files; empty where there are none."""
        low, high = self.find_bulk()
        wild = [
            f"{value:g} (as in {name})"
            for value, name, is_wild in (
                (self.low, self.low_file, self.low < low),
                (self.high, self.high_file, self.high > high),
            )
            if is_wild
        ]
        if not wild:
            return ""
        return (
            f"values such as {' and '.join(wild)} are far from all others and taken for outliers; networks see "
            f"{low:g} to {high:g} (--value-range LOW,HIGH sets the range)"
        )
