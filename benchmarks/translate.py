"""Time of one translation by each runtime, compared with plain PyTorch code in eager float32.

All sides alternate in one process, at batch 1, on the generator of the preset `paper` (ResNet-9, 64 channels, instance
norm). `straight` calls the generator under `torch.no_grad`; `eager` uses `TorchNetwork`, as `unpaired translate`
does; the others run exported files. Sides whose package is missing are left out.

    taskset -c 0 python -m benchmarks.translate --threads 1
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from benchmarks.results import append_row
from unpaired.export.formats import convert_to_openvino, write_graph
from unpaired.export.graph import build_graph
from unpaired.export.quantization import quantize
from unpaired.media.interface import NetworkInput
from unpaired.methods import METHODS
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.translate.exported_model import INPUT
from unpaired.translate.network import FloatArray
from unpaired.translate.torch_network import TorchNetwork

Side = Callable[[FloatArray], FloatArray]


def build_sides(size: int, folder: Path, threads: int, names: Iterable[str] | None) -> dict[str, Side]:
    """Return every side that can run here, or those in `names`."""
    torch.manual_seed(0)
    method = METHODS["cyclegan"].cls(ImageNetworkFactory(ImageNetworkSettings(), {"X": 3, "Y": 3}, size))
    method.requires_grad_(False).eval()
    method.stride = 4
    generator, route = method.get_submodule("G"), method.routes[0]
    network = TorchNetwork(method, torch.device("cpu"))

    def run_module(module: Callable[[torch.Tensor], torch.Tensor]) -> Side:
        def run(x: FloatArray) -> FloatArray:
            with torch.no_grad():
                return np.asarray(module(torch.from_numpy(x)).numpy())

        return run

    makers: dict[str, Callable[[], Side]] = {
        "straight": lambda: run_module(generator),
        "eager": lambda: lambda x: network.translate(x, route),
    }
    if shutil.which(os.environ.get("CXX", "g++")):
        makers["compile"] = lambda: run_module(torch.compile(generator))
    if find_spec("onnx") and find_spec("onnxscript") and find_spec("onnxruntime"):
        float_file, int_file = folder / "float32.onnx", folder / "int8.onnx"
        graph = build_graph(method, route, NetworkInput((3, size, size), (True, True), "", ""))
        write_graph(graph, "onnx", float_file, {})

        calibration = [{INPUT: item} for item in make_items(8, size)]
        makers["onnxruntime"] = lambda: create_onnx_side(float_file, threads)
        quantize("onnx", float_file, int_file, calibration, [INPUT])
        makers["onnxruntime int8"] = lambda: create_onnx_side(int_file, threads)
        if find_spec("openvino"):
            makers["openvino"] = lambda: create_openvino_side(float_file, threads, "f32")
            makers["openvino bf16"] = lambda: create_openvino_side(float_file, threads, "bf16")
        if find_spec("openvino") and find_spec("nncf"):
            openvino_file, openvino_int_file = folder / "float32.xml", folder / "int8.xml"
            convert_to_openvino(float_file, openvino_file, {})
            quantize("openvino", openvino_file, openvino_int_file, calibration, [INPUT])
            makers["openvino int8"] = lambda: create_openvino_side(openvino_int_file, threads, "f32")
            makers["openvino int8 bf16"] = lambda: create_openvino_side(openvino_int_file, threads, "bf16")
    return {name: make() for name, make in makers.items() if names is None or name in names}


def make_items(count: int, size: int) -> list[FloatArray]:
    """Make smooth random pictures (1, 3, size, size) in [-1, 1] for the calibration."""
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    items = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(-1, 1)
    return [np.ascontiguousarray(item[None].numpy()) for item in items]


def create_onnx_side(path: Path, threads: int) -> Side:
    """Run a file with onnxruntime."""
    import onnxruntime  # noqa: PLC0415 - in an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {INPUT: x})[0]


def create_openvino_side(path: Path, threads: int, precision: str) -> Side:
    """Run a file with OpenVINO; `precision` is that of layers that are not integers."""
    import openvino  # noqa: PLC0415 - in an extra

    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(path), "CPU", options)
    return lambda x: np.asarray(compiled({INPUT: x})[0])


def measure(sides: Mapping[str, Side], x: FloatArray, rounds: int) -> dict[str, dict[str, float]]:
    """Return the median seconds of wall time and of CPU time of each side; the order alternates between rounds."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for index in range(-1, rounds):  # the first round compiles and allocates
        for name in list(sides)[:: 1 if index % 2 else -1]:
            wall, cpu = time.perf_counter(), time.process_time()
            sides[name](x)
            if index >= 0:
                times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {
        name: {
            "seconds": round(statistics.median(wall for wall, _ in values), 4),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in values), 4),
        }
        for name, values in times.items()
    }


def main() -> None:
    """Measure, print a table and append a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="side of the picture in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sides", help="names separated by commas (default: all)")
    parser.add_argument("--no-row", dest="row", action="store_false", help="append no row to results.jsonl")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    x = make_items(1, args.size)[0]
    with tempfile.TemporaryDirectory() as folder:
        sides = build_sides(args.size, Path(folder), args.threads, args.sides.split(",") if args.sides else None)
        reference = sides["straight"](x)
        differences = {name: float(np.abs(side(x) - reference).max()) for name, side in sides.items()}
        figures = measure(sides, x, args.rounds)
    base = figures["straight"]
    for name, row in figures.items():
        row["max_difference"] = float(f"{differences[name]:.2g}")
        sys.stdout.write(
            f"{name:<18}{row['seconds']:8.3f} s {row['cpu_seconds']:8.3f} s of CPU   "
            f"{base['seconds'] / row['seconds']:5.2f} x  {base['cpu_seconds'] / row['cpu_seconds']:5.2f} x of CPU   "
            f"difference {row['max_difference']:.2g}\n"
        )
    if args.row:
        append_row("translate", {"size": args.size, "rounds": args.rounds, "sides": figures}, 0)


if __name__ == "__main__":
    main()
