"""Verification of an exported network: the same inputs through torch and through the exported file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unpaired.errors import WorkError
from unpaired.media.interface import NetworkInput
from unpaired.translate.network import FloatArray, TranslationNetwork

MAX_DIFFERENCE = 0.002
"""Greatest difference of outputs in [-1, 1] between torch and an exported file: a quarter of a level of 8 bits."""
MIN_PSNR_DB = 20.0
"""Lowest PSNR of an 8-bit integer network to its float32 network."""


@dataclass(frozen=True)
class Verification:
    """Greatest absolute difference of the outputs, their PSNR in dB (range 2), and the number of compared inputs."""

    max_difference: float
    psnr_db: float
    inputs: int


def verify(
    reference: TranslationNetwork,
    exported: TranslationNetwork,
    items: Sequence[FloatArray],
    network_input: NetworkInput,
) -> Verification:
    """Compare two networks along all routes of `exported`, on random inputs of two sizes and on `items` (C, H, W).

    Raises WorkError if the output has another shape than the input or if a value is not finite.
    """
    greatest, squares, values, count = 0.0, 0.0, 0, 0
    for x in iterate_inputs(items, network_input, exported.stride):
        for route in exported.routes:
            expected, actual = reference.translate(x, route), exported.translate(x, route)
            if actual.shape != expected.shape or not np.isfinite(actual).all():
                raise WorkError(
                    f"wrong export: for an input of shape {x.shape} the output has shape {actual.shape} or values that "
                    "are not finite; no file was written"
                )
            difference = np.abs(actual.astype(np.float64) - expected)
            greatest = max(greatest, float(difference.max()))
            squares, values, count = squares + float(np.square(difference).sum()), values + difference.size, count + 1
    psnr = math.inf if not squares else 10 * math.log10(4 * values / squares)
    return Verification(greatest, psnr, count)


def iterate_inputs(items: Sequence[FloatArray], network_input: NetworkInput, stride: int) -> Iterator[FloatArray]:
    """Yield batches: one random input of the training size, two of another size, and each item on its own."""
    random = np.random.default_rng(0)
    channels, height, width = network_input.shape
    grows = network_input.is_resizable
    other = height + stride * grows[0], width + 2 * stride * grows[1]
    for shape in ((1, channels, height, width), (2, channels, *other)):
        yield random.uniform(-1, 1, shape).astype(np.float32)
    for item in items:
        yield item[None]


def require_equal(verification: Verification) -> None:
    """Raise WorkError if a float32 export differs by more than `MAX_DIFFERENCE`."""
    if verification.max_difference > MAX_DIFFERENCE:
        raise WorkError(
            f"wrong export: outputs in [-1, 1] differ by up to {verification.max_difference:.2g} from the run's; "
            f"expected at most {MAX_DIFFERENCE}. No file was written"
        )


def require_similar(verification: Verification) -> None:
    """Raise WorkError if an integer network is further than `MIN_PSNR_DB` from its float32 network."""
    if verification.psnr_db < MIN_PSNR_DB:
        raise WorkError(
            f"--int8: the PSNR to the float32 network is {verification.psnr_db:.1f} dB; expected at least "
            f"{MIN_PSNR_DB:g} dB. No file was written; export without --int8"
        )
