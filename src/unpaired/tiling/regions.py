"""Rectangular regions of an image, and the tiles that cover it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

Span = tuple[int, int]
"""Rows or columns from the first to before the second."""


@dataclass(frozen=True)
class Region:
    """Rows and columns of an image (B, C, H, W)."""

    rows: Span
    columns: Span

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.rows[1] - self.rows[0]

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.columns[1] - self.columns[0]

    def union(self, other: Region) -> Region:
        """Return the smallest region that contains both."""
        return Region(join_spans(self.rows, other.rows), join_spans(self.columns, other.columns))

    def crop(self, x: Tensor, inner: Region) -> Tensor:
        """Return the part `inner` of `x` (B, C, height, width), the values of this region."""
        if inner == self:
            return x
        top, left = inner.rows[0] - self.rows[0], inner.columns[0] - self.columns[0]
        return x[..., top : top + inner.height, left : left + inner.width]


def join_spans(one: Span, other: Span) -> Span:
    """Return the smallest span that contains both."""
    return min(one[0], other[0]), max(one[1], other[1])


def iterate_tiles(height: int, width: int, tile_size: int) -> Iterator[Region]:
    """Yield disjoint regions of at most `tile_size` x `tile_size` pixels that cover an image, row by row."""
    for top in range(0, height, tile_size):
        for left in range(0, width, tile_size):
            yield Region((top, min(height, top + tile_size)), (left, min(width, left + tile_size)))


def shift(span: Span, offset: int) -> Span:
    """Return a span moved by `offset`."""
    return span[0] + offset, span[1] + offset
