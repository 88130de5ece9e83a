"""Conversion of features of any speaker to features of a target, from frames that belong to the content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.media.voice.content.neighbours import ContentNeighbours
from unpaired.media.voice.content.pitch import PitchMapper, fill_unvoiced
from unpaired.media.voice.content.representation import CONTENT_GROUP
from unpaired.media.voice.conversion import FeatureConverter
from unpaired.media.voice.features import FeatureLayout, Floats, Representation, VoiceFeatures

__all__ = ["compose_target_features", "get_frame_layout", "make_content_converter", "smooth_over_time"]

ENERGY_FRAMES = 121
"""Frames (605 ms) over which the source's energy is averaged: slower changes are the source's."""


def make_content_converter(
    neighbours: ContentNeighbours, map_pitch: PitchMapper, base: Representation
) -> FeatureConverter:
    """Return the converter of features with the group "content" to features of the target without it.

    Spectrum, aperiodicity and voicing are those of the neighbours, and so are fast changes of energy, which belong to
    the sounds; its slow changes are the source's. F0 is the source's, mapped by `map_pitch`.
    """

    def convert_features(features: VoiceFeatures) -> VoiceFeatures:
        layout = get_frame_layout(base)
        found = VoiceFeatures(neighbours(features[CONTENT_GROUP]), layout)
        groups = {name: found[name] for name, _ in layout} | {"voiced": found["voiced"] > 0.5}
        return compose_target_features(features, groups, map_pitch(features["f0"]), base)

    return convert_features


def compose_target_features(
    source: VoiceFeatures, target: Mapping[str, npt.NDArray[Any]], f0: Floats, base: Representation
) -> VoiceFeatures:
    """Return features in the layout of `base` from the groups values, energy, aperiodicity and voiced of the target.

    Slow changes of energy are the source's; `f0` is the mapped F0 of the source.
    """
    return VoiceFeatures.from_groups(
        base.layout,
        values=target["values"],
        energy=target["energy"] + smooth_over_time(source["energy"] - target["energy"]),
        f0=np.where(target["voiced"], fill_unvoiced(f0), 0),
        aperiodicity=target["aperiodicity"],
        level=source["level"],
    )


def get_frame_layout(base: Representation) -> FeatureLayout:
    """Return the groups of the target's frames that `ContentNeighbours` searches."""
    sizes = dict(base.layout)
    return (*((name, sizes[name]) for name in ("values", "energy", "aperiodicity")), ("voiced", 1))


def smooth_over_time(rows: Floats, width: int = ENERGY_FRAMES) -> Floats:
    """Return rows (rows, frames) averaged over time with a Hann window of `width` (odd) frames; ends are repeated."""
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(rows, ((0, 0), (width // 2, width // 2)), mode="edge")
    smooth = [np.convolve(row, window / window.sum(), "valid") for row in padded]
    return np.asarray(smooth, np.float32)
