"""Distances between two sets of sentences without alignment: variance, modulation spectrum, F0, and frames.

They detect blurred conversions, which can have a good MCD.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch

from unpaired.media.voice.metrics.acoustic_frames import Doubles, FrameFeatures
from unpaired.metrics import frame_distance

SEGMENT_FRAMES: Final = 128
"""Frames per segment of the modulation spectrum: 640 ms, with bins 1.56 Hz apart."""
MAX_MODULATION_BIN: Final = 32
_MIN_POWER: Final = 1e-12


@dataclass(frozen=True, eq=False)
class VoiceDistribution:
    """Statistics of sentences: `variance` (D,) of each coefficient over time, `modulation` (32, D) power or None.

    `f0_mean_cents` and `f0_std_cents` are the moments of 1200 log2(F0 / Hz) over voiced frames; None without any.
    """

    variance: Doubles
    modulation: Doubles | None
    f0_mean_cents: float | None
    f0_std_cents: float | None
    voiced_fraction: float


class DistributionDistance(NamedTuple):
    """Distance of output and target; None if one of them is too short. Signed values are output minus target.

    `gv_db` is the mean over coefficients of |10 log10(output variance / target variance)|, and `gv_bias_db` the signed
    mean (negative: flatter than the target). `modulation_db` is the mean absolute difference in dB over coefficients
    and modulation frequencies.
    """

    gv_db: float
    gv_bias_db: float
    modulation_db: float | None
    f0_mean_cents: float | None
    f0_std_cents: float | None
    voiced_fraction: float


def compute_distribution(utterances: Sequence[FrameFeatures]) -> VoiceDistribution:
    """Compute the statistics of at least one sentence.

    The variance is that of the loud frames of a sentence, averaged over sentences (Toda 2007), so that differences
    between sentences do not count. The modulation is the power spectrum of the coefficients' trajectories (Takamichi
    2014), minus the segment's mean, in Hann windows of 640 ms with 50 % overlap from a sentence's first loud frame to
    its last, averaged over all segments; None if no sentence is as long as a segment.
    """
    loud_utterances = [sentence.select_loud() for sentence in utterances]
    variance = np.mean([sentence.cepstra.var(0) for sentence in loud_utterances], axis=0)
    f0 = np.concatenate([sentence.f0 for sentence in loud_utterances])
    cents = 1200 * np.log2(f0[f0 > 0])
    powers = [power for sentence in utterances for power in _compute_segment_powers(sentence.trim_to_loud())]
    return VoiceDistribution(
        variance,
        np.mean(powers, axis=0) if powers else None,
        float(cents.mean()) if len(cents) else None,
        float(cents.std()) if len(cents) else None,
        float(np.mean(f0 > 0)),
    )


def compare_distributions(output: VoiceDistribution, target: VoiceDistribution) -> DistributionDistance:
    """Compare the statistics of conversions with those of the target."""
    variance_ratio_db = _to_db(output.variance) - _to_db(target.variance)
    modulation = None
    if output.modulation is not None and target.modulation is not None:
        modulation = float(np.abs(_to_db(output.modulation) - _to_db(target.modulation)).mean())
    return DistributionDistance(
        float(np.abs(variance_ratio_db).mean()),
        float(variance_ratio_db.mean()),
        modulation,
        _subtract(output.f0_mean_cents, target.f0_mean_cents),
        _subtract(output.f0_std_cents, target.f0_std_cents),
        output.voiced_fraction - target.voiced_fraction,
    )


def _compute_segment_powers(trajectory: Doubles) -> list[Doubles]:
    """Return the power (32, D) at 1.56 to 50 Hz of each segment of a trajectory (S, D)."""
    window = np.hanning(SEGMENT_FRAMES + 1)[:-1, None]
    powers = []
    for start in range(0, len(trajectory) - SEGMENT_FRAMES + 1, SEGMENT_FRAMES // 2):
        segment = trajectory[start : start + SEGMENT_FRAMES]
        spectrum = np.fft.rfft((segment - segment.mean(0)) * window, axis=0)
        powers.append(np.abs(spectrum[1 : MAX_MODULATION_BIN + 1]) ** 2)
    return powers


def _to_db(power: Doubles) -> Doubles:
    return 10 * np.log10(np.maximum(power, _MIN_POWER))


def _subtract(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def compute_frame_distance(outputs: Sequence[FrameFeatures], targets: Sequence[FrameFeatures]) -> float | None:
    """Compute the kernel distance of the frames of two sets of sentences, times 1000 (`metrics.frame_distance`).

    Frames are those from the first loud frame of a sentence to the last. All coefficients are centered at the target's
    mean and divided by the same scale, the target's standard deviation over all coefficients. Z-scores would give the
    faint upper coefficients, whose changes by the vocoder are inaudible, the same weight as the formants. Returns None
    if there are too few frames.
    """
    target_parts, output_parts = _trim_long_utterances(targets), _trim_long_utterances(outputs)
    if not target_parts or not output_parts:
        return None
    joined = np.concatenate(target_parts)
    mean, scale = joined.mean(0), max(float(np.sqrt(joined.var(0).mean())), 1e-3)
    scaled_targets, scaled_outputs = (
        [torch.from_numpy(((x - mean) / scale).T)[None] for x in parts] for parts in (target_parts, output_parts)
    )
    if min(len(frame_distance.context_windows(side)) for side in (scaled_targets, scaled_outputs)) < 2:
        return None
    return frame_distance.frame_distance(scaled_targets, scaled_outputs)


def _trim_long_utterances(utterances: Sequence[FrameFeatures]) -> list[Doubles]:
    """Return the trimmed cepstra (S, D) of the sentences that are longer than the context of a frame."""
    parts = [utterance.trim_to_loud() for utterance in utterances]
    return [part for part in parts if len(part) > 2 * frame_distance.CONTEXT_FRAMES]
