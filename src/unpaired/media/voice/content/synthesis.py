"""Conversion of recordings of any speaker with a method that synthesizes from content."""

from __future__ import annotations

import numpy as np

from unpaired.errors import UsageError
from unpaired.media.voice.content.conversion import compose_target_features
from unpaired.media.voice.content.encoder import find_content_encoder
from unpaired.media.voice.content.features import ContentAnalyser
from unpaired.media.voice.content.items import build_conditions, split_values
from unpaired.media.voice.content.pitch import PitchMapper
from unpaired.media.voice.content.representation import CONTENT_GROUP
from unpaired.media.voice.conversion import FeatureConverter, FeatureNetwork
from unpaired.media.voice.features import Representation, VoiceFeatures
from unpaired.media.voice.settings import SpeakerStatistics, VoiceSettings
from unpaired.media.voice.statistics import denormalise
from unpaired.methods import METHODS
from unpaired.methods.capabilities import SynthesisMethod

__all__ = ["load_content_analyser", "make_synthesis_converter"]


def load_content_analyser(method: str, settings: VoiceSettings) -> ContentAnalyser | None:
    """Return the analyser of content features if the method synthesizes from them, else None.

    Raises UsageError if a package is missing, or the representation contains the pitch.
    """
    if not issubclass(METHODS[method].cls, SynthesisMethod):
        return None
    if settings.representation != "world":
        raise UsageError(
            f"--representation {settings.representation}: {method} synthesizes from content and F0, and needs the "
            "representation world, in which F0 is separate"
        )
    return ContentAnalyser.load(find_content_encoder(settings.content_encoder))


def make_synthesis_converter(
    network: FeatureNetwork,
    target: SpeakerStatistics,
    map_pitch: PitchMapper,
    base: Representation,
    multiple: int,
) -> FeatureConverter:
    """Return the converter of features with the group "content" to features of the target without it.

    `network` maps items (1, values + conditions, frames) to items of the same shape, and depends on the conditions
    only. F0 is mapped first, so that its normalization is the target's. `multiple` is the network's stride in frames.
    """

    def convert_features(features: VoiceFeatures) -> VoiceFeatures:
        f0, frames = map_pitch(features["f0"]), features.num_frames
        conditions = build_conditions(features[CONTENT_GROUP], f0, target.log_f0_mean_std)
        rows = np.concatenate([np.zeros((len(target.mean), frames), np.float32), conditions])
        padded = np.pad(rows, ((0, 0), (0, -frames % multiple)), mode="edge")
        values = denormalise(network(padded[None])[0, : len(target.mean), :frames], target)
        return compose_target_features(features, split_values(values, base.layout), f0, base)

    return convert_features
