"""Clips made from one picture by pans and zooms, with their exact motion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from unpaired.media.video.flow import Flow, Frame, Motion, points_inside


@dataclass(frozen=True)
class View:
    """Window of a picture: its center (x, y) in pixels of the picture, and picture pixels per pixel of the frame."""

    x: float
    y: float
    scale: float = 1.0

    def render(self, picture: Frame, size: int) -> Frame:
        """Return the frame (size, size, C)."""
        blurred = cv2.GaussianBlur(picture, (0, 0), 0.5 * self.scale) if self.scale > 1 else picture
        matrix = np.array([[self.scale, 0, self.x], [0, self.scale, self.y]])
        matrix[:, 2] -= self.scale * (size - 1) / 2
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        out = cv2.warpAffine(blurred, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(out, np.uint8).reshape(size, size, -1)

    def find_flow(self, other: View, size: int) -> Flow:
        """Return the exact flow (size, size, 2) from this view to another one."""
        centered = np.arange(size) - (size - 1) / 2
        x = (self.x + self.scale * centered - other.x) / other.scale - centered
        y = (self.y + self.scale * centered - other.y) / other.scale - centered
        return np.stack(np.broadcast_arrays(x[None], y[:, None]), axis=-1).astype(np.float32)


@dataclass(frozen=True)
class MovingClip:
    """Frames of a picture, and the exact motion from each frame but the first to the one before it."""

    frames: Sequence[Frame]
    motions: Sequence[Motion]


def make_clip(picture: Frame, views: Sequence[View], size: int) -> MovingClip:
    """Render a clip of `size` x `size` pixels, whose frame t shows view t of `picture` (H, W, C)."""
    frames = [view.render(picture, size) for view in views]
    flows = [view.find_flow(previous, size) for previous, view in pairwise(views)]
    return MovingClip(frames, [Motion(flow, points_inside(flow)) for flow in flows])


def make_texture(height: int, width: int, seed: int = 0) -> Frame:
    """Return a smooth random picture (height, width, 3), in which a flow can be estimated everywhere."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    low, high = smooth.min(), smooth.max()
    return np.asarray(255 * (smooth - low) / (high - low), np.uint8)
