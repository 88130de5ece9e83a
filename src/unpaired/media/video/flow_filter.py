"""Recursive filter of a translated clip along its optical flow, against flicker."""

from __future__ import annotations

import numpy as np

from unpaired.media.video.flow import FloatFrame, FlowEstimator, Frame, Motion, warp

STRENGTH = 0.8
"""Weight of the previous result where it fits: the filter averages over about 1 / (1 - STRENGTH) frames."""
TOLERANCE = 20.0
"""Difference of the frame and the warped previous frame, in levels of 255, at which the weight falls to 1 / e."""


class FlowFilter:
    """Filter y'_t = y_t + w (warp(y'_{t-1}) - y_t) of the translations y_t of frames x_t, one by one.

    The weight of a pixel is w = `strength` exp(-(|x_t - warp(x_{t-1})| / TOLERANCE)^2), from the mean difference of its
    channels, and 0 where the previous frame does not show it. `warp` follows the flow of the clip x. Raises UsageError
    if OpenCV is missing.
    """

    def __init__(self, strength: float = STRENGTH) -> None:
        if not 0 <= strength < 1:
            raise ValueError(f"strength {strength}; expected at least 0 and less than 1")
        self.strength = strength
        self._estimator = FlowEstimator()
        self._previous: tuple[Frame, FloatFrame] | None = None

    def reset(self) -> None:
        """Forget the previous frame, as at a cut."""
        self._previous = None

    def apply(self, frame: Frame, translation: FloatFrame, motion: Motion | None = None) -> FloatFrame:
        """Filter the translation (H, W, C) of `frame` (H, W, any channels), which follows the frame of the last call.

        Translations may have any range. The motion from the frame to the previous one is estimated if it is not given.
        """
        result = translation
        if self._previous is not None and self._previous[0].shape == frame.shape:
            previous_frame, previous_result = self._previous
            motion = motion or self._estimator.estimate_motion(frame, previous_frame)
            weight = self._compute_weight(frame, previous_frame, motion)
            # Blur would add up over the frames.
            warped = warp(previous_result, motion.flow, "lanczos")
            result = translation + weight[..., None] * (warped - translation)
        self._previous = (frame, result)
        return result

    def _compute_weight(self, frame: Frame, previous_frame: Frame, motion: Motion) -> FloatFrame:
        """Return the weight (H, W) of the previous result."""
        difference = np.abs(frame - warp(previous_frame, motion.flow)).mean(axis=2)
        weight = self.strength * np.exp(-np.square(difference / TOLERANCE)) * motion.visible
        return np.asarray(weight, np.float32)
