"""Declarations of the voice metrics and baselines, in the order of tables.

Acoustic metrics use mel-cepstra c1..c24 (alpha 0.41) of WORLD's envelope at 16 kHz, every 5 ms, of the synthesized
waves.
"""

from __future__ import annotations

from unpaired.metrics.base import DOING_NOTHING, Baseline, Metric
from unpaired.metrics.memorization import NEAREST_RATIO

AFFINE, NEAREST, CONTENT, COPY_SYNTHESIS, REAL = "affine", "kNN", "content", "copy-synthesis", "real target"
RANK_TOLERANCE = 0.02
"""Relative difference below which two values of a ranking metric count as equal; their standard errors are unknown."""

_ALIGNED = "alignment as for MCD; F0 in frames where both are voiced, 1200 cents per octave."
_GV = (
    "mean over c1..c24 of |10 log10(variance of output / variance of target)|; variances over time within a sentence, "
    "averaged over sentences; the bias is the signed mean, and negative values mean flatter than the target."
)
_POOLED = "over all loud frames of all sentences, output minus target."
_SIMILARITY = "cosine similarity of the mean speaker embeddings of output and target (or source)."
_WORDS = "edits per word or per character of the text, in lower case and without punctuation."
_OPINION = "mean opinion score from 1 to 5, predicted by a network; mean over sentences."

MCD = Metric(
    "mcd",
    "MCD",
    "lower",
    2,
    "10 / ln 10 * sqrt(2 * sum over c1..c24 of squared differences), for mel-cepstra (alpha 0.41) of WORLD's envelope "
    "at 16 kHz every 5 ms; frames within 20 dB of the sentence's loudest frame, aligned by exact dynamic time warping; "
    "mean over the path, then over sentences.",
    unit="dB",
    rank_tolerance=RANK_TOLERANCE,
)
F0_RMSE = Metric("f0_rmse", "F0 RMSE", "lower", 0, _ALIGNED, unit="cents")
VOICING_ERROR = Metric("voicing_error", "voicing error", "lower", 3, _ALIGNED)
GV = Metric("gv", "GV distance", "lower", 2, _GV, unit="dB", short_label="GV")
GV_BIAS = Metric("gv_bias", "GV bias", "zero", 2, _GV, unit="dB", is_signed=True)
MODULATION = Metric(
    "modulation",
    "modulation distance",
    "lower",
    2,
    "mean absolute difference of the power spectra of the trajectories of c1..c24, 1.6 to 50 Hz, in windows of 640 ms.",
    unit="dB",
    short_label="modulation",
)
FRAME_DISTANCE = Metric(
    "frame_distance",
    "frame distance",
    "lower",
    1,
    "KID estimator on c1..c24 of three frames 30 ms apart, minus the target's mean and divided by its standard "
    "deviation over all coefficients, times 1000.",
    rank_tolerance=RANK_TOLERANCE,
)
F0_MEAN = Metric("f0_mean", "F0 mean", "zero", 0, _POOLED, unit="cents", is_signed=True)
F0_STD = Metric("f0_std", "F0 deviation", "zero", 0, _POOLED, unit="cents", is_signed=True)
VOICED_FRACTION = Metric("voiced_fraction", "voiced fraction", "zero", 3, _POOLED, is_signed=True)
SIMILARITY = Metric("similarity", "similarity to target", "higher", 3, _SIMILARITY, short_label="similarity")
SIMILARITY_SOURCE = Metric("similarity_source", "similarity to source", "lower", 3, _SIMILARITY)
SIMILARITY_SECOND = Metric("similarity_second", "2nd encoder: to target", "higher", 3, _SIMILARITY)
SIMILARITY_SECOND_SOURCE = Metric("similarity_second_source", "2nd encoder: to source", "lower", 3, _SIMILARITY)
WER = Metric("wer", "WER", "lower", 3, _WORDS)
CER = Metric("cer", "CER", "lower", 3, _WORDS)
WER_SECOND = Metric("wer_second", "2nd recognizer: WER", "lower", 3, _WORDS)
MOS = Metric("mos", "MOS, distillmos", "higher", 2, _OPINION)
DNSMOS = Metric("dnsmos", "MOS, DNSMOS", "higher", 2, _OPINION)

VOICE_METRICS = (
    MCD,
    F0_RMSE,
    VOICING_ERROR,
    GV,
    GV_BIAS,
    MODULATION,
    FRAME_DISTANCE,
    F0_MEAN,
    F0_STD,
    VOICED_FRACTION,
    SIMILARITY,
    SIMILARITY_SOURCE,
    SIMILARITY_SECOND,
    SIMILARITY_SECOND_SOURCE,
    WER,
    CER,
    WER_SECOND,
    MOS,
    DNSMOS,
    NEAREST_RATIO,
)
VOICE_BASELINES = (
    Baseline(DOING_NOTHING, "the unchanged source."),
    Baseline(AFFINE, "mean and standard deviation of each coefficient matched to the target's; no training."),
    Baseline(NEAREST, "each frame replaced by the mean of the target's nearest training frames; no training."),
    Baseline(
        CONTENT,
        "every 20 ms replaced by the mean of the target's training frames with the nearest content; no training "
        "(`unpaired convert`; needs unpaired[voice-content]).",
    ),
    Baseline(
        COPY_SYNTHESIS,
        "the target after analysis and synthesis: upper bound that the vocoder sets.",
        is_reference=True,
    ),
    Baseline(
        REAL,
        "every second target sentence compared with the other target sentences; WER, CER and MOS of all of them.",
        is_reference=True,
    ),
)
