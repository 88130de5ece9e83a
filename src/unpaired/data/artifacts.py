"""What unpaired itself leaves among a user's folders, and what is no data: runs, comparisons, translations."""

from __future__ import annotations

import os
from pathlib import Path

RUN_MARKERS = (("config.yaml", "history.jsonl"), ("config.yaml", "model.safetensors"), ("comparison.yaml",))
"""Files of a run, of an imported one, and of a comparison."""
TRANSLATION_MARKERS = (".unpaired.sqlite",)
"""Of a folder that translations were written to."""


def is_run_folder(folder: str | Path) -> bool:
    """Whether a folder is a run or a comparison."""
    return any(_contains_files(folder, names) for names in RUN_MARKERS)


def is_artifact(folder: str | Path) -> bool:
    """Whether a folder is a run or a comparison, or holds translations."""
    return is_run_folder(folder) or _contains_files(folder, TRANSLATION_MARKERS)


def _contains_files(folder: str | Path, names: tuple[str, ...]) -> bool:
    return all(os.path.exists(os.path.join(folder, name)) for name in names)  # noqa: PTH110, PTH118 (a Path is slow)
