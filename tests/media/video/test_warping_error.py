"""Warping error: values worked out by hand, exact and estimated flow, cuts, constant memory, bad input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.moving_clips import View, make_clip, make_texture
from unpaired.media.video.flow import Frame, Motion
from unpaired.media.video.warping_error import WarpingError, measure_warping_error

PICTURE = make_texture(160, 160)


def shifted(length: int) -> Motion:
    """Return the motion of frames that each show the point to the left of the one before."""
    flow = np.zeros((2, length, 2), np.float32)
    flow[..., 0] = 1
    visible = np.ones((2, length), bool)
    visible[:, -1] = False
    return Motion(flow, visible)


def test_error_equals_value_worked_out_by_hand() -> None:
    row = np.array([10, 20, 40, 80], np.uint8)
    first = np.broadcast_to(row[None, :, None], (2, 4, 1))
    second = np.broadcast_to(np.array([20, 40, 83, 0], np.uint8)[None, :, None], (2, 4, 1))
    translated = np.broadcast_to(np.array([26, 40, 80, 99], np.uint8)[None, :, None], (2, 4, 1))
    found = measure_warping_error([first, second], [first, translated], [shifted(4)])
    assert found == WarpingError(translation=2.0, clip=1.0, pairs=1) and found.ratio == 2.0


def test_error_is_the_mean_over_pairs() -> None:
    gray = [np.full((2, 4, 1), value, np.uint8) for value in (100, 104, 112)]
    still = np.full((2, 4, 1), 7, np.uint8)
    found = measure_warping_error(gray, [still] * 3, [shifted(4)] * 2)
    assert found == WarpingError(translation=0.0, clip=6.0, pairs=2) and found.ratio == 0.0
    assert measure_warping_error([still] * 3, gray, [shifted(4)] * 2).ratio is None


@pytest.mark.parametrize("is_exact", [True, False])
def test_equivariant_translation_has_error_of_clip_and_flicker_more(is_exact: bool) -> None:
    clip = make_clip(PICTURE, [View(60 + 1.5 * t, 80 - 0.5 * t, 1 + 0.01 * t) for t in range(6)], 64)
    motions = clip.motions if is_exact else None
    inverted = [255 - frame for frame in clip.frames]
    assert measure_warping_error(clip.frames, inverted, motions).ratio == pytest.approx(1, abs=1e-6)
    flickering = [np.clip(frame + 10.0 * (t % 2), 0, 255).astype(np.uint8) for t, frame in enumerate(clip.frames)]
    found = measure_warping_error(clip.frames, flickering, motions)
    assert found.pairs == 5 and found.clip < 2 and found.translation == pytest.approx(10, abs=0.5)


def test_pairs_across_a_cut_do_not_count() -> None:
    other = 255 - make_texture(64, 64, seed=1) // 4
    first = make_clip(PICTURE, [View(60 + t, 80) for t in range(3)], 64).frames
    frames = [*first, other, other]
    flat = [np.zeros_like(frame) for frame in frames]
    assert measure_warping_error(frames, flat).pairs == 3


def test_frames_are_read_one_by_one() -> None:
    alive: set[int] = set()

    class Tracked(np.ndarray):
        def __del__(self) -> None:
            alive.discard(id(self))

    def stream() -> Iterator[Frame]:
        for _ in range(10):
            frame = np.zeros((16, 16, 1), np.uint8).view(Tracked)
            alive.add(id(frame))
            assert len(alive) <= 8  # of each clip the last two, the next, and a view
            yield frame

    assert measure_warping_error(stream(), stream()).pairs == 9


def test_unequal_clips_and_single_frames_are_refused() -> None:
    frame, small = np.zeros((16, 16, 3), np.uint8), np.zeros((8, 16, 3), np.uint8)
    with pytest.raises(ValueError, match="shorter"):
        measure_warping_error([frame] * 3, [frame] * 2)
    with pytest.raises(ValueError, match=r"\(16, 16\).*\(8, 16\)"):
        measure_warping_error([frame] * 2, [small] * 2)
    with pytest.raises(ValueError, match="two frames"):
        measure_warping_error([frame], [frame])
