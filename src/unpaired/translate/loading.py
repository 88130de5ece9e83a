"""Loading of a translator: of a run, or of an exported file, for which torch is not imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from unpaired.errors import UsageError
from unpaired.hub.download import PREFIX
from unpaired.translate.base import BaseTranslator
from unpaired.translate.exported_translator import ExportedTranslator
from unpaired.translate.runtimes import SUFFIXES

if TYPE_CHECKING:
    from unpaired.runs.folder import Checkpoint


def load_translator(
    run: str | os.PathLike[str], checkpoint: Checkpoint | None = None, device: str = "auto"
) -> BaseTranslator:
    """Load the folder of a run, a shared run (`hf:user/name`), or a file that `unpaired export` wrote.

    Raises UsageError and WorkError as `Translator.load` and `ExportedTranslator.load` do, and UsageError for
    `checkpoint` with an exported file.
    """
    path = Path(run)
    is_shared = os.fspath(run).startswith(PREFIX)
    if path.suffix.lower() in SUFFIXES and not is_shared and not path.is_dir():
        if checkpoint is not None:
            raise UsageError("--checkpoint: for runs only; an exported file contains one model")
        return ExportedTranslator.load(path, device)
    from unpaired.translate.translator import Translator  # noqa: PLC0415 - imports torch

    return Translator.load(run, checkpoint, device)
