"""Grids of samples: a column for the input, one for its translation, one for the reconstruction where there is one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unpaired.data.batches import Batches
from unpaired.methods.game import Method, Route

ROWS = 6


def shown(batches: Batches, key: str) -> list[Tensor]:
    """What is shown of a domain: its first held-back items, or training items where none are held back."""
    items = list(batches.items(key, "validation", ROWS)) or list(batches.items(key, "train", ROWS))
    return [item.tensor for item in items]


def grid(method: Method, route: Route, inputs: Sequence[Tensor], scale: float = 1.0) -> Tensor:
    """`inputs` (C, H, W) -> one image (C, h, w) in [-1, 1]: a row per input, columns as the module says.

    Values times `scale` are shown; that makes pictures of what is not in [-1, 1].
    """
    x = torch.stack(list(inputs)).to(next(method.parameters()).device)
    y = method.translate(x, route.source, route.target)
    columns = [x, y]
    if method.restores and method.route(route.target, route.source) is not None:
        columns.append(method.translate(y, route.target, route.source))
    white = x.new_ones(len(x), x.shape[1], x.shape[2], 2)
    parts = [part for column in columns for part in ((scale * column.float()).clamp(-1, 1), white)][:-1]
    rows = torch.cat(parts, dim=3)
    gap = rows.new_ones(rows.shape[1], 2, rows.shape[3])
    return torch.cat([piece for row in rows for piece in (row, gap)][:-1], dim=1).cpu()
