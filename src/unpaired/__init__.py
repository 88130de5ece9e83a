"""Unsupervised conditional generation: learn to turn one domain into another from collections without pairs.

`train` learns a translator from folders, `Translator` uses it, `evaluate` measures it; `unpaired --help` is the same on
the command line.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unpaired.errors import UnpairedError as UnpairedError
    from unpaired.evaluation.run import evaluate as evaluate
    from unpaired.training.train import resume as resume
    from unpaired.training.train import train as train
    from unpaired.translate import Translator as Translator

__version__ = "0.1.0"

_PLACES = {
    "Translator": "unpaired.translate",
    "UnpairedError": "unpaired.errors",
    "evaluate": "unpaired.evaluation.run",
    "resume": "unpaired.training.train",
    "train": "unpaired.training.train",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `unpaired --help` need not wait for torch."""
    if name not in _PLACES:
        raise AttributeError(f"module 'unpaired' has no attribute '{name}'")
    return getattr(importlib.import_module(_PLACES[name]), name)
