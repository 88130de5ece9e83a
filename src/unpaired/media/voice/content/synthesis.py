"""Conversion of recordings of any speaker with a method that synthesizes from content."""

from __future__ import annotations

import numpy as np

from unpaired.config.run_config import RunConfig
from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.content.conversion import compose_target_features
from unpaired.media.voice.content.encoder import find_selected_encoder
from unpaired.media.voice.content.features import ContentAnalyser
from unpaired.media.voice.content.items import build_conditions, split_values
from unpaired.media.voice.content.pitch import PitchMapper
from unpaired.media.voice.content.representation import CONTENT_GROUP
from unpaired.media.voice.conversion import FeatureConverter, FeatureNetwork
from unpaired.media.voice.features import Representation, VoiceFeatures
from unpaired.media.voice.settings import SpeakerStatistics, VoiceSettings, voice_settings
from unpaired.media.voice.statistics import denormalise
from unpaired.methods import METHODS
from unpaired.methods.capabilities import SynthesisMethod
from unpaired.runs.method_builder import require_same_weights

__all__ = ["load_content_analyser", "load_run_analyser", "make_synthesis_converter"]


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
    return ContentAnalyser.load(find_selected_encoder(settings))


def load_run_analyser(config: RunConfig) -> ContentAnalyser | None:
    """Return the analyser of the content from which the run's method synthesizes; None for other methods.

    Raises UsageError if the encoder is not installed, WorkError if it is not the one of the training.
    """
    analyser = load_content_analyser(config.method, voice_settings(config))
    if analyser is None:
        return None
    name = analyser.encoder.name
    if name not in config.pretrained:
        recorded = ", ".join(f"'{other}'" for other in config.pretrained) or "none"
        raise WorkError(
            f"content encoder: this run was not trained with '{name}' (its pretrained networks: {recorded}); train a "
            "new run"
        )
    require_same_weights(config, {name: analyser.encoder.digest})
    return analyser


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
