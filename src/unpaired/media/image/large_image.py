"""Pictures that are too large for float32 copies of all their pixels: they are converted tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from unpaired.console import FractionCallback
from unpaired.media.image.array_io import DTYPES, Array, convert_pixels_to_array
from unpaired.media.image.image_io import DecodedImage, FloatArray, to_tensor
from unpaired.media.image.network_pass import NetworkPass
from unpaired.media.image.size_adapter import SizeAdapter, pad_by_reflection
from unpaired.tiling.nodes import Leaf, Node, create_tensor_leaf
from unpaired.tiling.operations import Gather
from unpaired.tiling.passes import Passes, Plan
from unpaired.tiling.regions import Region
from unpaired.tiling.resizing import create_resized_leaf, resize_node
from unpaired.translate.label_request import LabelVector

LARGE_PIXELS = 1 << 23
"""Pixels of a picture above which it is converted tile by tile: 100 MB of color in float32."""
CONVERSION_TILE = 1024
"""Side of the tiles of a conversion without networks, in pixels."""

RestorePixels = Callable[[Tensor, FloatArray | None], FloatArray]
"""Converts a region of a result (C, h, w) in [-1, 1] and its alpha (h, w) to raw values (h, w, 1 or 3)."""


@dataclass(frozen=True, eq=False)
class LargeImage:
    """Decoded pixels of a large picture in the type of the file, and the raw values `low` and `high` of -1 and 1."""

    image: DecodedImage
    low: float
    high: float
    channels: int

    def create_node(self, device: torch.device) -> Leaf:
        """Return the network input (1, channels, H, W) in [-1, 1] as a node."""
        height, width = self.image.pixels.shape[:2]

        def read(region: Region) -> Tensor:
            window = (slice(*region.rows), slice(*region.columns))
            alpha = None if self.image.alpha is None else self.image.alpha[window]
            pixels = self.image.pixels[window].astype(np.float32)
            part = replace(self.image, pixels=pixels, alpha=alpha)
            return to_tensor(part, self.channels, self.low, self.high)[None].to(device)

        return Leaf((1, self.channels, height, width), read)


def translate_large_image(
    large_image: LargeImage,
    adapter: SizeAdapter,
    network: NetworkPass,
    label: LabelVector | None,
    restore: RestorePixels,
    bits: int,
    progress: FractionCallback | None = None,
) -> Array:
    """Translate a picture; returns raw values (H, W, C) of the type for `bits`, alpha last."""
    full_precision = large_image.image.bits > 8
    source_size = large_image.image.pixels.shape[:2]
    size = (adapter.height, adapter.width)
    if adapter.resized_size == size:
        node = pad_node(large_image.create_node(network.device), adapter.padded_size)
        with network.open_tiles(node, label, full_precision, progress) as (passes, output):
            return _render(passes, output, large_image.image.alpha, restore, bits, size)
    conversion = Passes(CONVERSION_TILE, source_size[0], torch.device("cpu"), Plan(), None)
    x = resize_node(conversion, large_image.create_node(conversion.device), adapter.resized_size, "bicubic")
    y = network.apply(pad_by_reflection(x, adapter.padded_size), full_precision, label)
    y = y[..., : adapter.resized_size[0], : adapter.resized_size[1]]
    enlarged = create_resized_leaf(create_tensor_leaf(y), size, "bicubic")
    conversion = Passes(CONVERSION_TILE, size[0], torch.device("cpu"), Plan(), None)
    return _render(conversion, enlarged, large_image.image.alpha, restore, bits, size)


def pad_node(node: Node, size: tuple[int, int]) -> Node:
    """Pad a node as `pad_by_reflection` pads a tensor."""
    rows, columns = (
        pad_by_reflection(torch.arange(length)[None, None, :, None], (padded, 1)).flatten()
        for length, padded in zip(node.shape[2:], size, strict=True)
    )
    return Gather(node, rows, columns)


def _render(
    passes: Passes, output: Node, alpha: FloatArray | None, restore: RestorePixels, bits: int, size: tuple[int, int]
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
        pixels = restore(values[0, :, :height, :width].cpu().clamp(-1, 1), tile_alpha)
        tile = convert_pixels_to_array(pixels, tile_alpha, bits)
        if out is None:
            out = np.empty((*size, tile.shape[2]), DTYPES[bits])
        out[rows, columns] = tile
    assert out is not None
    return out
