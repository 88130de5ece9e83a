"""Recognition of folders that unpaired wrote (runs, comparisons, translations), which are not training data."""

from __future__ import annotations

import os
from pathlib import Path

RUN_MARKERS = (("config.yaml", "history.jsonl"), ("config.yaml", "model.safetensors"), ("comparison.yaml",))
"""Files that mark a folder as a trained run, an imported run or a comparison; all files of one tuple must exist."""
SHARDS_FOLDER = ".unpaired.shards"
"""Folder with the manifests of shards, in an output folder."""
TRANSLATION_MARKERS = (".unpaired.sqlite", SHARDS_FOLDER)
"""Names of which any marks a folder with translations."""


def is_run_folder(folder: str | Path) -> bool:
    """Whether a folder is a run or a comparison."""
    return any(_contains_files(folder, names) for names in RUN_MARKERS)


def is_artifact(folder: str | Path) -> bool:
    """Whether a folder is a run, a comparison or an output folder of translations."""
    return is_run_folder(folder) or any(_contains_files(folder, (name,)) for name in TRANSLATION_MARKERS)


def _contains_files(folder: str | Path, names: tuple[str, ...]) -> bool:
    return all(os.path.exists(os.path.join(folder, name)) for name in names)  # noqa: PTH110, PTH118 (a Path is slow)
