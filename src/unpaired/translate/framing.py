"""Pictures of any size through networks that take multiples of a stride and learned one scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

WHOLE = 2**21
"""Pixels that pass through a network at once (full HD does): about 2 GB with the paper's generator in float32."""
OVERLAP = 128
"""Pixels that neighbouring tiles of a larger picture share."""
LONGEST = 8
"""A picture smaller than the trained size is not enlarged beyond this many trained sizes of its longer side."""


@dataclass(frozen=True)
class Frame:
    """How a picture of `height` x `width` enters the networks: resized to `inner`, mirrored out to `outer`."""

    height: int
    width: int
    inner: tuple[int, int]
    outer: tuple[int, int]

    @property
    def enlarges(self) -> float:
        """By how much the result is enlarged to have the input's size again; 1 where it is not resized."""
        return max(self.height / self.inner[0], self.width / self.inner[1])

    def enter(self, x: Tensor) -> Tensor:
        """(B, C, height, width) -> (B, C, *outer)."""
        return mirror(resize(x, self.inner), self.outer)

    def leave(self, y: Tensor) -> Tensor:
        """(B, C, *outer) -> (B, C, height, width), within [-1, 1]."""
        return resize(y[..., : self.inner[0], : self.inner[1]], (self.height, self.width)).clamp(-1, 1)


def frame(height: int, width: int, size: int | None, shrink: bool, stride: int) -> Frame:
    """The frame of a picture: its shorter side becomes `size` pixels, without `shrink` only if it is smaller; with None
    it keeps its own scale.

    Both sides become multiples of `stride`, at least two of them: the reflecting layers need as much. Thin pictures
    (1 x 1000) are enlarged less, so that their longer side stays within `LONGEST` times `size`.
    """
    inner = (height, width)
    if size is not None:
        short, long = min(inner), max(inner)
        factor = size / short
        if factor > 1:
            factor = max(1.0, min(factor, LONGEST * size / long))
        elif not shrink:
            factor = 1.0
        inner = (max(1, round(height * factor)), max(1, round(width * factor)))
    outer = (max(2, math.ceil(inner[0] / stride)) * stride, max(2, math.ceil(inner[1] / stride)) * stride)
    return Frame(height, width, inner, outer)


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) -> (B, C, *size), bicubic and antialiased; unchanged where it has that size."""
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False)


def mirror(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Extend (B, C, H, W) below and right to `size`, mirrored at the border as often as it takes."""
    for dim, length in ((-2, size[0]), (-1, size[1])):
        now = x.shape[dim]
        if now < length:
            period = max(1, 2 * (now - 1))
            at = torch.arange(length, device=x.device) % period
            x = x.index_select(dim, torch.where(at < now, at, period - at))
    return x


def through(net: Callable[[Tensor], Tensor], x: Tensor, stride: int, whole: int) -> Tensor:
    """`net(x)` for (B, C, H, W); above `whole` pixels in overlapping tiles that are faded into each other.

    Norms over a picture become norms over a tile, so tiles may differ a little in contrast; fading hides their seams.
    The tiles' results are collected where `x` is.
    """
    height, width = x.shape[-2:]
    if height * width <= whole:
        return net(x)
    short = min(height, width, max(2 * stride, math.isqrt(whole) // stride * stride))
    long = max(2 * stride, whole // short // stride * stride)
    sides = (short, min(width, long)) if height <= width else (min(height, long), short)
    out: Tensor | None = None
    for top, fade_y in spans(height, sides[0], stride):
        for left, fade_x in spans(width, sides[1], stride):
            area = (..., slice(top, top + sides[0]), slice(left, left + sides[1]))
            tile = net(x[area]).to(x.device)
            if out is None:
                out = x.new_zeros(*tile.shape[:2], height, width)
            out[area] += tile * (fade_y[:, None] * fade_x).to(x.device)
    assert out is not None
    return out


def spans(length: int, side: int, stride: int) -> list[tuple[int, Tensor]]:
    """Starts (multiples of `stride`) of spans that cover `length`, and each one's weights; those of all sum to one."""
    if side >= length:
        return [(0, torch.ones(length))]
    overlap = min(OVERLAP, side // 2)
    count = math.ceil((length - overlap) / (side - overlap))
    starts = [i * (length - side) // (count - 1) // stride * stride for i in range(count)]
    steps = torch.arange(side)
    fade = torch.minimum(steps + 1, side - steps).clamp(max=overlap).float()
    total = torch.zeros(length)
    for start in starts:
        total[start : start + side] += fade
    return [(start, fade / total[start : start + side]) for start in starts]
