"""Pipeline of conversion from any speaker, with a model that synthesizes from content."""

from __future__ import annotations

from pathlib import Path

from unpaired.config.model_description import ModelDescription
from unpaired.config.run_config import RunConfig
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.content.pitch import create_pitch_mapper
from unpaired.media.voice.content.representation import ContentRepresentation
from unpaired.media.voice.content.synthesis import load_run_analyser, make_synthesis_converter
from unpaired.media.voice.conversion import FeatureConverter, bind_network
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import VoiceTranslateOptions, speaker_statistics, voice_settings
from unpaired.translate.network import TranslationNetwork
from unpaired.translate.route_request import TranslationRequest

__all__ = ["create_content_pipeline"]


def create_content_pipeline(
    config: ModelDescription, network: TranslationNetwork, request: TranslationRequest
) -> VoicePipeline:
    """Create the pipeline from any speaker; the statistics of F0 are the item's, unless a source was given.

    Raises UsageError if the content encoder is not installed, WorkError if it is not the one of the training.
    """
    assert isinstance(config, RunConfig), "methods that synthesize from content are not exported"
    settings, target = voice_settings(config), speaker_statistics(request.target)
    analyser = load_run_analyser(config)
    assert analyser is not None, "the method synthesizes from content"
    base = build_representation(settings)
    source_f0 = None if request.is_source_ambiguous else speaker_statistics(request.source).log_f0_mean_std

    def create_converter(item: Path | Wave | None) -> FeatureConverter:
        mapper = create_pitch_mapper(item, base, target.log_f0_mean_std, source_f0)
        return make_synthesis_converter(bind_network(network, request.route), target, mapper, base, network.stride)

    assert isinstance(request.options, VoiceTranslateOptions)
    return VoicePipeline(
        config.get_medium(),
        ContentRepresentation(base, analyser),
        create_converter,
        [settings.model_dump(), source_f0],
        request.options.channels,
        request.options.tag,
    )
