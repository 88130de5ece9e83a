"""Metrics of clips: those of pictures for the frames, and the warping error."""

from __future__ import annotations

from unpaired.media.image.metrics import IMAGE_METRICS
from unpaired.metrics.base import DOING_NOTHING, Metric

WARPING_ERROR = Metric(
    "warping_error",
    "warping error, relative to the input",
    "lower",
    2,
    "change of the translation along the optical flow of the input, divided by that of the input (Lai et al. 2018): 1 "
    "flickers as little as the input; measured on up to 24 frames of up to 4 test clips, each frame translated alone.",
    known_baselines={DOING_NOTHING: 1.0},
)
VIDEO_METRICS = (*IMAGE_METRICS, WARPING_ERROR)
