"""Antialiased resizing of nodes, tile by tile, equal to `F.interpolate(antialias=True)` of the whole image."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unpaired.tiling.nodes import Leaf, Node, evaluate
from unpaired.tiling.passes import Passes, compute_cost
from unpaired.tiling.regions import Region, Span, iterate_tiles

FILTER_RADIUS = {"bilinear": 1.0, "bicubic": 2.0}
"""Radius of the interpolation filter in pixels of the smaller image."""


def compute_weights(in_length: int, out_length: int, span: Span, mode: str) -> tuple[Span, Tensor]:
    """Return the input positions that the output positions `span` depend on, and their weights (outputs, inputs)."""
    scale = in_length / out_length
    stretch = max(1.0, scale)
    radius = FILTER_RADIUS[mode] * stretch
    centers = scale * (np.arange(*span) + 0.5)
    first = np.maximum((centers - radius + 0.5).astype(np.int64), 0)
    last = np.minimum((centers + radius + 0.5).astype(np.int64), in_length)
    start, stop = int(first.min()), int(last.max())
    positions = np.arange(start, stop)
    weights = evaluate_filter((positions + 0.5 - centers[:, None]) / stretch, mode)
    weights *= (positions >= first[:, None]) & (positions < last[:, None])
    return (start, stop), torch.from_numpy((weights / weights.sum(1, keepdims=True)).astype(np.float32))


def evaluate_filter(distance: npt.NDArray[np.float64], mode: str) -> npt.NDArray[np.float64]:
    """Return the triangle filter, or the cubic filter with a = -0.5 (Keys 1981, eq. 4)."""
    x = np.abs(distance)
    if mode == "bilinear":
        return np.asarray(np.clip(1 - x, 0, None))
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.asarray(np.where(x < 1, inner, np.where(x < 2, outer, 0.0)))


def resize_region(node: Node, size: tuple[int, int], region: Region, mode: str) -> Tensor:
    """Return a region (B, C, height, width) of a node that is resized to `size`."""
    rows, row_weights = compute_weights(node.shape[2], size[0], region.rows, mode)
    columns, column_weights = compute_weights(node.shape[3], size[1], region.columns, mode)
    x = evaluate(node, Region(rows, columns))
    return row_weights.to(x) @ x @ column_weights.to(x).T


def resize_node(passes: Passes, node: Node, size: tuple[int, int], mode: str) -> Tensor:
    """Return a node resized to a smaller `size` as a tensor; zeros in a dry run."""
    out = torch.zeros(*node.shape[:2], *size)
    cost = compute_cost(node) + 2.0 * math.prod(node.shape)
    if passes.plan is None:
        passes.spent.cost += cost
        return out
    scale = max(1.0, node.shape[2] / size[0], node.shape[3] / size[1])
    for region in iterate_tiles(*size, max(1, int(passes.tile_size / scale))):
        out[..., slice(*region.rows), slice(*region.columns)] = resize_region(node, size, region, mode).cpu()
        passes.advance(cost * region.height * region.width / math.prod(size))
    return out


def create_resized_leaf(node: Node, size: tuple[int, int], mode: str) -> Leaf:
    """Return a leaf with the values of a small node, enlarged to `size`."""
    shape = (node.shape[0], node.shape[1], *size)
    return Leaf(shape, lambda region: resize_region(node, size, region, mode))
