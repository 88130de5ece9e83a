"""Translation with an exported ONNX file by onnxruntime, without torch."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from unpaired.cores import count_threads
from unpaired.errors import UsageError, WorkError
from unpaired.translate.base import BaseTranslator
from unpaired.translate.exported_model import METADATA_KEY, ExportedModel, parse_exported_model
from unpaired.translate.exported_network import ExportedNetwork

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SUFFIX = ".onnx"
"""Suffix of files that `OnnxTranslator` loads."""
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxTranslator(BaseTranslator):
    """An exported model; it translates as the run that it was exported from does.

    `config` is the description in the file's metadata.
    """

    config: ExportedModel

    def __init__(self, path: Path, session: InferenceSession, config: ExportedModel) -> None:
        self.path, self.config = path, config
        self.network = ExportedNetwork(lambda feeds: session.run(None, feeds)[0], config)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "auto") -> OnnxTranslator:
        """Load a file that `unpaired export` wrote; `device` is auto, cpu or cuda.

        Raises UsageError if the file, onnxruntime or the device is missing, or if the file is another program's;
        WorkError if the file is damaged.
        """
        path = Path(path)
        session = create_session(path, device)
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise UsageError(f"{path}: was not written by `unpaired export`; expected a file with its metadata")
        return cls(path, session, parse_exported_model(text, path))

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def create_session(path: Path, device: str = "auto") -> InferenceSession:
    """Open a file with onnxruntime, with as many threads as this process may use; raises as `OnnxTranslator.load`."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected a file written by `unpaired export`")
    try:
        import onnxruntime  # noqa: PLC0415 - in an extra
    except ImportError as error:
        raise UsageError(f"{path}: needs onnxruntime, which is missing: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count_threads()
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(path, options, providers=choose_providers(device))
    except UsageError:
        raise
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
