"""Runtimes of exported files: onnxruntime and OpenVINO. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from unpaired.cores import count_threads
from unpaired.errors import UsageError, WorkError
from unpaired.packages import disable_telemetry
from unpaired.translate.exported_model import METADATA_KEY, ExportedModel, parse_exported_model
from unpaired.translate.exported_network import GraphRunner
from unpaired.translate.network import FloatArray

SUFFIXES = (".onnx", ".xml")
"""Suffixes of exported files that can be translated with."""
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def load_exported_file(path: Path, device: str = "auto") -> tuple[GraphRunner, ExportedModel]:
    """Open a file that `unpaired export` wrote; returns a function that runs it, and its description.

    `device` is auto, cpu or, for ONNX files, cuda. Raises UsageError if the file, the runtime or the device is missing,
    or if the file is another program's; WorkError if the file is damaged.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected a file written by `unpaired export`")
    if path.suffix.lower() == ".onnx":
        session = create_session(path, device)
        model = _parse_metadata(path, session.get_modelmeta().custom_metadata_map.get(METADATA_KEY))
        return run_session(session), model
    if device not in ("auto", "cpu"):
        raise UsageError(f"device '{device}': OpenVINO files are run on the CPU; use auto or cpu")
    network = read_openvino(path)
    has_description = network.has_rt_info(["unpaired", METADATA_KEY])
    text = network.get_rt_info(["unpaired", METADATA_KEY]).astype(str) if has_description else None
    model = _parse_metadata(path, text)
    return compile_openvino(network, model), model


def _parse_metadata(path: Path, text: str | None) -> ExportedModel:
    if text is None:
        raise UsageError(f"{path}: was not written by `unpaired export`; expected a file with its metadata")
    return parse_exported_model(text, path)


def create_session(path: Path, device: str = "auto") -> Any:
    """Open an ONNX file with as many threads as this process may use; raises as `load_exported_file`."""
    try:
        import onnxruntime  # noqa: PLC0415 - in an extra
    except ImportError as error:
        raise UsageError(f"{path}: needs onnxruntime, which is missing: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count_threads()
    options.log_severity_level = 3  # errors only
    providers = choose_providers(device)
    try:
        return onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime's errors have no common class
        raise WorkError(f"{path}: cannot be read as an ONNX file ({error}); export the model again") from error


def choose_providers(device: str) -> list[str]:
    """Return onnxruntime's providers for a device; raises UsageError if this build of onnxruntime lacks the device."""
    import onnxruntime  # noqa: PLC0415 - in an extra

    available = onnxruntime.get_available_providers()
    if device == "auto":
        return [provider for provider in reversed(_PROVIDERS.values()) if provider in available]
    if _PROVIDERS.get(device) not in available:
        known = ", ".join(["auto", *(name for name, provider in _PROVIDERS.items() if provider in available)])
        raise UsageError(f"device '{device}': not available in this build of onnxruntime; expected one of {known}")
    return [_PROVIDERS[device]]


def run_session(session: Any) -> GraphRunner:
    """Return a function that runs an ONNX file."""

    def run(feeds: Mapping[str, FloatArray]) -> FloatArray:
        return np.asarray(session.run(None, dict(feeds))[0])

    return run


def read_openvino(path: Path) -> Any:
    """Read an OpenVINO file, whose weights have the same name with the suffix .bin; raises as `load_exported_file`."""
    disable_telemetry()
    try:
        import openvino  # noqa: PLC0415 - in an extra
    except ImportError as error:
        raise UsageError(f"{path}: needs openvino, which is missing: pip install openvino") from error
    try:
        return openvino.Core().read_model(str(path))
    except Exception as error:  # OpenVINO's errors have no common class
        reason = str(error).strip().splitlines()[-1]
        raise WorkError(f"{path}: cannot be read as an OpenVINO file ({reason}); export the model again") from error


def compile_openvino(network: Any, model: ExportedModel) -> GraphRunner:
    """Return a function that runs an OpenVINO file on the CPU.

    Float32 files are computed in float32. Layers of int8 files that are not integers may be computed in bfloat16, where
    the CPU has instructions for it.
    """
    import openvino  # noqa: PLC0415 - in an extra

    options: dict[str, Any] = {"INFERENCE_NUM_THREADS": count_threads(), "PERFORMANCE_HINT": "LATENCY"}
    if model.precision == "float32":
        options["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = openvino.Core().compile_model(network, "CPU", options)

    def run(feeds: Mapping[str, FloatArray]) -> FloatArray:
        return np.array(compiled(dict(feeds))[0])

    return run
