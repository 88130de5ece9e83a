"""Raw value ranges of a translation's inputs and results: which raw values become -1 and 1 for the networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unpaired.data.domain import Domain
from unpaired.errors import UsageError
from unpaired.media.image.image_io import DecodedImage
from unpaired.media.image.pixel_types import MAX_VALUES
from unpaired.media.image.settings import Range, image_statistics

MAX_CLIPPED_FRACTION = 1e-3
"""Fraction of a picture's values outside of the range of training above which there is a warning."""


def get_value_range(requested_range: Range | None, domain: Domain, bits: int) -> Range:
    """Return the raw values of -1 and 1 for pictures with `bits` per channel.

    This is `requested_range` if given, else the domain's range if its pictures have as many bits, else the full range
    of `bits`.
    """
    if requested_range is not None:
        return requested_range
    statistics = image_statistics(domain)
    return (statistics.low, statistics.high) if bits == statistics.bits else (0.0, MAX_VALUES[bits])


def get_source_range(requested_range: Range | None, source: Domain, image: DecodedImage) -> Range:
    """Return the raw values of an input that become -1 and 1.

    Raises UsageError for floating-point pictures without finite values, and for those with values outside of [0, 1] if
    neither `requested_range` nor the domain defines their range.
    """
    source_bits = image_statistics(source).bits
    if image.bits == 32:
        finite_values = image.pixels[np.isfinite(image.pixels)]
        if not finite_values.size:
            raise UsageError("a picture without one finite value; expected numbers")
        if requested_range is None and source_bits != 32 and (finite_values.min() < 0 or finite_values.max() > 1):
            raise UsageError(
                f"its values go from {finite_values.min():g} to {finite_values.max():g}, but '{source.name}' was "
                f"trained on {source_bits}-bit pictures; expected 0 to 1, or the values of black and white "
                "(--source-range LOW,HIGH)"
            )
    return get_value_range(requested_range, source, image.bits)


def require_equal_ranges(sources: Sequence[Domain]) -> None:
    """Raise UsageError if the possible source domains of an input have different bits or value ranges."""
    if len({(s.bits, s.low, s.high) for s in map(image_statistics, sources)}) > 1:
        names = " or ".join(domain.name for domain in sources)
        raise UsageError(f"the domains have different value ranges; give the domain of the inputs: --from {names}")


def describe_clipping(image: DecodedImage, low: float, high: float) -> str:
    """Describe that raw values of a picture are clipped to `low`..`high`; empty for 8 bits and for few values."""
    if image.bits == 8:
        return ""
    is_outside = (image.pixels < low) | (image.pixels > high)
    if is_outside.mean() <= MAX_CLIPPED_FRACTION:
        return ""
    return (
        f"raw values outside of {low:g} to {high:g}, the range of training, are clipped to it (--source-range LOW,HIGH "
        "sets it)"
    )
