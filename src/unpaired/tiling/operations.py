"""Nodes of the operations of convolutional networks. Each computes a region from slightly larger regions of its inputs.

Padding applies at the border of the image only, never at the border of a region.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.tiling.nodes import Node, Shape
from unpaired.tiling.regions import Region, Span, shift

Pair = tuple[int, int]


class Pointwise(Node):
    """A function of nodes and tensors of equal height and width, position by position.

    `operands` are the arguments of `function`: nodes, real tensors and other values. Real tensors of the full height
    and width (constant label maps) are cropped to the region; others must broadcast. `cost_per_value` is the cost of
    one output value.
    """

    def __init__(
        self, shape: Shape, function: Callable[..., Tensor], operands: Sequence[Any], cost_per_value: float = 1.0
    ) -> None:
        self.shape, self.function, self.operands = shape, function, tuple(operands)
        self.inputs = tuple(operand for operand in flatten(self.operands) if isinstance(operand, Node))
        batch, channels, height, width = shape
        self.cost = cost_per_value * batch * channels * height * width

    def locate_input(self, region: Region, index: int) -> Region:  # noqa: ARG002 - equal for all inputs
        """Return the same region."""
        return region

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:
        """Apply the function to the regions."""
        remaining = iter(values)

        def replace(operand: Any) -> Any:
            if isinstance(operand, Node):
                return next(remaining)
            if isinstance(operand, list | tuple):
                return type(operand)(replace(part) for part in operand)
            if isinstance(operand, Tensor) and operand.dim() == 4:
                return self._crop(operand, region)
            return operand

        return self.function(*(replace(operand) for operand in self.operands))

    def _crop(self, x: Tensor, region: Region) -> Tensor:
        rows = slice(*region.rows) if x.shape[2] == self.shape[2] else slice(None)
        columns = slice(*region.columns) if x.shape[3] == self.shape[3] else slice(None)
        return x[:, :, rows, columns]


def flatten(values: Any) -> list[Any]:
    """Return the elements of nested lists and tuples in order."""
    if isinstance(values, list | tuple):
        return [element for value in values for element in flatten(value)]
    return [values]


class Concatenation(Pointwise):
    """Nodes and real tensors, concatenated along the items (`dim` 0) or channels (1)."""

    def __init__(self, parts: Sequence[Node | Tensor], dim: int) -> None:
        self.parts, self.dim = tuple(parts), dim
        shape = list(parts[0].shape)
        shape[dim] = sum(part.shape[dim] for part in parts)
        super().__init__((shape[0], shape[1], shape[2], shape[3]), lambda values: torch.cat(values, dim), [self.parts])

    def find_part(self, start: int, stop: int) -> Node | Tensor | None:
        """Return the part at exactly these positions of the dimension; None if there is none."""
        first = 0
        for part in self.parts:
            if (first, first + part.shape[self.dim]) == (start, stop):
                return part
            first += part.shape[self.dim]
        return None


class Convolution(Node):
    """A convolution with zero padding."""

    def __init__(
        self, x: Node, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> None:
        self.inputs = (x,)
        self.weight, self.bias, self.groups = weight, bias, groups
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.extent = tuple(d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True))
        height, width = ((x.shape[2 + i] + 2 * padding[i] - self.extent[i]) // stride[i] + 1 for i in range(2))
        self.shape = (x.shape[0], weight.shape[0], height, width)
        self.cost = float(weight.numel() * x.shape[0] * height * width)

    def _locate(self, span: Span, axis: int) -> Span:
        """Return the input rows (axis 0) or columns (1), which may lie in the padding."""
        start = span[0] * self.stride[axis] - self.padding[axis]
        return start, (span[1] - 1) * self.stride[axis] - self.padding[axis] + self.extent[axis]

    def locate_input(self, region: Region, index: int) -> Region:
        """Return the receptive field, without padding."""
        x = self.inputs[index]
        rows, columns = self._locate(region.rows, 0), self._locate(region.columns, 1)
        return Region(clip(rows, x.shape[2]), clip(columns, x.shape[3]))

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:
        """Convolve a region."""
        x = self.inputs[0]
        margins = [
            *find_margins(self._locate(region.columns, 1), x.shape[3]),
            *find_margins(self._locate(region.rows, 0), x.shape[2]),
        ]
        padded = F.pad(values[0], margins) if any(margins) else values[0]
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class TransposedConvolution(Node):
    """A transposed convolution."""

    def __init__(
        self, x: Node, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair, extra: Pair, groups: int
    ) -> None:
        self.inputs = (x,)
        self.weight, self.bias, self.groups = weight, bias, groups
        self.stride, self.padding, self.kernel = stride, padding, tuple(weight.shape[2:])
        height, width = (
            (x.shape[2 + i] - 1) * stride[i] - 2 * padding[i] + self.kernel[i] + extra[i] for i in range(2)
        )
        self.shape = (x.shape[0], weight.shape[1] * groups, height, width)
        self.cost = float(weight.numel() * x.shape[0] * x.shape[2] * x.shape[3])

    def _locate(self, span: Span, axis: int) -> Span:
        stride, padding = self.stride[axis], self.padding[axis]
        start = -((self.kernel[axis] - 1 - span[0] - padding) // stride)  # ceiling of a quotient
        return clip((start, (span[1] - 1 + padding) // stride + 1), self.inputs[0].shape[2 + axis])

    def locate_input(self, region: Region, index: int) -> Region:  # noqa: ARG002 - one input
        """Return the inputs that contribute to a region."""
        return Region(self._locate(region.rows, 0), self._locate(region.columns, 1))

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:
        """Compute a region: the full sums of its inputs, cropped, and zero where no input contributes."""
        y = F.conv_transpose2d(values[0], self.weight, None, self.stride, 0, 0, self.groups)
        located = self.locate_input(region, 0)
        for axis, (span, start) in enumerate(((region.rows, located.rows[0]), (region.columns, located.columns[0]))):
            first = start * self.stride[axis] - self.padding[axis]  # output position of the first sum
            skipped, length = min(span[0] - first, y.shape[2 + axis]), span[1] - span[0]
            y = y.narrow(2 + axis, skipped, min(length, y.shape[2 + axis] - skipped))
        missing = (region.width - y.shape[3], region.height - y.shape[2])
        if any(missing):
            y = F.pad(y, (0, missing[0], 0, missing[1]))
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)


class Gather(Node):
    """Rows and columns of a node by their indices, as in padding by reflection and in slices."""

    def __init__(self, x: Node, rows: Tensor, columns: Tensor) -> None:
        self.inputs = (x,)
        self.indices = (rows.cpu(), columns.cpu())
        self.shape = (x.shape[0], x.shape[1], len(rows), len(columns))

    def _locate(self, span: Span, axis: int) -> Span:
        selected = self.indices[axis][slice(*span)]
        return int(selected.min()), int(selected.max()) + 1

    def locate_input(self, region: Region, index: int) -> Region:  # noqa: ARG002 - one input
        """Return the span of the selected rows and columns."""
        return Region(self._locate(region.rows, 0), self._locate(region.columns, 1))

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:
        """Select rows and columns."""
        x = values[0]
        for axis, span in enumerate((region.rows, region.columns)):
            selected = self.indices[axis][slice(*span)]
            local = selected - selected.min()
            if not torch.equal(local, torch.arange(x.shape[2 + axis])):
                x = x.index_select(2 + axis, local.to(x.device))
        return x


class ConstantPadding(Node):
    """Padding with a constant by `margins` (left, right, top, bottom), which may not be negative."""

    def __init__(self, x: Node, margins: tuple[int, int, int, int], value: float) -> None:
        self.inputs = (x,)
        self.margins, self.value = margins, value
        left, right, top, bottom = margins
        self.shape = (x.shape[0], x.shape[1], x.shape[2] + top + bottom, x.shape[3] + left + right)

    def locate_input(self, region: Region, index: int) -> Region:
        """Return the part of the region inside of the padding; at least one position."""
        x = self.inputs[index]
        return Region(
            clip(shift(region.rows, -self.margins[2]), x.shape[2]),
            clip(shift(region.columns, -self.margins[0]), x.shape[3]),
        )

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:
        """Pad a region; where all of it lies in the padding, one position was read and is not used."""
        located, x = self.locate_input(region, 0), values[0]
        margins = []
        for span, inner, start in (
            (region.columns, located.columns, self.margins[0]),
            (region.rows, located.rows, self.margins[2]),
        ):
            wanted = shift(span, -start)
            if wanted[1] <= inner[0] or wanted[0] >= inner[1]:
                return x.new_full((*x.shape[:2], region.height, region.width), self.value)
            margins += [inner[0] - wanted[0], wanted[1] - inner[1]]
        return F.pad(x, margins, value=self.value) if any(margins) else x


class Upsampling(Node):
    """Bilinear (without aligned corners) or nearest-neighbor upsampling by whole factors."""

    def __init__(self, x: Node, factors: Pair, mode: str) -> None:
        self.inputs = (x,)
        self.factors, self.mode = factors, mode
        self.shape = (x.shape[0], x.shape[1], x.shape[2] * factors[0], x.shape[3] * factors[1])
        self.cost = 4.0 * x.shape[0] * x.shape[1] * self.shape[2] * self.shape[3]

    def _locate(self, span: Span, axis: int) -> Span:
        """Return the input rows or columns with one neighbor on each side."""
        factor = self.factors[axis]
        return clip((span[0] // factor - 1, (span[1] - 1) // factor + 2), self.inputs[0].shape[2 + axis])

    def locate_input(self, region: Region, index: int) -> Region:  # noqa: ARG002 - one input
        """Return the positions that contribute."""
        return Region(self._locate(region.rows, 0), self._locate(region.columns, 1))

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:
        """Enlarge a region and crop it."""
        located = self.locate_input(region, 0)
        align = False if self.mode == "bilinear" else None
        y = F.interpolate(values[0], scale_factor=self.factors, mode=self.mode, align_corners=align)
        enlarged = Region(
            (located.rows[0] * self.factors[0], located.rows[1] * self.factors[0]),
            (located.columns[0] * self.factors[1], located.columns[1] * self.factors[1]),
        )
        return enlarged.crop(y, region)


class DepthToSpace(Node):
    """Depth-to-space by `factor` (`nn.PixelShuffle`)."""

    def __init__(self, x: Node, factor: int) -> None:
        self.inputs = (x,)
        self.factor = factor
        self.shape = (x.shape[0], x.shape[1] // factor**2, x.shape[2] * factor, x.shape[3] * factor)

    def locate_input(self, region: Region, index: int) -> Region:  # noqa: ARG002 - one input
        """Return the blocks that contain a region."""
        f = self.factor
        rows, columns = region.rows, region.columns
        return Region((rows[0] // f, -(-rows[1] // f)), (columns[0] // f, -(-columns[1] // f)))

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:
        """Rearrange blocks and crop them."""
        located, f = self.locate_input(region, 0), self.factor
        rearranged = Region(
            (located.rows[0] * f, located.rows[1] * f), (located.columns[0] * f, located.columns[1] * f)
        )
        return rearranged.crop(F.pixel_shuffle(values[0], f), region)


class SpaceToDepth(Node):
    """Space-to-depth by `factor` (`nn.PixelUnshuffle`)."""

    def __init__(self, x: Node, factor: int) -> None:
        self.inputs = (x,)
        self.factor = factor
        self.shape = (x.shape[0], x.shape[1] * factor**2, x.shape[2] // factor, x.shape[3] // factor)

    def locate_input(self, region: Region, index: int) -> Region:  # noqa: ARG002 - one input
        """Return the pixels of the blocks."""
        f = self.factor
        return Region((region.rows[0] * f, region.rows[1] * f), (region.columns[0] * f, region.columns[1] * f))

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:  # noqa: ARG002 - whole blocks
        """Rearrange blocks."""
        return F.pixel_unshuffle(values[0], self.factor)


def clip(span: Span, length: int) -> Span:
    """Return the part of a span within 0 to `length`, or the closest single position if there is none."""
    start = min(max(0, span[0]), length - 1)
    return start, max(start + 1, min(length, span[1]))


def find_margins(span: Span, length: int) -> Pair:
    """Return how far a span reaches beyond 0 and beyond `length`, with the span that `clip` returns as its inside."""
    inner = clip(span, length)
    return inner[0] - span[0], span[1] - inner[1]
