"""Detection of cuts: found between pictures, not within moving, noisy or darkening shots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.moving_clips import View, make_clip, make_texture
from unpaired.media.video.flow import Frame
from unpaired.media.video.shots import ShotDetector, count_colors, shrink


def shot(seed: int, tint: tuple[float, float, float], frames: int = 6) -> list[Frame]:
    picture = (make_texture(160, 160, seed) * np.array(tint)).astype(np.uint8)
    return list(make_clip(picture, [View(60 + 4 * t, 80) for t in range(frames)], 64).frames)


def find_cuts(frames: Sequence[Frame]) -> list[int]:
    """Return the indices of the frames that begin a shot, without the first frame."""
    detector = ShotDetector()
    return [index for index, frame in enumerate(frames) if detector.is_cut(frame)]


def test_cuts_are_found_at_their_frames_and_only_there() -> None:
    frames = [*shot(0, (1, 0.5, 0.2)), *shot(1, (0.2, 0.6, 1)), *shot(2, (0.9, 0.9, 0.9)), *shot(3, (0.3, 0.3, 0.3))]
    assert find_cuts(frames) == [6, 12, 18]


@pytest.mark.parametrize("change", ["noise", "fade", "flash of a lamp"])
def test_shots_that_change_have_no_cut(change: str) -> None:
    frames = shot(0, (1, 0.8, 0.6), 12)
    draws = np.random.default_rng(0)
    for t, frame in enumerate(frames):
        factor = 1 - 0.06 * t if change == "fade" else 1.1 if change != "noise" and t == 5 else 1.0
        noise = draws.normal(0, 12, frame.shape) if change == "noise" else 0.0
        frames[t] = np.clip(frame * factor + noise, 0, 255).astype(np.uint8)
    assert find_cuts(frames) == []


def test_change_of_size_is_a_cut() -> None:
    assert find_cuts([np.zeros((9, 9, 3), np.uint8), np.zeros((40, 30, 3), np.uint8)]) == [1]
    assert find_cuts([np.zeros((1, 1, 1), np.uint8)] * 3) == []


def test_small_pictures_and_histograms_equal_slow_loops() -> None:
    frame = make_texture(37, 50)
    cells = np.empty((16, 16, 3))
    for row in range(16):
        for column in range(16):
            top, bottom, left, right = (
                *(row * 37 // 16, (row + 1) * 37 // 16),
                *(column * 50 // 16, (column + 1) * 50 // 16),
            )
            cells[row, column] = frame[top:bottom, left:right].reshape(-1, 3).mean(axis=0)
    assert np.allclose(shrink(frame), cells)
    counts = np.zeros(64)
    for red, green, blue in frame.reshape(-1, 3) // 64:
        counts[red + 4 * green + 16 * blue] += 1
    assert np.allclose(count_colors(frame), counts / counts.sum())
