"""Metrics and baselines of pictures, in the order of tables. Features are those of frozen networks."""

from __future__ import annotations

from unpaired.metrics.base import DOING_NOTHING, Baseline, Metric
from unpaired.metrics.memorization import NEAREST_RATIO

REAL = "real to real"
LINEAR = "linear color transfer"

_KID = (
    "distance of the translations' features to those of the target's real pictures, unbiased (Binkowski 2018, cubic "
    "kernel), times 1000, +- its standard error; compare it only with KIDs of the same feature network."
)
KID = Metric(
    "kid",
    "KID x1000 (EfficientNet-Lite0)",
    "lower",
    1,
    _KID,
    short_label="KID (EfficientNet-Lite0)",
)
KID_ALEXNET = Metric(
    "kid_alexnet",
    "KID x1000 (AlexNet)",
    "lower",
    1,
    _KID,
    short_label="KID (AlexNet)",
)
KIDS = (KID, KID_ALEXNET)
"""KID by each feature network; methods are ranked by both."""
FID = Metric(
    "fid",
    "FID",
    "lower",
    1,
    "Frechet distance of the same features; biased upwards on small sets, so compare it only with FIDs of as many "
    "pictures.",
)
L1 = Metric(
    "l1",
    "L1 to the truth",
    "lower",
    3,
    "mean absolute difference to the true translation, as a fraction of the value range.",
    short_label="L1",
)
PSNR = Metric(
    "psnr",
    "PSNR to the truth",
    "higher",
    1,
    "peak signal-to-noise ratio to the true translation, at most 100 dB.",
    unit="dB",
    short_label="PSNR",
)
SSIM = Metric(
    "ssim",
    "SSIM to the truth",
    "higher",
    3,
    "structural similarity to the true translation, -1 to 1, in uniform windows of 7 x 7 pixels.",
    short_label="SSIM",
)
GAUSSIAN_SSIM = Metric(
    "gaussian_ssim",
    "SSIM (Gaussian) to the truth",
    "higher",
    3,
    "structural similarity to the true translation, -1 to 1, in Gaussian windows of 11 x 11 pixels as in papers.",
    short_label="SSIM (Gaussian)",
)
ST_LPIPS = Metric(
    "st_lpips",
    "ST-LPIPS to the truth",
    "lower",
    3,
    "perceptual distance to the true translation by AlexNet, trained on human judgements and tolerant of small shifts "
    "(Ghildyal 2022).",
    short_label="ST-LPIPS",
)
CYCLE = Metric(
    "cycle",
    "cycle error",
    "lower",
    3,
    "mean absolute difference of the input and its reconstruction from the translation, as a fraction of the value "
    "range.",
    known_baselines={DOING_NOTHING: 0.0},
)
FEATURE_SIMILARITY = Metric(
    "feature_similarity",
    "content kept: features",
    "one",
    3,
    "cosine similarity of the features of translation and input, each centered by the mean of its set.",
    short_label="kept: features",
    scale="1 = all",
    known_baselines={DOING_NOTHING: 1.0},
)
EDGE_SIMILARITY = Metric(
    "edge_similarity",
    "content kept: edges",
    "one",
    3,
    "correlation of the edges of translation and input, independent of color and of inverted contrast.",
    short_label="kept: edges",
    scale="1 = all",
    known_baselines={DOING_NOTHING: 1.0},
)
CHANGE = Metric(
    "change",
    "change",
    "none",
    3,
    "mean absolute difference of translation and input, as a fraction of the value range.",
    scale="0 = none",
    known_baselines={DOING_NOTHING: 0.0},
)

IMAGE_METRICS: tuple[Metric, ...] = (
    KID,
    KID_ALEXNET,
    FID,
    L1,
    PSNR,
    SSIM,
    GAUSSIAN_SSIM,
    ST_LPIPS,
    CYCLE,
    FEATURE_SIMILARITY,
    EDGE_SIMILARITY,
    CHANGE,
    NEAREST_RATIO,
)
IMAGE_BASELINES = (
    Baseline(DOING_NOTHING, "the untranslated input."),
    Baseline(
        LINEAR,
        "mean and covariance of the colors matched to the target's; no training (Pitie 2007). A translator that does "
        "not beat it has learned nothing.",
    ),
    Baseline(REAL, "one random half of the target's real pictures against the other.", is_reference=True),
)
