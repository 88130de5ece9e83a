"""Post-training quantization to 8-bit integers, calibrated with items of the run.

ONNX files are quantized by onnxruntime, OpenVINO files by NNCF. NNCF's ONNX files leave the outputs of convolutions in
float32, which onnxruntime does not run as integer convolutions: they were no faster than float32 there.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from unpaired.export.formats import Format, save_openvino
from unpaired.packages import import_package
from unpaired.translate.exported_network import GraphRunner
from unpaired.translate.network import FloatArray
from unpaired.translate.runtimes import read_openvino

CALIBRATION_ITEMS = 128
"""Maximum number of items for the calibration."""
_REPEATS = 5

Feeds = Mapping[str, FloatArray]
"""Inputs of a graph by name."""


def require_quantizer(output_format: Format) -> None:
    """Raise UsageError with the install command if the package that quantizes a format is missing."""
    if output_format == "openvino":
        import_package("nncf", "--int8", "export-openvino")


def quantize(output_format: Format, path: Path, out: Path, calibration: Sequence[Feeds], names: Sequence[str]) -> None:
    """Write the file `path` with 8-bit convolutions to `out`; `names` are the inputs of the graph."""
    with _silence():
        if output_format == "onnx":
            _quantize_onnx(path, out, calibration)
        else:
            _quantize_openvino(path, out, calibration, names)


def _quantize_onnx(path: Path, out: Path, calibration: Sequence[Feeds]) -> None:
    import onnx  # noqa: PLC0415 - in an extra
    from onnxruntime import quantization  # noqa: PLC0415
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc] # the package has no types
        """Calibration items, one at a time."""

        def __init__(self) -> None:
            self._items: Iterator[Feeds] = iter(calibration)

        def get_next(self) -> Feeds | None:
            """Return the next item, None at the end."""
            return next(self._items, None)

    prepared = out.with_suffix(".prepared.onnx")
    quant_pre_process(path, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        out,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        op_types_to_quantize=["Conv"],  # onnxruntime has no integer version of the other operators of generators
    )
    prepared.unlink()
    quantized = onnx.load(out)
    onnx.helper.set_model_props(quantized, {prop.key: prop.value for prop in onnx.load(path).metadata_props})
    onnx.save(quantized, out)


def _quantize_openvino(path: Path, out: Path, calibration: Sequence[Feeds], names: Sequence[str]) -> None:
    import nncf  # noqa: PLC0415 - in an extra

    items = [tuple(feeds[name] for name in names) if len(names) > 1 else feeds[names[0]] for feeds in calibration]
    save_openvino(nncf.quantize(read_openvino(path), nncf.Dataset(items), subset_size=len(items)), out)


@contextmanager
def _silence() -> Iterator[None]:
    """Hide progress bars and warnings of the quantizers; the comparison with float32 checks the result."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(previous)


def measure_speedup(float_runner: GraphRunner, int_runner: GraphRunner, feeds: Feeds) -> float:
    """Return the time of the float32 network, divided by that of the integer network.

    The fastest of alternating runs counts: other programs can slow a run down, but never speed it up.
    """
    seconds: dict[GraphRunner, list[float]] = {float_runner: [], int_runner: []}
    for _ in range(_REPEATS + 1):  # the first run allocates memory
        for runner, times in seconds.items():
            start = time.perf_counter()
            runner(feeds)
            times.append(time.perf_counter() - start)
    float_times, int_times = seconds.values()
    return min(float_times[1:]) / min(int_times[1:])
