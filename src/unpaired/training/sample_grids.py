"""Grids of sample translations, with columns for input, translation, and reconstruction (if the method has one)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unpaired.data.batches import BatchLoader
from unpaired.methods.base import Method
from unpaired.routes import Route

GRID_ROWS = 6


def select_sample_items(batches: BatchLoader, key: str) -> list[Tensor]:
    """Return items (C, H, W) of a domain for sample grids: of the validation split, or of training if it is empty."""
    items = list(batches.iterate_items(key, "validation", GRID_ROWS)) or list(
        batches.iterate_items(key, "train", GRID_ROWS)
    )
    return [item.tensor for item in items]


def make_sample_grid(method: Method, route: Route, inputs: Sequence[Tensor], scale: float = 1.0) -> Tensor:
    """Return one image (C, h, w) in [-1, 1] with a row per input (C, H, W), and columns as in the module docstring.

    Values are multiplied by `scale` first, which maps features of another range to [-1, 1].
    """
    x = torch.stack(list(inputs)).to(next(method.parameters()).device)
    y = method.translate(x, route.source, route.target)
    columns = [x, y]
    if method.is_cycle_consistent and method.route(route.target, route.source) is not None:
        columns.append(method.translate(y, route.target, route.source))
    column_gap = x.new_ones(len(x), x.shape[1], x.shape[2], 2)
    strips = [strip for column in columns for strip in ((scale * column.float()).clamp(-1, 1), column_gap)][:-1]
    rows = torch.cat(strips, dim=3)
    row_gap = rows.new_ones(rows.shape[1], 2, rows.shape[3])
    return torch.cat([piece for row in rows for piece in (row, row_gap)][:-1], dim=1).cpu()
