"""Filter along the flow: its equation, what it leaves alone, and its effect on flicker."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.moving_clips import View, make_clip, make_texture
from unpaired.media.video.flow import FloatFrame, Motion
from unpaired.media.video.flow_filter import FlowFilter
from unpaired.media.video.warping_error import measure_warping_error

PICTURE = make_texture(160, 160)
FRAME = np.full((2, 3, 1), 50, np.uint8)


def at_rest() -> Motion:
    return Motion(np.zeros((2, 3, 2), np.float32), np.ones((2, 3), bool))


def constant(value: float) -> FloatFrame:
    return np.full((2, 3, 3), value, np.float32)


def test_filter_equals_its_recursion() -> None:
    flow_filter = FlowFilter(0.75)
    values, result = [0.4, 0.8, -1.0], 0.4
    for value in values:
        found = flow_filter.apply(FRAME, constant(value), at_rest())
        result = value + 0.75 * (result - value)
        assert np.allclose(found, result, atol=1e-6)


def test_weight_falls_with_the_difference_of_the_clip() -> None:
    flow_filter = FlowFilter(0.5)
    flow_filter.apply(FRAME, constant(0), at_rest())
    darker = FRAME.copy()
    darker[0, 0], darker[0, 1] = 30, 250  # differences of 20, where the weight falls to 1 / e, and of 200
    found = flow_filter.apply(darker, constant(1), at_rest())
    assert np.allclose(found[0, :, 0], [1 - 0.5 / np.e, 1, 0.5], atol=1e-6)


def test_hidden_pixels_cuts_and_other_sizes_are_not_filtered() -> None:
    flow_filter = FlowFilter(0.5)
    flow_filter.apply(FRAME, constant(0), at_rest())
    visible = np.ones((2, 3), bool)
    visible[1] = False
    found = flow_filter.apply(FRAME, constant(1), Motion(at_rest().flow, visible))
    assert np.allclose(found[0], 0.5) and np.array_equal(found[1], constant(1)[1])
    flow_filter.reset()
    assert np.array_equal(flow_filter.apply(FRAME, constant(3)), constant(3))
    wide = np.zeros((4, 4, 1), np.uint8)
    assert np.array_equal(flow_filter.apply(wide, np.ones((4, 4, 3), np.float32)), np.ones((4, 4, 3), np.float32))


def test_filter_at_least_halves_flicker_of_a_moving_clip() -> None:
    clip = make_clip(PICTURE, [View(60 + 1.5 * t, 80 + 0.5 * t) for t in range(10)], 64)
    flickering = [np.clip(frame + 20.0 * (t % 2), 0, 255).astype(np.float32) for t, frame in enumerate(clip.frames)]
    flow_filter = FlowFilter()
    filtered = [flow_filter.apply(frame, y) for frame, y in zip(clip.frames, flickering, strict=True)]
    before, after = (
        measure_warping_error(clip.frames, [y.clip(0, 255).round().astype(np.uint8) for y in clips], clip.motions)
        for clips in (flickering, filtered)
    )
    assert before.translation > 15 and after.translation < 0.5 * before.translation


@pytest.mark.parametrize("strength", [-0.1, 1.0])
def test_strength_outside_its_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match=str(strength)):
        FlowFilter(strength)
