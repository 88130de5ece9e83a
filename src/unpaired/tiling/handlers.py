"""PyTorch's operations on `TiledTensor` as nodes and passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from unpaired.tiling.dispatch import HANDLERS, Handler, aten, find_tiled, handles, require, store_long_sum, unwrap
from unpaired.tiling.nodes import Node, evaluate
from unpaired.tiling.operations import (
    Concatenation,
    ConstantPadding,
    Convolution,
    DepthToSpace,
    Gather,
    Pointwise,
    SpaceToDepth,
    TransposedConvolution,
    Upsampling,
)
from unpaired.tiling.regions import Region
from unpaired.tiling.resizing import resize_node
from unpaired.tiling.tiled_tensor import TiledTensor


@handles(aten.detach, aten.clone, aten.alias, aten.lift_fresh, aten.contiguous)
def copy(x: TiledTensor, **_: Any) -> TiledTensor:
    """Return the same values."""
    return TiledTensor(x.node, x.passes)


@handles(aten._to_copy)
def convert(x: TiledTensor, dtype: torch.dtype | None = None, **_: Any) -> TiledTensor:
    """Return the same values; other types than float32 are not supported."""
    require(dtype in (None, torch.float32), "conversion of types")
    return TiledTensor(x.node, x.passes)


@handles(aten.convolution)
def convolve(
    x: TiledTensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> TiledTensor:
    """Record a convolution or transposed convolution in two dimensions."""
    require(x.dim() == 4 and not isinstance(weight, TiledTensor), "convolution")
    if transposed:
        require(list(dilation) == [1, 1], "dilated transposed convolution")
        node: Node = TransposedConvolution(
            x.node, weight, bias, pair(stride), pair(padding), pair(output_padding), groups
        )
    else:
        node = Convolution(x.node, weight, bias, pair(stride), pair(padding), pair(dilation), groups)
    return TiledTensor(node, x.passes)


def pair(values: list[int]) -> tuple[int, int]:
    """Return two values; one value stands for both."""
    return (values[0], values[-1])


@handles(aten.native_group_norm)
def normalize_groups(
    x: TiledTensor,
    weight: Tensor | None,
    bias: Tensor | None,
    n: int,
    channels: int,
    positions: int,  # noqa: ARG001 - signature of the operation
    groups: int,
    eps: float,
) -> tuple[TiledTensor, None, None]:
    """Measure the groups over the whole image, and record the normalization with these statistics."""
    mean, variance, x.node = x.passes.measure(x.node)
    by_group = (n, groups, channels // groups)
    group_mean = mean.view(by_group).mean(2, keepdim=True)
    group_variance = (variance.view(by_group) + (mean.view(by_group) - group_mean).square()).mean(2, keepdim=True)
    factor = (group_variance + eps).rsqrt().expand(by_group).reshape(n, channels)
    center = group_mean.expand(by_group).reshape(n, channels)
    if weight is not None:
        factor = factor * weight.to(factor)
    offset = -center * factor if bias is None else bias.to(factor) - center * factor
    return scale_channels(x, factor, offset), None, None


def scale_channels(x: TiledTensor, factor: Tensor, offset: Tensor) -> TiledTensor:
    """Record x * factor + offset, for factors and offsets (B, C) or (1, C)."""
    factor, offset = (value.to(x.passes.device, torch.float32)[..., None, None] for value in (factor, offset))
    return TiledTensor(Pointwise(x.node.shape, torch.addcmul, (offset, x.node, factor)), x.passes)


@handles(aten.native_batch_norm, aten.cudnn_batch_norm, aten.miopen_batch_norm)
def normalize_batch(
    x: TiledTensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    training: bool,
    momentum: float,  # noqa: ARG001 - signature of the operation
    eps: float,
) -> tuple[TiledTensor, None, None]:
    """Record batch norm with its running statistics."""
    require(not training, "batch norm in training mode")
    factor = (variance.double() + eps).rsqrt() * (1 if weight is None else weight.double())
    offset = (0 if bias is None else bias.double()) - mean.double() * factor
    return scale_channels(x, factor[None], offset[None]), None, None


@handles(aten._native_batch_norm_legit_no_training)
def normalize_batch_for_inference(
    x: TiledTensor, weight: Any, bias: Any, mean: Tensor, variance: Tensor, momentum: float, eps: float
) -> tuple[TiledTensor, None, None]:
    """Record batch norm with its running statistics."""
    return normalize_batch(x, weight, bias, mean, variance, False, momentum, eps)


def reflect(positions: Tensor, length: int) -> Tensor:
    """Return the indices of reflection padding."""
    positions = positions.abs()
    return torch.where(positions < length, positions, 2 * (length - 1) - positions)


def replicate(positions: Tensor, length: int) -> Tensor:
    """Return the indices of replication padding."""
    return positions.clamp(0, length - 1)


def create_padding_handler(find_indices: Callable[[Tensor, int], Tensor]) -> Handler:
    """Return the handler of padding that repeats values of the image."""

    def pad(x: TiledTensor, padding: list[int]) -> TiledTensor:
        left, right, top, bottom = padding
        height, width = x.shape[2:]
        rows = find_indices(torch.arange(-top, height + bottom), height)
        columns = find_indices(torch.arange(-left, width + right), width)
        return TiledTensor(Gather(x.node, rows, columns), x.passes)

    return pad


HANDLERS[aten.reflection_pad2d] = create_padding_handler(reflect)
HANDLERS[aten.replication_pad2d] = create_padding_handler(replicate)


@handles(aten.constant_pad_nd)
def pad_with_constant(x: TiledTensor, padding: list[int], value: float = 0.0) -> TiledTensor:
    """Record padding of height and width."""
    require(len(padding) <= 4 and min(padding) >= 0, "padding of channels")
    left, right, top, bottom = (*padding, 0, 0)[:4]
    return TiledTensor(ConstantPadding(x.node, (left, right, top, bottom), float(value)), x.passes)


def create_upsampling_handler(mode: str) -> Handler:
    """Return the handler of upsampling by whole factors."""

    def enlarge(x: TiledTensor, size: list[int] | None, *options: Any, **_: Any) -> TiledTensor:
        require(not (mode == "bilinear" and options and options[0]), "bilinear upsampling with aligned corners")
        scales = next((value for value in options if isinstance(value, list | tuple)), None)
        if size is None:
            size = [int(length * scale) for length, scale in zip(x.shape[2:], scales or (), strict=True)]
        require(size[0] % x.shape[2] == 0 and size[1] % x.shape[3] == 0, f"{mode} upsampling by a fraction")
        return TiledTensor(Upsampling(x.node, (size[0] // x.shape[2], size[1] // x.shape[3]), mode), x.passes)

    return enlarge


HANDLERS[aten.upsample_bilinear2d] = create_upsampling_handler("bilinear")
HANDLERS[aten.upsample_nearest2d] = create_upsampling_handler("nearest")


@handles(aten._upsample_bilinear2d_aa)
def shrink(x: TiledTensor, size: list[int], align_corners: bool, *_: Any, **__: Any) -> Tensor:
    """Return a resized image as a real tensor, as encoders of vectors need it."""
    require(not align_corners, "resizing with aligned corners")
    return resize_node(x.passes, x.node, (size[0], size[1]), "bilinear").to(x.passes.device)


@handles(aten.pixel_shuffle)
def depth_to_space(x: TiledTensor, factor: int) -> TiledTensor:
    """Record depth-to-space."""
    return TiledTensor(DepthToSpace(x.node, factor), x.passes)


@handles(aten.pixel_unshuffle)
def space_to_depth(x: TiledTensor, factor: int) -> TiledTensor:
    """Record space-to-depth."""
    return TiledTensor(SpaceToDepth(x.node, factor), x.passes)


@handles(aten.cat)
def concatenate(tensors: list[Tensor], dim: int = 0) -> TiledTensor:
    """Record a concatenation of items or channels."""
    require(dim % 4 < 2, "concatenation of rows or columns")
    x = find_tiled(tensors)
    node = Concatenation([unwrap(tensor) for tensor in tensors], dim % 4)
    return TiledTensor(store_long_sum(node, x), x.passes)


@handles(aten.slice)
def take_slice(x: TiledTensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    """Record a slice of any dimension. A slice of channels that were concatenated may be a real tensor."""
    dim, selected = dim % 4, slice(start, end, step)
    if dim >= 2:
        indices = [torch.arange(x.shape[2]), torch.arange(x.shape[3])]
        indices[dim - 2] = indices[dim - 2][selected]
        return TiledTensor(Gather(x.node, indices[0], indices[1]), x.passes)
    positions = range(*selected.indices(x.shape[dim]))
    if isinstance(x.node, Concatenation) and x.node.dim == dim and step == 1:
        part = x.node.find_part(positions.start, positions.stop)
        if part is not None:
            return (
                TiledTensor(part, x.passes) if isinstance(part, Node) else part.detach()
            )  # a new view, as PyTorch requires
    shape = list(x.shape)
    shape[dim] = len(positions)
    index = (slice(None),) * dim + (selected,)
    node = Pointwise((shape[0], shape[1], shape[2], shape[3]), lambda value: value[index], [x.node], 0.0)
    return TiledTensor(node, x.passes)


@handles(aten.expand)
def expand(x: TiledTensor, size: list[int], **_: Any) -> TiledTensor:
    """Record the repetition of items or of a single channel."""
    require(len(size) == 4 and size[2] in (-1, x.shape[2]) and size[3] in (-1, x.shape[3]), "repetition of positions")
    counts = [length if wanted == -1 else wanted for wanted, length in zip(size[:2], x.shape[:2], strict=True)]
    shape = (counts[0], counts[1], x.shape[2], x.shape[3])
    return TiledTensor(Pointwise(shape, lambda value: value.expand(*counts, -1, -1), [x.node], 0.0), x.passes)


@handles(aten.split)
def split(x: TiledTensor, size: int, dim: int = 0) -> list[Tensor]:
    """Record slices of equal size."""
    return [take_slice(x, dim, start, start + size) for start in range(0, x.shape[dim], size)]


@handles(aten.split_with_sizes)
def split_with_sizes(x: TiledTensor, sizes: list[int], dim: int = 0) -> list[Tensor]:
    """Record slices of given sizes."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return [take_slice(x, dim, end - size, end) for size, end in zip(sizes, ends, strict=True)]


@handles(aten.index_select)
def select_indices(x: TiledTensor, dim: int, index: Tensor) -> TiledTensor:
    """Record a selection of rows or columns."""
    require(dim % 4 >= 2, "selection of channels")
    indices = [torch.arange(x.shape[2]), torch.arange(x.shape[3])]
    indices[dim % 4 - 2] = index.cpu()
    return TiledTensor(Gather(x.node, indices[0], indices[1]), x.passes)


@handles(aten.select)
def select_position(x: TiledTensor, dim: int, index: int) -> Tensor:
    """Return one row or column as a real tensor (B, C, length), as of constant label maps."""
    require(dim % 4 >= 2, "selection of a channel")
    axis = dim % 4 - 2
    index %= x.shape[2 + axis]
    spans = [(0, x.shape[2]), (0, x.shape[3])]
    spans[axis] = (index, index + 1)
    region = Region(spans[0], spans[1])
    if x.passes.plan is None:
        return torch.zeros(*x.shape[:2], region.height * region.width, device=x.passes.device)
    return evaluate(x.node, region).flatten(2)


@handles(aten.mean)
def average(x: TiledTensor, dim: list[int] | None = None, keepdim: bool = False, **_: Any) -> Tensor:
    """Return the means over all positions as a real tensor (B, C) or (B, C, 1, 1)."""
    require(dim is not None and {axis % 4 for axis in dim} == {2, 3}, "mean over other dimensions than the positions")
    mean, _variance, x.node = x.passes.measure(x.node)
    out = mean.to(x.passes.device, torch.float32)
    return out[..., None, None] if keepdim else out
