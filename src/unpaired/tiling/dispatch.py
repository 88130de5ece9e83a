"""Dispatch of PyTorch's operations on `TiledTensor` to the functions of `handlers`; pointwise operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from unpaired.tiling.nodes import Node
from unpaired.tiling.operations import Pointwise, flatten
from unpaired.tiling.passes import count_stored_inputs
from unpaired.tiling.tiled_tensor import TiledTensor, UntileableError

MAX_STORED_INPUTS = 2
"""A sum of more stored maps, as behind several residual blocks, is stored itself."""
Handler = Callable[..., Any]
HandlerT = TypeVar("HandlerT", bound=Handler)
aten = torch.ops.aten
HANDLERS: dict[Any, Handler] = {}


def handles(*operations: Any) -> Callable[[HandlerT], HandlerT]:
    """Register a function for operations of PyTorch."""

    def register(handler: HandlerT) -> HandlerT:
        HANDLERS.update(dict.fromkeys(operations, handler))
        return handler

    return register


def dispatch(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return the result of an operation on tiled tensors; raises UntileableError."""
    handler = HANDLERS.get(func.overloadpacket)
    if handler is not None:
        return handler(*args, **kwargs)
    if torch.Tag.pointwise in func.tags:
        return apply_pointwise(func, args, kwargs)
    raise UntileableError(func.overloadpacket.__name__)


def apply_pointwise(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> TiledTensor:
    """Record an operation that treats every position alike. In-place operations change what the tensor stands for."""
    name = func.overloadpacket.__name__
    is_inplace = func._schema.is_mutable
    if is_inplace:
        func = getattr(getattr(aten, name.removesuffix("_")), func._overloadname)
    x = find_tiled(args)
    shapes = [tuple(value.shape) for value in flatten(args) if isinstance(value, Tensor)]
    if any(len(shape) < 4 and any(side > 1 for side in shape[-2:]) for shape in shapes):
        raise UntileableError(name)
    shape = torch.broadcast_shapes(*shapes)
    node: Node = Pointwise(shape, lambda *values: func(*values, **kwargs), unwrap(args))
    if sum(isinstance(value, TiledTensor) for value in flatten(args)) > 1:
        node = store_long_sum(node, x)
    if is_inplace:
        args[0].node = node
        return args[0]  # type: ignore[no-any-return]
    return TiledTensor(node, x.passes)


def store_long_sum(node: Node, x: TiledTensor) -> Node:
    """Return `node`, stored if it needs many stored maps."""
    return x.passes.store(node) if count_stored_inputs(node) > MAX_STORED_INPUTS else node


def find_tiled(args: Any) -> TiledTensor:
    """Return the first tiled tensor among nested arguments."""
    return next(value for value in flatten(args) if isinstance(value, TiledTensor))


def unwrap(value: Any) -> Any:
    """Replace tiled tensors by their nodes in nested lists and tuples."""
    if isinstance(value, TiledTensor):
        return value.node
    return type(value)(unwrap(part) for part in value) if isinstance(value, list | tuple) else value


def require(condition: bool, name: str) -> None:
    """Raise UntileableError unless the arguments of an operation are supported."""
    if not condition:
        raise UntileableError(name)
