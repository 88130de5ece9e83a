"""Estimate of the memory that a network needs per pixel, and the choice of a tile size that fits."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from unpaired.memory import read_available_bytes
from unpaired.tiling.tiled_tensor import TiledTensor

PROBE_SIZE = 64
"""Side of the image with which the memory is measured, rounded to multiples of the stride."""
WORKSPACE_FACTOR = 1.5
"""Memory of a pass relative to its tensors: convolutions copy their inputs to another layout."""
MAX_TILE_BYTES = 128 << 20
"""Memory for the tensors of a tile on a CPU; on a GPU a quarter of the free memory."""
MIN_TILE_SIZE, MAX_TILE_SIZE = 64, 2048


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of the tensors that operations create within the context, at their peak."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = self.peak_bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        """Run an operation and count the new storages of its results."""
        known = {value.untyped_storage().data_ptr() for value in _list_tensors(args)}
        out = func(*args, **(kwargs or {}))
        for value in _list_tensors(out):
            storage = value.untyped_storage()
            if storage.data_ptr() not in known:
                self.bytes += storage.nbytes()
                weakref.finalize(value, self._free, storage.nbytes())
        self.peak_bytes = max(self.peak_bytes, self.bytes)
        return out

    def _free(self, size: int) -> None:
        self.bytes -= size


def _list_tensors(values: Any) -> list[Tensor]:
    """Return the tensors with values in nested lists and tuples."""
    if isinstance(values, Tensor):
        return [] if isinstance(values, TiledTensor) else [values]
    return [t for value in values for t in _list_tensors(value)] if isinstance(values, list | tuple) else []


def measure_bytes_per_pixel(net: Callable[[Tensor], Tensor], channels: int, stride: int, device: torch.device) -> float:
    """Return the memory that `net` takes per pixel of an image (1, channels, H, W), from a pass over a small one."""
    side = max(2, math.ceil(PROBE_SIZE / stride)) * stride
    x = torch.zeros(1, channels, side, side, device=device)
    with torch.random.fork_rng(devices=[]), LiveTensors() as live:
        net(x)
    return WORKSPACE_FACTOR * float(live.peak_bytes + x.nbytes) / side**2


def read_device_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes, of a CPU within the limits of its container; None if unknown."""
    if device.type == "cuda":
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserved
    return read_available_bytes()


def choose_tile_size(bytes_per_pixel: float, available_bytes: int | None, stride: int, device: torch.device) -> int:
    """Return the side of a tile, a multiple of `stride`, that needs at most a quarter of the available memory."""
    budget = MAX_TILE_BYTES if available_bytes is None else available_bytes // 4
    if device.type != "cuda":
        budget = min(budget, MAX_TILE_BYTES)
    side = min(MAX_TILE_SIZE, max(MIN_TILE_SIZE, math.isqrt(int(budget / bytes_per_pixel))))
    return max(2, side // stride) * stride
