"""Warping error: how much a translated clip flickers, relative to the clip itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from unpaired.media.video.flow import FlowEstimator, Frame, Motion, warp
from unpaired.media.video.shots import ShotDetector


@dataclass(frozen=True)
class WarpingError:
    """Warping errors of a clip and of its translation: mean absolute differences in levels of 255.

    The error of a clip is the mean, over its pairs of frames, of E_t = mean of |y_t - warp(y_{t-1})| over the pixels
    that x_{t-1} and x_t both show. `warp` follows the optical flow of the clip x, not of the translation y. Source: Lai
    et al. 2018, arXiv:1808.00449, warping error E_warp. Differs: absolute instead of squared differences, the previous
    instead of the next frame, and cubic interpolation, whose own error is smaller. `pairs` is the number of pairs;
    those across a cut do not count.
    """

    translation: float
    clip: float
    pairs: int

    @property
    def ratio(self) -> float | None:
        """Error of the translation divided by that of the clip; None if the clip has none, as a still has not."""
        return self.translation / self.clip if self.clip > 0 else None


def measure_warping_error(
    frames: Iterable[Frame], translations: Iterable[Frame], motions: Iterable[Motion] | None = None
) -> WarpingError:
    """Measure a clip x_t and its translation y_t, frames (H, W, C) of equal size, in constant memory.

    `motions` are known motions from each frame but the first to the one before it; without them the flow of the clip is
    estimated. Raises ValueError if the numbers or the sizes of frames differ, or if no pair of frames can be compared;
    UsageError if OpenCV is missing.
    """
    sums, count = np.zeros(2), 0
    for previous, current, motion in _iterate_pairs(frames, translations, motions):
        if motion.visible.any():
            sums += [compute_pair_error(b, a, motion) for a, b in zip(previous, current, strict=True)]
            count += 1
    if not count:
        raise ValueError("no two neighboring frames show the same; a warping error needs two frames of one shot")
    clip, translation = (sums / count).tolist()
    return WarpingError(translation, clip, count)


def compute_pair_error(current: Frame, previous: Frame, motion: Motion) -> float:
    """Return the mean absolute difference of `current` and the warped `previous` over visible pixels, in levels."""
    return float(np.abs(current - warp(previous, motion.flow, "cubic"))[motion.visible].mean())


def _iterate_pairs(
    frames: Iterable[Frame], translations: Iterable[Frame], motions: Iterable[Motion] | None
) -> Iterator[tuple[tuple[Frame, Frame], tuple[Frame, Frame], Motion]]:
    """Yield neighboring (frame, translation) of one shot, the earlier first, with the motion between them."""
    estimator, detector = FlowEstimator(), ShotDetector()
    previous: tuple[Frame, Frame] | None = None
    known = repeat(None) if motions is None else iter(motions)
    for current in zip(frames, translations, strict=True):
        if current[0].shape[:2] != current[1].shape[:2]:
            raise ValueError(
                f"a frame of {current[0].shape[:2]} and a translation of {current[1].shape[:2]} pixels; expected "
                "equal heights and widths"
            )
        is_cut = detector.is_cut(current[0])
        if previous is not None:
            motion = next(known)
            if not is_cut:
                yield previous, current, motion or estimator.estimate_motion(current[0], previous[0])
        previous = current
