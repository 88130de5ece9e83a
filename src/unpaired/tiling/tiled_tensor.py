"""A tensor for images of any size: operations on it are recorded, and computed tile by tile when values are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from unpaired.tiling.nodes import Node
from unpaired.tiling.passes import Passes


class UntileableError(Exception):
    """An operation whose result for a tile depends on the whole image; the message is its name."""


class TiledTensor(Tensor):
    """An image or feature map (B, C, H, W) whose values are computed tile by tile.

    It has a shape and a device but no values. Convolutional networks accept it like any tensor. Normalizations and
    means over the image make a pass over all tiles; other operations wait until their values are needed.

    Raises UntileableError for operations that mix all positions in another way, such as attention.
    """

    node: Node
    passes: Passes

    @staticmethod
    def __new__(cls, node: Node, passes: Passes) -> TiledTensor:
        """Return a tensor without values."""
        return torch.Tensor._make_wrapper_subclass(cls, node.shape, dtype=torch.float32, device=passes.device)

    def __init__(self, node: Node, passes: Passes) -> None:
        self.node, self.passes = node, passes

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"TiledTensor(shape={tuple(self.shape)})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Record an operation; raises UntileableError if it cannot be computed by tiles."""
        from unpaired.tiling import dispatch, handlers  # noqa: F401, PLC0415 - both need this class

        return dispatch.dispatch(func, args, dict(kwargs or {}))

    def evaluate_whole(self) -> Tensor:
        """Compute all values as one tensor on the CPU."""
        out = torch.empty(self.node.shape)
        for region, values in self.passes.iterate(self.node):
            out[..., slice(*region.rows), slice(*region.columns)] = values.cpu()
        return out
