"""Real items of a run, as inputs of its networks, for calibration and verification."""

from __future__ import annotations

import numpy as np

from unpaired.data.batches import BatchLoader
from unpaired.data.split import SplitName
from unpaired.errors import UnpairedError
from unpaired.runs.files import build_item_transform, read_file_lists
from unpaired.runs.folder import RunFolder
from unpaired.translate.network import FloatArray


def load_items(folder: RunFolder, key: str, split_name: SplitName, limit: int) -> list[FloatArray]:
    """Return up to `limit` items (C, H, W) in [-1, 1] of a split of domain `key`; empty if the files are gone."""
    config = folder.load_config()
    try:
        splits = read_file_lists(folder, config).splits
        loader = BatchLoader(config.domains, splits, build_item_transform(config), config.split_seed, workers=0)
        items = loader.iterate_items(key, split_name, limit)
        return [np.ascontiguousarray(item.tensor.numpy(), np.float32) for item in items]
    except UnpairedError:
        return []
