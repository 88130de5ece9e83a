"""What is remembered from step to step beside weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class TensorPool(nn.Module):
    """Up to `size` rows of what was seen, of which `count` hold something (all, where that is more).

    Both are buffers, so resuming is exact; each rank has its own. The memory takes its shape from the first rows, and
    is empty until then.
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
        """What it holds: (min(count, size), ...)."""
        return self.memory[: min(int(self.count), self.size)]

    def store(self, rows: Tensor) -> None:
        """Remember `rows` (N, ...), the oldest giving way; of more than `size` the last."""
        rows = rows[-self.size :]
        if not len(rows):
            return
        self._allocate(rows)
        slots = (int(self.count) + torch.arange(len(rows), device=rows.device)) % self.size
        self.memory[slots] = rows.to(self.memory.dtype)
        self.count += len(rows)

    def _allocate(self, rows: Tensor) -> None:
        """Make room for such rows (N, ...), in at least single precision, unless there is room already."""
        if self.memory.numel() == 0:
            dtype = torch.promote_types(rows.dtype, torch.float32)
            self.memory = rows.new_zeros(self.size, *rows.shape[1:], dtype=dtype)

    def clear(self) -> None:
        """Forget all."""
        self.count.zero_()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # A saved memory brings its own shape.
        saved = state_dict.get(prefix + "memory")
        if saved is not None and saved.shape != self.memory.shape:
            self.memory = torch.empty_like(saved, device=self.memory.device)
        super()._load_from_state_dict(state_dict, prefix, *args)
