"""Unsupervised conditional generation: learn to translate between domains from unpaired collections of files.

`train` trains a translator on folders, `Translator` uses it, `evaluate` and `audit` measure it, and `compare` compares
several methods. `register_embedding` and `register_method` add networks and methods of your own. `unpaired --help`
shows the same functions on the command line.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if "torch" not in sys.modules:
    # OpenMP threads that spin while they wait stall each other on a busy machine. Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from unpaired.api import (
        MethodInfo,
        Translator,
        UnpairedError,
        audit,
        compare,
        evaluate,
        register_embedding,
        register_method,
        resume,
        train,
    )

__version__ = "0.1.0"
__all__ = [
    "MethodInfo",
    "Translator",
    "UnpairedError",
    "audit",
    "compare",
    "evaluate",
    "register_embedding",
    "register_method",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that `unpaired --help` does not load torch."""
    if name not in __all__:
        raise AttributeError(f"module 'unpaired' has no attribute '{name}'")
    from unpaired import api  # noqa: PLC0415

    return getattr(api, name)
