"""Optical flow between frames, images warped by it, and the pixels that two frames share. Needs OpenCV.

Frames are (H, W, C) with uint8 values. A flow (H, W, 2) holds, for each pixel of one frame, the way (x, y) in pixels to
the same point in another frame.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from unpaired.packages import import_package

Frame = npt.NDArray[np.uint8]
Flow = npt.NDArray[np.float32]
FloatFrame = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Interpolation = Literal["linear", "cubic", "lanczos"]
MIN_SIDE = 16
"""Smaller frames are enlarged at their borders before their flow is estimated."""


class Motion(NamedTuple):
    """Flow from a frame to the frame before it, and the pixels that both show."""

    flow: Flow
    visible: Mask


class FlowEstimator:
    """Dense inverse search (Kroeger et al. 2016, arXiv:1603.03590), in OpenCV's implementation, at full resolution.

    Raises UsageError with the install command if OpenCV is missing.
    """

    def __init__(self) -> None:
        self._cv2: Any = import_package("cv2", "optical flow", "video")
        self._search = self._cv2.DISOpticalFlow_create(self._cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._search.setFinestScale(0)

    def estimate(self, first: Frame, second: Frame) -> Flow:
        """Return the flow from `first` to `second`, which have the same size."""
        height, width = first.shape[:2]
        bottom, right = max(0, MIN_SIDE - height), max(0, MIN_SIDE - width)
        gray = [np.pad(self._to_gray(frame), ((0, bottom), (0, right)), "edge") for frame in (first, second)]
        flow: Flow = self._search.calc(*gray, None)
        return np.ascontiguousarray(flow[:height, :width])

    def estimate_motion(self, frame: Frame, previous: Frame) -> Motion:
        """Return the flow from `frame` to `previous`, and the pixels that are visible in both."""
        flow, reverse = self.estimate(frame, previous), self.estimate(previous, frame)
        return Motion(flow, find_visible(flow, reverse))

    def _to_gray(self, frame: Frame) -> Frame:
        if frame.shape[2] == 1:
            return np.ascontiguousarray(frame[..., 0])
        gray: Frame = self._cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), self._cv2.COLOR_RGB2GRAY)
        return gray


def warp(image: npt.NDArray[Any], flow: Flow, interpolation: Interpolation = "linear") -> FloatFrame:
    """Return the values (H, W, C) of `image` where `flow` points to; outside, its border.

    "cubic" blurs less than "linear", and "lanczos" (8 x 8 pixels) least.
    """
    cv2: Any = import_package("cv2", "optical flow", "video")
    height, width = flow.shape[:2]
    positions = flow + np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    mode = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}[interpolation]
    source = np.ascontiguousarray(image, np.float32)
    out = cv2.remap(source, positions.astype(np.float32), None, mode, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32).reshape(height, width, image.shape[2])


def find_visible(flow: Flow, reverse: Flow) -> Mask:
    """Return the pixels (H, W) of a frame that the other frame shows too: there and back ends near the start.

    `flow` leads from the frame to the other one, `reverse` back. The threshold is that of Sundaram et al. 2010:
    |w + w'|^2 < 0.01 (|w|^2 + |w'|^2) + 0.5. Pixels that leave the frame are not visible.
    """
    returned = warp(reverse, flow)
    distance = np.square(flow + returned).sum(axis=2)
    lengths = np.square(flow).sum(axis=2) + np.square(returned).sum(axis=2)
    visible: Mask = (distance < 0.01 * lengths + 0.5) & points_inside(flow)
    return visible


def points_inside(flow: Flow) -> Mask:
    """Return the pixels (H, W) whose flow ends within the frame."""
    height, width = flow.shape[:2]
    x, y = flow[..., 0] + np.arange(width), flow[..., 1] + np.arange(height)[:, None]
    inside: Mask = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside
