"""What unpaired itself leaves among a user's folders, and what is no data: runs, comparisons, translations."""

from __future__ import annotations

import os
from pathlib import Path

TRAINED = (("config.yaml", "history.jsonl"), ("config.yaml", "model.safetensors"), ("comparison.yaml",))
"""Files of a run, of an imported one, and of a comparison."""
TRANSLATED = (".unpaired.sqlite",)
"""Of a folder that translations were written to."""


def is_trained(folder: str | Path) -> bool:
    """Whether a folder is a run or a comparison."""
    return any(_holds(folder, names) for names in TRAINED)


def is_ours(folder: str | Path) -> bool:
    """Whether a folder is a run or a comparison, or holds translations."""
    return is_trained(folder) or _holds(folder, TRANSLATED)


def _holds(folder: str | Path, names: tuple[str, ...]) -> bool:
    return all(os.path.exists(os.path.join(folder, name)) for name in names)  # noqa: PTH110, PTH118 (a Path is slow)
