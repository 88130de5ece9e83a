"""Pass of pictures through networks of torch: in batches, or in tiles if the memory does not suffice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from unpaired.console import FractionCallback
from unpaired.errors import OutOfMemoryError, WorkError, is_out_of_memory
from unpaired.media.image.image_io import FloatArray
from unpaired.media.image.network_pass import MAX_NETWORK_PIXELS, NetworkPass
from unpaired.temporary_files import find_temporary_folder
from unpaired.tiling.estimate import choose_tile_size, measure_bytes_per_pixel, read_device_bytes
from unpaired.tiling.nodes import Node, create_tensor_leaf
from unpaired.tiling.passes import Passes
from unpaired.tiling.shared_statistics import Statistics, apply_statistics, measure_statistics
from unpaired.tiling.tiled_tensor import TiledTensor
from unpaired.tiling.translation import plan_tiles, translate_tiles
from unpaired.translate.network import LabelVector, TensorNetwork
from unpaired.translate.route_request import TranslationRequest

SMALL_PIXELS = 2**18
"""Pixels of a picture up to which the memory is not estimated: a few hundred MB."""
MAX_MEMORY_FRACTION = 0.6
"""Fraction of the available memory that a pass over a whole picture may take; above it, tiles are used."""


class TiledPass(NetworkPass):
    """Pass of pictures with `channels`, with tiles according to the option `tile` of `request`."""

    def __init__(self, network: TensorNetwork, channels: int, request: TranslationRequest) -> None:
        super().__init__(network, request)
        self.network, self.channels, self.device = network, channels, network.device
        label_request = request.label_request
        self._any_label = None if label_request is None else label_request.label
        self._first_tile: int | None = None
        self.min_failed_pixels = math.inf
        """Pixels of the smallest whole picture for which the device ran out of memory; larger ones are tiled too."""

    def as_tiled(self) -> TiledPass:
        """Return this pass."""
        return self

    def _apply_batch(
        self, x: FloatArray, full_precision: bool, label: LabelVector | None, report_fraction: FractionCallback
    ) -> FloatArray:
        height, width = x.shape[-2:]
        if self.choose_tile(height, width) is None:
            try:
                return self.network.translate(x, self.route, label, full_precision)
            except OutOfMemoryError as error:
                if self.tile == "off":
                    raise WorkError(
                        f"{self.device} has too little memory for {width} x {height} pixels at once; leave out "
                        "--tile off"
                    ) from error
            self.min_failed_pixels = min(self.min_failed_pixels, height * width)
            self._notes.append(
                f"{self.device} ran out of memory for whole pictures of {width} x {height} pixels, so those of this "
                "size and larger ones are translated in tiles"
            )
        return np.concatenate([self._apply_tiled(image[None], full_precision, label, report_fraction) for image in x])

    def _apply_tiled(
        self, x: FloatArray, full_precision: bool, label: LabelVector | None, report_fraction: FractionCallback
    ) -> FloatArray:
        """Translate a single picture (1, C, H, W)."""
        image = create_tensor_leaf(torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(self.device))
        with self.open_tiles(image, label, full_precision, report_fraction) as (passes, output):
            return np.asarray(TiledTensor(output, passes).evaluate_whole().numpy())

    @contextmanager
    def open_tiles(
        self,
        image: Node,
        label: LabelVector | None,
        full_precision: bool = False,
        progress: FractionCallback | None = None,
    ) -> Iterator[tuple[Passes, Node]]:
        """Yield the translation of an image (1, C, H, W) as a node, and the passes that compute it.

        Raises WorkError if there is too little memory for small tiles or too little room for temporary files.
        """
        height, width = image.shape[-2:]
        net = self._bind(label)
        with self._report_shortage(height, width), self.network.inference_mode(full_precision):
            tile_size = self.choose_tile(height, width) or max(height, width)
            plan = plan_tiles(net, image, tile_size, self.stride, self.device)
            with translate_tiles(net, image, plan, tile_size, self.stride, self.device, progress) as tiles:
                yield tiles
                if tiles[0].tile_size < tile_size:
                    self._notes.append(
                        f"{self.device} ran out of memory for tiles of {tile_size} px; some were computed again "
                        f"with {tiles[0].tile_size} px (--tile {tiles[0].tile_size} begins with these)"
                    )

    @contextmanager
    def _report_shortage(self, height: int, width: int) -> Iterator[None]:
        """Raise WorkError if memory or room for temporary files is short within the context."""
        try:
            yield
        except OSError as error:
            raise WorkError(
                f"temporary files of feature maps in {find_temporary_folder()} cannot be used ({error}); set TMPDIR to "
                "another folder"
            ) from error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise WorkError(
                f"{self.device} has too little memory for {width} x {height} pixels, even in small tiles; use "
                "--device cpu, or end other programs that use this memory"
            ) from error

    def measure_statistics(self, x: FloatArray, label: LabelVector | None) -> Statistics | None:
        """Measure the statistics of the networks' normalizations over pictures (B, C, H, W).

        Returns None if the networks have an `obstacle`; raises WorkError as `open_tiles`.
        """
        with self._report_shortage(*x.shape[2:]), self.network.inference_mode(full_precision=False):
            return measure_statistics(self._bind(label), *self._prepare_frames(x), self.stride, self.device)

    def apply_statistics(
        self, x: FloatArray, statistics: Statistics, full_precision: bool, label: LabelVector | None
    ) -> FloatArray:
        """Translate pictures (B, C, H, W) that are normalized with `statistics`; raises WorkError as `open_tiles`."""
        images, tile_size = self._prepare_frames(x)
        with self._report_shortage(*x.shape[2:]), self.network.inference_mode(full_precision):
            y = apply_statistics(self._bind(label), images, statistics, tile_size, self.stride, self.device)
        return np.asarray(y.numpy())

    def _prepare_frames(self, x: FloatArray) -> tuple[Tensor, int]:
        """Return pictures (B, C, H, W) on the device, and the side of the tiles of all of them at once."""
        count, _, height, width = x.shape
        images = torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(self.device)
        side = self.choose_tile(count * height, width)
        if side is None:
            return images, max(height, width)
        return images, max(2, side // math.isqrt(count) // self.stride) * self.stride

    def _bind(self, label: LabelVector | None) -> Callable[[Tensor], Tensor]:
        """Return the translation to a label as a function of tensors."""
        return lambda x: self._translate(x, label)

    def choose_tile(self, height: int, width: int) -> int | None:
        """Return the side of the tiles by `tile`, or by the free memory."""
        if self.tile == "off":
            return None
        if isinstance(self.tile, int):
            side = max(2, self.tile // self.stride) * self.stride
            return side if max(height, width) > side else None
        lacks_memory = height * width >= self.min_failed_pixels
        if height * width <= SMALL_PIXELS and not lacks_memory:
            return None
        available = read_device_bytes(self.device)
        need = self.bytes_per_pixel * height * width
        fits = height * width <= MAX_NETWORK_PIXELS if available is None else need <= MAX_MEMORY_FRACTION * available
        if fits and not lacks_memory:
            return None
        return choose_tile_size(self.bytes_per_pixel, available, self.stride, self.device)

    def explain_tile(self, height: int, width: int) -> str:
        """Explain that tiles were chosen for a picture of this size by the free memory; empty if they were not."""
        tile = self.choose_tile(height, width) if self.tile == "auto" else None
        if tile is None:
            return ""
        self._first_tile = self._first_tile or tile  # later pictures may find more or less memory: one line for all
        return (
            f"large pictures are translated in tiles of about {self._first_tile} px, because a whole one would take "
            f"more than {MAX_MEMORY_FRACTION:.0%} of the free memory (--tile N sets the size)"
        )

    @cached_property
    def bytes_per_pixel(self) -> float:
        """Memory that the networks take per pixel."""
        with torch.no_grad():
            return measure_bytes_per_pixel(
                lambda x: self._translate(x, self._any_label), self.channels, self.stride, self.device
            )

    @cached_property
    def obstacle(self) -> str:  # type: ignore[override] # computed when it is needed
        """Name of the operation that makes tiles differ from the whole picture; empty if there is none."""
        side = 4 * self.stride
        image = create_tensor_leaf(torch.zeros(1, self.channels, side, side))
        with torch.no_grad():
            return plan_tiles(
                lambda x: self._translate(x, self._any_label), image, side, self.stride, self.device
            ).obstacle

    def _translate(self, x: Tensor, label: LabelVector | None) -> Tensor:
        return self.network.translate_tensor(x.to(self.device), self.route, label)
