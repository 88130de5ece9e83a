"""Writers of the file formats, and runners of the written files for their verification."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from unpaired.errors import UsageError, WorkError
from unpaired.export.graph import Graph
from unpaired.packages import import_package
from unpaired.translate.exported_model import OUTPUT, ExportedModel
from unpaired.translate.exported_network import GraphRunner
from unpaired.translate.network import FloatArray
from unpaired.translate.runtimes import compile_openvino, create_session, read_openvino, run_session

Format = Literal["onnx", "torchscript", "openvino"]
SUFFIXES: Mapping[Format, str] = {"onnx": ".onnx", "torchscript": ".pt", "openvino": ".xml"}
"""Suffix of each format's file."""
OPSET = 20
"""Version of the ONNX operators."""


def require_format(name: str) -> Format:
    """Return a format's name; raises UsageError for an unknown one, and if its packages are missing."""
    known = get_args(Format)
    if name not in known:
        raise UsageError(f"--format {name}: expected one of {', '.join(known)}")
    packages = {"onnx": ("onnx", "onnxscript", "onnxruntime"), "torchscript": ()}
    for package in packages.get(name, (*packages["onnx"], "openvino")):
        import_package(package, f"--format {name}", "export-openvino" if package == "openvino" else "export")
    return name  # type: ignore[return-value] # checked above


def write_graph(graph: Graph, output_format: Format, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a graph to `path`; OpenVINO writes its weights to the same name with the suffix .bin.

    Raises WorkError if the networks cannot be exported.
    """
    if output_format == "torchscript":
        _write_torchscript(graph, path, metadata)
        return
    onnx_path = path if output_format == "onnx" else path.with_suffix(".onnx")
    _write_onnx(graph, onnx_path, metadata)
    if output_format == "openvino":
        convert_to_openvino(onnx_path, path, metadata)
        onnx_path.unlink()


def _write_onnx(graph: Graph, path: Path, metadata: Mapping[str, str]) -> None:
    import onnx  # noqa: PLC0415 - in an extra

    with _silence_exporter():
        try:
            program = torch.onnx.export(
                graph.module,
                graph.examples,
                input_names=list(graph.input_names),
                output_names=[OUTPUT],
                dynamic_shapes=graph.dynamic_shapes,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except Exception as error:  # the exporter's errors have no common class
            raise WorkError(f"torch cannot export these networks ({str(error).strip().splitlines()[0]})") from error
    assert program is not None
    program.save(path)
    onnx_model = onnx.load(path)
    onnx.helper.set_model_props(onnx_model, dict(metadata))
    onnx.save(onnx_model, path)


def _write_torchscript(graph: Graph, path: Path, metadata: Mapping[str, str]) -> None:
    with _silence_exporter(), torch.no_grad():
        script = torch.jit.trace(graph.module, graph.examples, check_trace=False)
        torch.jit.save(script, str(path), _extra_files={"metadata.json": json.dumps(dict(metadata))})


def convert_to_openvino(onnx_path: Path, path: Path, metadata: Mapping[str, str]) -> None:
    """Convert an ONNX file to OpenVINO's, with float32 weights."""
    import openvino  # noqa: PLC0415 - in an extra

    converted = openvino.convert_model(str(onnx_path))
    for key, value in metadata.items():
        converted.set_rt_info(value, ["unpaired", key])
    save_openvino(converted, path)


def save_openvino(model: Any, path: Path) -> None:
    """Write an OpenVINO model, and its weights to the same name with the suffix .bin."""
    import openvino  # noqa: PLC0415 - in an extra

    openvino.save_model(model, str(path), compress_to_fp16=False)


def create_runner(output_format: Format, path: Path, input_names: tuple[str, ...], model: ExportedModel) -> GraphRunner:
    """Return a function that runs a written file on the CPU."""
    if output_format == "onnx":
        return run_session(create_session(path, "cpu"))
    if output_format == "openvino":
        return compile_openvino(read_openvino(path), model)
    with _silence_exporter():
        script = torch.jit.load(str(path))

    def run(feeds: Mapping[str, FloatArray]) -> FloatArray:
        with torch.no_grad():
            y = script(*(torch.from_numpy(feeds[name]) for name in input_names))
        return np.asarray(y.numpy())

    return run


@contextmanager
def _silence_exporter() -> Iterator[None]:
    """Hide torch's warnings about its exporters, which do not concern the user; the verification checks the result."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
