"""Figure of an audit: a grid of images, enlarged so that single pixels are visible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor

MIN_SIDE_PX = 128
"""Minimum side of a drawn image in pixels; smaller images are enlarged by an integer factor."""
GAP, HEADING_HEIGHT = 4, 18
"""Pixels between images, and height of a line of text."""


@dataclass(frozen=True)
class RouteImages:
    """Images of one route: heading -> column (N, 1 or 3, H, W) in [-1, 1], with one row per item."""

    route: str
    columns: Mapping[str, Tensor]


def draw_audit_image(routes: Sequence[RouteImages]) -> npt.NDArray[np.float32]:
    """Draw the routes below each other, with column headings; return (H, W, 3) with values 0 to 255."""
    parts = [part for images in routes for part in (_draw_headings(images), _draw_grid(images))]
    width = max(part.shape[1] for part in parts)
    padded = [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255) for part in parts]
    return np.concatenate(padded).astype(np.float32)


def _compute_scale(images: RouteImages) -> int:
    side = min(next(iter(images.columns.values())).shape[-2:])
    return max(1, -(-MIN_SIDE_PX // side))


def _draw_grid(images: RouteImages) -> npt.NDArray[np.uint8]:
    scale = _compute_scale(images)
    columns = []
    for x in images.columns.values():
        rgb = x.detach().float().cpu().expand(-1, 3, -1, -1)
        levels = ((rgb.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        large = levels.repeat(scale, 1).repeat(scale, 2)
        columns.append(np.concatenate(np.pad(large, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)))
    return np.concatenate(columns, axis=1)


def _draw_headings(images: RouteImages) -> npt.NDArray[np.uint8]:
    """Draw the route and the headings of its columns."""
    first = next(iter(images.columns.values()))
    step = first.shape[-1] * _compute_scale(images) + GAP
    strip = Image.new("RGB", (step * len(images.columns), 2 * HEADING_HEIGHT), "white")
    canvas = ImageDraw.Draw(strip)
    canvas.text((2, 3), images.route, fill="black")
    for i, heading in enumerate(images.columns):
        canvas.text((i * step + 2, HEADING_HEIGHT + 2), heading.strip(), fill="black")
    return np.asarray(strip)
