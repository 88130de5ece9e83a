"""Translation with an exported ONNX or OpenVINO file, without torch."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path

from unpaired.translate.base import BaseTranslator
from unpaired.translate.exported_model import ExportedModel
from unpaired.translate.exported_network import ExportedNetwork, GraphRunner
from unpaired.translate.runtimes import load_exported_file


class ExportedTranslator(BaseTranslator):
    """An exported model; it translates as the run that it was exported from does.

    `config` is the description in the file's metadata.
    """

    config: ExportedModel

    def __init__(self, path: Path, run_graph: GraphRunner, config: ExportedModel) -> None:
        self.path, self.config = path, config
        self.network = ExportedNetwork(run_graph, config)

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str = "auto") -> ExportedTranslator:
        """Load a file that `unpaired export` wrote; `device` is auto, cpu or, for ONNX files, cuda.

        Raises UsageError if the file, its runtime or the device is missing, or if the file is another program's;
        WorkError if the file is damaged.
        """
        return cls(Path(path), *load_exported_file(Path(path), device))

    @cached_property
    def weights_digest(self) -> str:
        """SHA-256 of the file, and of OpenVINO's file of weights."""
        digest = hashlib.sha256(self.path.read_bytes())
        weights = self.path.with_suffix(".bin")
        if self.path.suffix.lower() == ".xml" and weights.is_file():
            digest.update(weights.read_bytes())
        return digest.hexdigest()
