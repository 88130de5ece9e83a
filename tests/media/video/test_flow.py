"""Optical flow: exact motions of pans and zooms, warped images, visible pixels."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.moving_clips import View, make_clip, make_texture
from unpaired.errors import UsageError
from unpaired.media.video.flow import FlowEstimator, find_visible, points_inside, warp

PICTURE = make_texture(200, 200)


@pytest.mark.parametrize(
    "views",
    [(View(90, 100), View(93.5, 98)), (View(100, 100), View(100, 100, 1.05))],
    ids=["pan", "zoom"],
)
def test_estimated_flow_equals_exact_flow(views: tuple[View, View]) -> None:
    clip = make_clip(PICTURE, views, 96)
    (exact,) = clip.motions
    found = FlowEstimator().estimate_motion(clip.frames[1], clip.frames[0])
    inner = np.zeros((96, 96), bool)
    inner[8:-8, 8:-8] = True
    assert np.linalg.norm(found.flow - exact.flow, axis=2)[inner].max() < 0.3
    assert found.visible[inner].all() and exact.visible[inner].all()


def test_exact_flow_of_a_pan_and_a_zoom() -> None:
    pan = View(50, 50).find_flow(View(47, 51), 5)
    assert np.allclose(pan, [3, -1])
    zoom = View(50, 50, 2).find_flow(View(50, 50, 1), 5)
    assert np.allclose(zoom[2, 2], 0) and np.allclose(zoom[0, 4], [2, -2])


def test_warp_reads_whole_and_half_pixels() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4, 1) ** 2
    flow = np.zeros((3, 4, 2), np.float32)
    flow[..., 0] = 1
    assert np.array_equal(warp(image, flow)[:, :3], image[:, 1:])
    assert np.array_equal(warp(image, flow)[:, 3], image[:, 3]), "outside is the border"
    flow[..., 0], flow[..., 1] = 0, 0.5
    assert np.allclose(warp(image, flow)[0], (image[0] + image[1]) / 2)


def test_pixels_that_leave_or_are_covered_are_not_visible() -> None:
    flow, reverse = np.zeros((8, 8, 2), np.float32), np.zeros((8, 8, 2), np.float32)
    flow[..., 0], reverse[..., 0] = 2, -2
    assert np.array_equal(find_visible(flow, reverse), points_inside(flow))
    assert points_inside(flow)[:, :6].all() and not points_inside(flow)[:, 6:].any()
    reverse[2, 4] = 0  # another object covers this point, which is reached from (2, 2)
    visible = find_visible(flow, reverse)
    assert not visible[2, 2] and visible[3, 2]


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 40, 3), (15, 15, 1)])
def test_flow_of_tiny_frames_is_estimated(shape: tuple[int, int, int]) -> None:
    frame = np.zeros(shape, np.uint8)
    motion = FlowEstimator().estimate_motion(frame, frame)
    assert motion.flow.shape == (*shape[:2], 2) and motion.visible.all()


def test_missing_opencv_is_an_error_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)  # makes importing it raise ImportError
    with pytest.raises(UsageError, match=r"cv2.*unpaired\[video\]"):
        FlowEstimator()
