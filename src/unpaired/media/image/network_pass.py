"""Pass of pictures through the networks of one route: in batches, or in tiles if the memory does not suffice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from unpaired.console import FractionCallback, ignore_fraction
from unpaired.errors import WorkError
from unpaired.media.image.settings import ImageTranslateOptions
from unpaired.memory import is_out_of_memory
from unpaired.methods.base import Method
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.tiling.estimate import choose_tile_size, measure_bytes_per_pixel, read_device_bytes
from unpaired.tiling.nodes import Node, create_tensor_leaf
from unpaired.tiling.passes import Passes, find_temporary_folder
from unpaired.tiling.tiled_tensor import TiledTensor
from unpaired.tiling.translation import plan_tiles, translate_tiles
from unpaired.translate.label_request import LabelVector
from unpaired.translate.route_request import TranslationRequest

MAX_NETWORK_PIXELS = 2**21
"""Maximum pixels of a batch of several pictures, enough for full HD: about 2 GB with the paper's generator."""
SMALL_PIXELS = 2**18
"""Pixels of a picture up to which the memory is not estimated: a few hundred MB."""
MAX_MEMORY_FRACTION = 0.6
"""Fraction of the available memory that a pass over a whole picture may take; above it, tiles are used."""


class NetworkPass:
    """Translation of tensors by the route of `request`, with tiles according to its option `tile`."""

    def __init__(self, method: Method, channels: int, device: torch.device, request: TranslationRequest) -> None:
        assert isinstance(request.options, ImageTranslateOptions)
        self.method, self.channels, self.device, self.request = method, channels, device, request
        self.tile = request.options.tile
        self.lacks_memory = False
        """Whether the device ran out of memory, so that pictures of this size are tiled."""

    def apply(
        self,
        x: Tensor,
        full_precision: bool,
        label: LabelVector | None,
        report_fraction: FractionCallback = ignore_fraction,
    ) -> Tensor:
        """Translate (B, C, H, W) in batches of at most `MAX_NETWORK_PIXELS`; returns them on the device of `x`."""
        max_images = max(1, MAX_NETWORK_PIXELS // (x.shape[-2] * x.shape[-1]))
        with torch.no_grad(), _disable_tf32(self.device) if full_precision else nullcontext():
            return torch.cat([self._apply_within_memory(part, label, report_fraction) for part in x.split(max_images)])

    def _apply_within_memory(self, x: Tensor, label: LabelVector | None, report_fraction: FractionCallback) -> Tensor:
        """Translate a batch; in halves or tiles if the device has too little memory. Raises WorkError."""
        height, width = x.shape[-2:]
        if len(x) == 1 and self.choose_tile(height, width) is not None:
            return self._apply_tiled(x, label, report_fraction)
        try:
            return self._translate(x, label).to(x.device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self._require_tiles(height, width, error)
        if len(x) == 1:
            self.lacks_memory = True
            return self._apply_tiled(x, label, report_fraction)
        halves = x.split((len(x) + 1) // 2)
        return torch.cat([self._apply_within_memory(half, label, report_fraction) for half in halves])

    def _apply_tiled(self, x: Tensor, label: LabelVector | None, report_fraction: FractionCallback) -> Tensor:
        image = create_tensor_leaf(x.to(self.device))
        with self.open_tiles(image, label, progress=report_fraction) as (passes, output):
            return TiledTensor(output, passes).evaluate_whole().to(x.device)

    def _translate(self, x: Tensor, label: LabelVector | None) -> Tensor:
        x = x.to(self.device)
        if label is not None and isinstance(self.method, LabelConditionedMethod):
            return self.method.translate_to_labels(x, torch.tensor(label)).float()
        return self.method.translate(x, self.request.route.source, self.request.route.target).float()

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
        stride = self.method.stride

        def net(x: Tensor) -> Tensor:
            return self._translate(x, label)

        with torch.no_grad(), _disable_tf32(self.device) if full_precision else nullcontext():
            try:
                tile_size = self.choose_tile(height, width) or max(height, width)
                plan = plan_tiles(net, image, tile_size, stride, self.device)
                with translate_tiles(net, image, plan, tile_size, stride, self.device, progress) as tiles:
                    yield tiles
            except OSError as error:
                raise WorkError(
                    f"temporary files of feature maps in {find_temporary_folder()} cannot be used ({error}); set "
                    "TMPDIR to another folder"
                ) from error
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise WorkError(
                    f"{self.device} has too little memory for {width} x {height} pixels, even in small tiles; use "
                    "--device cpu, or end other programs that use this memory"
                ) from error

    def choose_tile(self, height: int, width: int) -> int | None:
        """Return the side of the tiles for a picture of this size; None: it passes the networks as a whole."""
        if self.tile == "off":
            return None
        if isinstance(self.tile, int):
            side = max(2, self.tile // self.method.stride) * self.method.stride
            return side if max(height, width) > side else None
        if height * width <= SMALL_PIXELS and not self.lacks_memory:
            return None
        available = read_device_bytes(self.device)
        need = self.bytes_per_pixel * height * width
        fits = height * width <= MAX_NETWORK_PIXELS if available is None else need <= MAX_MEMORY_FRACTION * available
        if fits and not self.lacks_memory:
            return None
        return choose_tile_size(self.bytes_per_pixel, available, self.method.stride, self.device)

    @cached_property
    def bytes_per_pixel(self) -> float:
        """Memory that the networks take per pixel."""
        with torch.no_grad():
            return measure_bytes_per_pixel(
                lambda x: self._translate(x, self._any_label), self.channels, self.method.stride, self.device
            )

    @cached_property
    def obstacle(self) -> str:
        """Name of the operation that makes tiles differ from the whole picture; empty if there is none."""
        side = 4 * self.method.stride
        image = create_tensor_leaf(torch.zeros(1, self.channels, side, side))
        with torch.no_grad():
            return plan_tiles(
                lambda x: self._translate(x, self._any_label), image, side, self.method.stride, self.device
            ).obstacle

    @property
    def _any_label(self) -> LabelVector | None:
        return None if self.request.label_request is None else self.request.label_request.label

    def _require_tiles(self, height: int, width: int, error: BaseException) -> None:
        if self.tile == "off":
            raise WorkError(
                f"{self.device} has too little memory for {width} x {height} pixels at once; leave out --tile off"
            ) from error


def _disable_tf32(device: torch.device) -> AbstractContextManager[Any]:
    """Disable TF32 in convolutions on CUDA, whose 10-bit mantissa is visible in 16-bit pictures."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
