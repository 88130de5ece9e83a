"""Translation of an image of any size by tiles: exact where the network allows it, else with cross-fades."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from unpaired.console import FractionCallback
from unpaired.tiling.nodes import Node, StoredMap, create_tensor_leaf, evaluate
from unpaired.tiling.passes import Passes, Plan
from unpaired.tiling.regions import Region
from unpaired.tiling.tiled_tensor import TiledTensor, UntileableError

TILE_OVERLAP = 128
"""Overlap of neighboring tiles of a network that cannot be tiled exactly, in pixels."""
Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TilingPlan:
    """Work of a tiled translation. `obstacle` names the operation that prevents an exact one; empty: it is exact."""

    work: Plan
    obstacle: str = ""


def plan_tiles(net: Network, image: Node, tile_size: int, stride: int, device: torch.device) -> TilingPlan:
    """Run `net` without values to find its work, and whether tiles can give the result of the whole image."""
    dry_run = Passes(tile_size, image.shape[2], device)
    obstacle = ""
    try:
        output = run_network(net, image, dry_run)
    except UntileableError as error:
        dry_run, obstacle = Passes(tile_size, image.shape[2], device), str(error)
        output = cross_fade(net, image, dry_run, stride)
    list(dry_run.iterate(output))
    return TilingPlan(dry_run.spent, obstacle)


@contextmanager
def translate_tiles(
    net: Network,
    image: Node,
    plan: TilingPlan,
    tile_size: int,
    stride: int,
    device: torch.device,
    progress: FractionCallback | None = None,
    create_passes: Callable[..., Passes] = Passes,
) -> Iterator[tuple[Passes, Node]]:
    """Yield the translation of `image` (B, C, H, W) as a node, with the passes that compute it.

    `net` maps images in [-1, 1] to images of the same size. The node is valid within the context. Raises WorkError if
    the disk has too little room for temporary files.
    """
    with create_passes(tile_size, image.shape[2], device, plan.work, progress) as passes:
        yield passes, cross_fade(net, image, passes, stride) if plan.obstacle else run_network(net, image, passes)


def run_network(net: Network, image: Node, passes: Passes) -> Node:
    """Return the output of `net` as a node; raises UntileableError."""
    output = net(TiledTensor(image, passes))
    return output.node if isinstance(output, TiledTensor) else create_tensor_leaf(output)


def cross_fade(net: Network, image: Node, passes: Passes, stride: int) -> Node:
    """Translate overlapping tiles independently, and fade from each to the next.

    What a network computes from the whole image, it computes from a tile, so contrast may differ between tiles;
    cross-fades hide the seams.
    """
    height, width = image.shape[2:]
    side = max(2, passes.tile_size // stride) * stride
    output = passes.allocate(image)
    for top, fade_y in compute_tile_spans(height, min(side, height), stride):
        for left, fade_x in compute_tile_spans(width, min(side, width), stride):
            region = Region((top, top + len(fade_y)), (left, left + len(fade_x)))
            cost = float(math.prod(image.shape[:2]) * region.height * region.width)
            if passes.plan is None:
                passes.spent.cost += cost
                continue
            assert isinstance(output, StoredMap)
            tile = net(evaluate(image, region)) * (fade_y[:, None] * fade_x).to(passes.device)
            output.write(region, output.compute((), region) + tile)
            passes.advance(cost)
    return output


def compute_tile_spans(length: int, tile_length: int, stride: int) -> list[tuple[int, Tensor]]:
    """Return the starts (multiples of `stride`) of spans that cover `length`, and their weights, which sum to one."""
    if tile_length >= length:
        return [(0, torch.ones(length))]
    overlap = min(TILE_OVERLAP, tile_length // 2)
    count = math.ceil((length - overlap) / (tile_length - overlap))
    starts = [i * (length - tile_length) // (count - 1) // stride * stride for i in range(count)]
    positions = torch.arange(tile_length)
    fade = torch.minimum(positions + 1, tile_length - positions).clamp(max=overlap).float()
    weight_sum = torch.zeros(length)
    for start in starts:
        weight_sum[start : start + tile_length] += fade
    return [(start, fade / weight_sum[start : start + tile_length]) for start in starts]
