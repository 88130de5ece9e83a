"""Post-training quantization of an ONNX file to 8-bit integers by NNCF, calibrated with items of the run."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np

from unpaired.export.packages import import_package
from unpaired.translate.exported_network import GraphRunner
from unpaired.translate.network import FloatArray

CALIBRATION_ITEMS = 128
"""Maximum number of items for the calibration."""
_REPEATS = 5


def require_nncf() -> None:
    """Raise UsageError with the install command if NNCF is missing."""
    import_package("nncf", "--int8", "export-int8")


def quantize(path: Path, out: Path, calibration: Sequence[Mapping[str, FloatArray]]) -> None:
    """Write the file `path` with 8-bit convolutions to `out`; `calibration` has the inputs of the graph.

    The metadata stay.
    """
    import nncf  # noqa: PLC0415 - in an extra
    import onnx  # noqa: PLC0415 - in an extra

    logging.getLogger("nncf").setLevel(logging.ERROR)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):  # NNCF's progress bars
        quantized = nncf.quantize(onnx.load(path), nncf.Dataset(list(calibration)), subset_size=len(calibration))
    onnx.save(quantized, out)


def measure_speedup(float_runner: GraphRunner, int_runner: GraphRunner, feeds: Mapping[str, FloatArray]) -> float:
    """Return the time of the float32 network, divided by that of the integer network: medians of alternating runs."""
    seconds: dict[GraphRunner, list[float]] = {float_runner: [], int_runner: []}
    for _ in range(_REPEATS + 1):  # the first run allocates memory
        for runner, times in seconds.items():
            start = time.perf_counter()
            runner(feeds)
            times.append(time.perf_counter() - start)
    float_times, int_times = seconds.values()
    return float(np.median(float_times[1:]) / np.median(int_times[1:]))
