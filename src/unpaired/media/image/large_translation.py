"""Translation of a large picture by networks of torch, with its conversion tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from unpaired.console import FractionCallback
from unpaired.media.image.array_io import Array
from unpaired.media.image.image_io import FloatArray, to_network_values
from unpaired.media.image.large_image import LargeImage
from unpaired.media.image.size_adapter import SizeAdapter, pad_by_reflection
from unpaired.media.image.tiled_pass import TiledPass
from unpaired.tiling.nodes import Leaf, Node, create_tensor_leaf
from unpaired.tiling.operations import Gather
from unpaired.tiling.passes import Passes, Plan
from unpaired.tiling.regions import Region
from unpaired.tiling.resizing import create_resized_leaf, resize_node
from unpaired.translate.network import LabelVector

CONVERSION_TILE = 1024
"""Side of the tiles of a conversion without networks, in pixels."""

RestoreRegion = Callable[[FloatArray, FloatArray | None], Array]
"""Converts a region of a result (C, h, w) in [-1, 1] and its alpha (h, w) to raw values (h, w, C), alpha last."""


def translate_large_image(
    large_image: LargeImage,
    adapter: SizeAdapter,
    network: TiledPass,
    label: LabelVector | None,
    restore: RestoreRegion,
    progress: FractionCallback | None = None,
) -> Array:
    """Translate a picture; returns raw values (H, W, C), alpha last."""
    full_precision = large_image.image.bits > 8
    source_size = large_image.image.pixels.shape[:2]
    size = (adapter.height, adapter.width)
    if adapter.resized_size == size:
        node = pad_node(create_image_node(large_image, network.device), adapter.padded_size)
        with network.open_tiles(node, label, full_precision, progress) as (passes, output):
            return _render(passes, output, large_image.image.alpha, restore, size)
    conversion = Passes(CONVERSION_TILE, source_size[0], torch.device("cpu"), Plan(), None)
    x = resize_node(conversion, create_image_node(large_image, conversion.device), adapter.resized_size, "bicubic")
    y = network.apply(pad_by_reflection(x.numpy(), adapter.padded_size), full_precision, label)
    y = y[..., : adapter.resized_size[0], : adapter.resized_size[1]]
    enlarged = create_resized_leaf(create_tensor_leaf(torch.from_numpy(y)), size, "bicubic")
    conversion = Passes(CONVERSION_TILE, size[0], torch.device("cpu"), Plan(), None)
    return _render(conversion, enlarged, large_image.image.alpha, restore, size)


def create_image_node(large_image: LargeImage, device: torch.device) -> Leaf:
    """Return the network input (1, channels, H, W) in [-1, 1] as a node."""
    image = large_image.image
    height, width = image.pixels.shape[:2]

    def read(region: Region) -> Tensor:
        window = (slice(*region.rows), slice(*region.columns))
        alpha = None if image.alpha is None else image.alpha[window]
        part = replace(image, pixels=image.pixels[window].astype(np.float32), alpha=alpha)
        values = to_network_values(part, large_image.channels, large_image.low, large_image.high)
        return torch.from_numpy(values)[None].to(device)

    return Leaf((1, large_image.channels, height, width), read)


def pad_node(node: Node, size: tuple[int, int]) -> Node:
    """Pad a node as `pad_by_reflection` pads an array."""
    rows, columns = (
        torch.from_numpy(pad_by_reflection(np.arange(length, dtype=np.float32)[:, None], (padded, 1))).long().flatten()
        for length, padded in zip(node.shape[2:], size, strict=True)
    )
    return Gather(node, rows, columns)


def _render(
    passes: Passes, output: Node, alpha: FloatArray | None, restore: RestoreRegion, size: tuple[int, int]
) -> Array:
    """Compute all tiles of a result and convert them to raw values."""
    out: Array | None = None
    for region, values in passes.iterate(output):
        rows, columns = (
            slice(span[0], min(span[1], length))
            for span, length in zip((region.rows, region.columns), size, strict=True)
        )
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if height <= 0 or width <= 0:
            continue
        tile_alpha = None if alpha is None else alpha[rows, columns]
        tile = restore(values[0, :, :height, :width].cpu().clamp(-1, 1).numpy(), tile_alpha)
        if out is None:
            out = np.empty((*size, tile.shape[2]), tile.dtype)
        out[rows, columns] = tile
    assert out is not None
    return out
