"""Training items of methods that synthesize from content, and conversion with such a method.

An item has values and, below them, conditions. Values are what is synthesized: c_1..c_order, c_0, the aperiodicity in
natural logarithms of amplitude, and voicing (1 or 0). Conditions are the content features and the normalized log F0.
"""

from __future__ import annotations

import math

import numpy as np

from unpaired.media.voice.content.pitch import LogF0Statistics, fill_unvoiced
from unpaired.media.voice.features import FeatureLayout, Floats, VoiceFeatures

__all__ = ["build_conditions", "build_synthesis_features", "count_conditions", "split_values"]

NEPER_DB = 20 / math.log(10)
"""Decibels per unit of the natural logarithm of amplitude."""
_MIN_DEVIATION = 1e-3


def build_synthesis_features(features: VoiceFeatures) -> VoiceFeatures:
    """Return features with the group "values" to synthesize, and the group "f0"."""
    f0 = features["f0"]
    values = np.concatenate(
        [features.values, features["energy"], features["aperiodicity"] / NEPER_DB, (f0 > 0).astype(np.float32)]
    )
    return VoiceFeatures.from_groups((("values", len(values)), ("f0", 1)), values=values, f0=f0)


def split_values(values: Floats, base_layout: FeatureLayout) -> dict[str, Floats]:
    """Return the groups values, energy, aperiodicity (dB) and voiced (boolean) of synthesized values (rows, frames)."""
    sizes = dict(base_layout)
    order, bands = sizes["values"], sizes["aperiodicity"]
    return {
        "values": values[:order],
        "energy": values[order : order + 1],
        "aperiodicity": np.minimum(values[order + 1 : order + 1 + bands] * NEPER_DB, 0),
        "voiced": values[order + 1 + bands :] > 0.5,
    }


def build_conditions(content: Floats, f0: Floats, log_f0: LogF0Statistics | None) -> Floats:
    """Return conditions (features + 1, frames): content, and log F0 minus its mean, divided by its deviation.

    F0 is interpolated where unvoiced; without voiced frames, or `log_f0`, the row is 0.
    """
    filled = fill_unvoiced(f0)
    if log_f0 is None or not (filled > 0).all():
        return np.concatenate([content, np.zeros_like(filled)])
    pitch = (np.log(filled) - log_f0[0]) / max(log_f0[1], _MIN_DEVIATION)
    return np.concatenate([content, pitch.astype(np.float32)])


def count_conditions(num_features: int) -> int:
    """Return the number of rows of conditions for content of `num_features` features."""
    return num_features + 1
