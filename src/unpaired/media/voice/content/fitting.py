"""Fitting of the content converter on a target's recordings, which takes seconds: any speaker in, one target out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from unpaired.media.interface import FittedConverter
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.cache import AnalysisProgress, Cache, CachedAnalysis
from unpaired.media.voice.channel_layout import ChannelMode
from unpaired.media.voice.content.conversion import get_frame_layout, make_content_converter
from unpaired.media.voice.content.encoder import ContentEncoder
from unpaired.media.voice.content.features import ContentAnalyser
from unpaired.media.voice.content.neighbours import ContentNeighbours, TargetRecording
from unpaired.media.voice.content.pitch import LogF0Statistics, create_pitch_mapper
from unpaired.media.voice.content.representation import CONTENT_GROUP, ContentRepresentation
from unpaired.media.voice.conversion import FeatureConverter
from unpaired.media.voice.features import FeatureLayout, Representation, VoiceFeatures
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.media.voice.settings import SpeakerStatistics, VoiceSettings
from unpaired.media.voice.speaker_data import SpeakerData
from unpaired.runs.weights import compute_digest

FEW_SECONDS = 30
"""Seconds of the target's speech below which there is a note."""


def fit_content_converter(
    target: SpeakerData,
    encoder: ContentEncoder,
    settings: VoiceSettings,
    progress: AnalysisProgress | None = None,
    channel_mode: ChannelMode = "keep",
    source: SpeakerData | None = None,
) -> FittedConverter:
    """Fit a converter from any speaker on a target's recordings; analyses are cached.

    Log F0 is mapped from the statistics of `source`, if given, else from those of each recording. Raises WorkError if
    the target has no speech or is shorter than 0.1 s.
    """
    analyser, base = ContentAnalyser.load(encoder), target.representation
    neighbours = fit_neighbours(target.entries, analyser, base, progress)
    source_f0 = None if source is None else source.statistics.log_f0_mean_std
    result_settings: list[object] = [
        "content",
        compute_digest(neighbours.to_tensors(), {}),
        target.statistics.model_dump(),
        source_f0,
        settings.model_dump(),
    ]
    pipeline = VoicePipeline(
        target.files.medium,
        ContentRepresentation(base, analyser),
        make_converter_factory(neighbours, base, target.statistics, source_f0),
        result_settings,
        channel_mode,
    )
    notes = list(target.notes) + ([] if source is None else list(source.notes))
    seconds = target.statistics.frames * base.hop_samples / base.sample_rate_hz
    if seconds < FEW_SECONDS:
        notes.append(
            f"{target.files.name}: only {seconds:.0f} s of speech; expect lost sounds (use at least {FEW_SECONDS} s)"
        )
    return FittedConverter(target.files.name, pipeline, tuple(notes))


def fit_neighbours(
    entries: Sequence[CachedAnalysis],
    analyser: ContentAnalyser,
    base: Representation,
    progress: AnalysisProgress | None = None,
) -> ContentNeighbours:
    """Fit on a target's recordings, given their analyses by `base`; the content analyses are cached.

    Raises WorkError as `ContentNeighbours.fit`.
    """
    content = Cache().analyse([entry.source for entry in entries], analyser, progress=progress)
    by_path, layout = {entry.source: entry for entry in content.entries}, get_frame_layout(base)
    return ContentNeighbours.fit(
        [_load_recording(entry, by_path[entry.source], layout) for entry in entries if entry.source in by_path]
    )


def make_converter_factory(
    neighbours: ContentNeighbours, base: Representation, target: SpeakerStatistics, source_f0: LogF0Statistics | None
) -> Callable[[Path | Wave | None], FeatureConverter]:
    """Return the function that creates the converter of an input.

    Without `source_f0`, the statistics of F0 are those of the file or wave, or of a stream so far.
    """

    def create_converter(item: Path | Wave | None) -> FeatureConverter:
        mapper = create_pitch_mapper(item, base, target.log_f0_mean_std, source_f0)
        return make_content_converter(neighbours, mapper, base)

    return create_converter


def _load_recording(entry: CachedAnalysis, content: CachedAnalysis, layout: FeatureLayout) -> TargetRecording:
    features = entry.load_features()
    groups = {name: features[name] for name, _ in layout if name in features}
    frames = VoiceFeatures.from_groups(layout, **groups, voiced=features["f0"] > 0)
    return TargetRecording(np.array(content.load_features()[CONTENT_GROUP]), frames.rows, entry.detect_speech())
