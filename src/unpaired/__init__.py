"""Unsupervised conditional generation: learn to turn one domain into another from collections without pairs.

`train` learns a translator from folders, `Translator` uses it, `evaluate` and `audit` measure it, `compare` does so for
several methods; `offer` makes a network of your own an embedding. `unpaired --help` is the same on the command line.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if "torch" not in sys.modules:
    # OpenMP threads that spin while they wait stall each other on a busy machine. Read once, when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from unpaired.api import Translator, UnpairedError, audit, compare, evaluate, register_embedding, resume, train

__version__ = "0.1.0"
__all__ = ["Translator", "UnpairedError", "audit", "compare", "evaluate", "register_embedding", "resume", "train"]


def __getattr__(name: str) -> Any:
    """Import the public names when one is first asked for, so that `unpaired --help` need not wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module 'unpaired' has no attribute '{name}'")
    from unpaired import api  # noqa: PLC0415

    return getattr(api, name)
