"""Pools of earlier tensors, such as generated images, that training keeps from step to step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class TensorPool(nn.Module):
    """Ring buffer of at most `size` rows; `count` is the number of rows stored so far.

    Rows and count are buffers, so that resuming a run is exact; each rank has its own pool. The first stored rows set
    the shape of a row; until then the pool is empty.
    """

    memory: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("memory", torch.empty(0))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @property
    def rows(self) -> Tensor:
        """The stored rows: (min(count, size), ...)."""
        return self.memory[: min(int(self.count), self.size)]

    def store(self, rows: Tensor) -> None:
        """Store `rows` (N, ...) in place of the oldest; of more than `size` rows, store the last ones."""
        rows = rows[-self.size :]
        if not len(rows):
            return
        self._allocate(rows)
        slots = (int(self.count) + torch.arange(len(rows), device=rows.device)) % self.size
        self.memory[slots] = rows.to(self.memory.dtype)
        self.count += len(rows)

    def _allocate(self, rows: Tensor) -> None:
        """Allocate the pool for rows like `rows` (N, ...), in float32 or wider, unless it is allocated already."""
        if self.memory.numel() == 0:
            dtype = torch.promote_types(rows.dtype, torch.float32)
            self.memory = rows.new_zeros(self.size, *rows.shape[1:], dtype=dtype)

    def clear(self) -> None:
        """Remove all rows."""
        self.count.zero_()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # The shape of the pool is that of the saved one.
        saved = state_dict.get(prefix + "memory")
        if saved is not None and saved.shape != self.memory.shape:
            self.memory = torch.empty_like(saved, device=self.memory.device)
        super()._load_from_state_dict(state_dict, prefix, *args)
