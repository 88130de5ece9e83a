"""Shots of a clip: detection of cuts from frame to frame, with small pictures of the frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unpaired.media.video.flow import Frame

GRID = 16
"""Side of the small pictures that are compared, in cells."""
LEVELS = 4
"""Levels of each channel in a histogram of colors."""
MAX_SAMPLES = 128
"""A frame is compared by so many of its rows and columns, less than twice as many at most."""
MIN_CHANGE, NEW_COLORS = 0.06, 0.5
"""A frame begins a shot if its small picture differs from the last one by MIN_CHANGE of the range, and NEW_COLORS of
its color histogram are new.
"""
JUMP, MIN_JUMP_RATIO, MIN_NEW_COLORS = 0.1, 3.0, 0.2
"""It also does if its small picture differs by JUMP, and MIN_JUMP_RATIO times as much as lately, and MIN_NEW_COLORS are
new.
"""


class ShotDetector:
    """Detector of cuts in a stream of frames (H, W, C), in constant memory; equal streams have equal cuts."""

    def __init__(self) -> None:
        self._grid: npt.NDArray[np.float64] | None = None
        self._colors: npt.NDArray[np.float64] | None = None
        self._usual_change = 0.0

    def is_cut(self, frame: Frame) -> bool:
        """Add the next frame; returns whether it begins a new shot. The first frame of the stream does not."""
        rows, columns = (max(1, side // MAX_SAMPLES) for side in frame.shape[:2])
        sample = frame[::rows, ::columns]
        grid, colors = shrink(sample), count_colors(sample)
        previous_grid, previous_colors = self._grid, self._colors
        self._grid, self._colors = grid, colors
        if previous_grid is None or previous_colors is None or previous_grid.shape != grid.shape:
            return previous_grid is not None
        change = float(np.abs(grid - previous_grid).mean() / 255)
        new_colors = float(np.abs(colors - previous_colors).sum() / 2)
        is_jump = change > max(JUMP, MIN_JUMP_RATIO * self._usual_change)
        if change > MIN_CHANGE and new_colors > (MIN_NEW_COLORS if is_jump else NEW_COLORS):
            self._usual_change = 0.0
            return True
        self._usual_change = 0.8 * self._usual_change + 0.2 * change
        return False


def shrink(frame: Frame) -> npt.NDArray[np.float64]:
    """Return the means over a grid of cells, at most GRID x GRID x C."""
    starts = [np.arange(min(GRID, side)) * side // min(GRID, side) for side in frame.shape[:2]]
    sums = np.add.reduceat(np.add.reduceat(frame.astype(np.uint32), starts[0], axis=0), starts[1], axis=1)
    sizes = [np.diff(np.append(start, side)) for start, side in zip(starts, frame.shape[:2], strict=True)]
    return np.asarray(sums / np.outer(*sizes)[..., None])


def count_colors(frame: Frame) -> npt.NDArray[np.float64]:
    """Return the fractions of the pixels in each cell of a histogram with LEVELS levels per channel."""
    levels = frame // (256 // LEVELS)
    index = levels @ (LEVELS ** np.arange(frame.shape[2]))
    counts = np.bincount(index.ravel().astype(np.int64), minlength=LEVELS ** frame.shape[2])
    return np.asarray(counts / counts.sum())
