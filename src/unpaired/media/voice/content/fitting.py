"""Fitting of the content converter on a target's recordings, which takes seconds: any speaker in, one target out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from unpaired.media.base import FittedConverter
from unpaired.media.voice import audio_io, chunking
from unpaired.media.voice.cache import AnalysisProgress, Cache, CachedAnalysis
from unpaired.media.voice.channel_layout import ChannelMode
from unpaired.media.voice.content.encoder import ContentEncoder
from unpaired.media.voice.content.features import ContentAnalyser
from unpaired.media.voice.content.neighbours import ContentNeighbours, TargetRecording
from unpaired.media.voice.content.pitch import LogF0Statistics, PitchMapper, estimate_log_f0
from unpaired.media.voice.content.representation import CONTENT_GROUP, ContentRepresentation
from unpaired.media.voice.conversion import FeatureConverter
from unpaired.media.voice.features import FeatureLayout, Floats, Representation, VoiceFeatures
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.media.voice.settings import SpeakerStatistics, VoiceSettings
from unpaired.media.voice.speaker_data import SpeakerData
from unpaired.runs.weights import compute_digest

FEW_SECONDS = 30
"""Seconds of the target's speech below which there is a note."""
ENERGY_FRAMES = 121
"""Frames (605 ms) over which the source's energy is averaged: slower changes are the source's."""


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
) -> Callable[[Path | audio_io.Wave | None], FeatureConverter]:
    """Return the function that creates the converter of an input.

    Without `source_f0`, the statistics of F0 are those of the file or wave, or of a stream so far.
    """

    def create_converter(item: Path | audio_io.Wave | None) -> FeatureConverter:
        target_f0 = target.log_f0_mean_std
        known = source_f0
        if known is None and item is not None:
            waves = audio_io.read_blocks(item, base.sample_rate_hz) if isinstance(item, Path) else [item]
            known = estimate_log_f0(chunking.analyse_stream(waves, base), target_f0)
        return make_content_converter(neighbours, PitchMapper(target_f0, known), base)

    return create_converter


def make_content_converter(
    neighbours: ContentNeighbours, map_pitch: PitchMapper, base: Representation
) -> FeatureConverter:
    """Return the converter of features with the group "content" to features of the target without it.

    Spectrum, aperiodicity and voicing are those of the neighbours, and so are fast changes of energy, which belong to
    the sounds; its slow changes are the source's. F0 is the source's, mapped by `map_pitch`.
    """

    def convert_features(features: VoiceFeatures) -> VoiceFeatures:
        found = VoiceFeatures(neighbours(features[CONTENT_GROUP]), get_frame_layout(base))
        return VoiceFeatures.from_groups(
            base.layout,
            values=found.values,
            energy=found["energy"] + smooth_over_time(features["energy"] - found["energy"]),
            f0=np.where(found["voiced"] > 0.5, fill_unvoiced(map_pitch(features["f0"])), 0),
            aperiodicity=found["aperiodicity"],
            level=features["level"],
        )

    return convert_features


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


def fill_unvoiced(f0: Floats) -> Floats:
    """Return F0 (1, frames) with its unvoiced frames interpolated on the logarithmic axis; unchanged if all are."""
    voiced = np.flatnonzero(f0[0] > 0)
    if not len(voiced):
        return f0
    return np.exp(np.interp(np.arange(f0.shape[1]), voiced, np.log(f0[0, voiced])))[None].astype(np.float32)


def _load_recording(entry: CachedAnalysis, content: CachedAnalysis, layout: FeatureLayout) -> TargetRecording:
    features = entry.load_features()
    groups = {name: features[name] for name, _ in layout if name in features}
    frames = VoiceFeatures.from_groups(layout, **groups, voiced=features["f0"] > 0)
    return TargetRecording(np.array(content.load_features()[CONTENT_GROUP]), frames.rows, entry.detect_speech())
