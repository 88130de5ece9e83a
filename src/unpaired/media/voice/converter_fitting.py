"""Fitting of converters on folders of recordings without training, for `unpaired convert`."""

from __future__ import annotations

from collections.abc import Callable

from unpaired.data.folders import DomainFiles
from unpaired.errors import UsageError
from unpaired.media.interface import FittedConverter
from unpaired.media.voice.baseline_converters import AffineBaseline, Baseline, NearestNeighbourBaseline
from unpaired.media.voice.cache import AnalysisProgress
from unpaired.media.voice.channel_layout import ChannelMode
from unpaired.media.voice.content.encoder import (
    AUTO,
    INSTALL_COMMAND,
    find_content_encoder,
    is_content_encoder_installed,
)
from unpaired.media.voice.content.fitting import fit_content_converter
from unpaired.media.voice.conversion import make_feature_converter
from unpaired.media.voice.features import Floats
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.media.voice.settings import ConverterKind, VoiceConvertOptions, VoiceSettings
from unpaired.media.voice.speaker_data import SpeakerData, collect_speaker_data
from unpaired.runs.weights import compute_digest

_FIT_FUNCTIONS: dict[ConverterKind, Callable[[Floats, Floats], Baseline]] = {
    "affine": AffineBaseline.fit,
    "knn": NearestNeighbourBaseline.fit,
}


def fit_converter(
    target: DomainFiles,
    source: DomainFiles | None,
    options: VoiceConvertOptions,
    progress: AnalysisProgress | None = None,
) -> FittedConverter:
    """Fit the converter that `options` select on the recordings of a target, and of a source; analyses are cached.

    "content" needs no source. Raises UsageError if a source or a package is missing, WorkError if a speaker has no
    speech.
    """
    kind = choose_converter(options, source is not None)
    settings = VoiceSettings(representation=options.representation, vocoder=options.vocoder, vad=options.vad)
    if kind == "content":
        encoder = find_content_encoder(options.content_encoder)
        source_data = None if source is None else collect_speaker_data(source, settings, progress)
        target_data = collect_speaker_data(target, settings, progress)
        return fit_content_converter(target_data, encoder, settings, progress, options.channels, source_data)
    assert source is not None, "choose_converter requires it"
    source_data, target_data = (collect_speaker_data(files, settings, progress) for files in (source, target))
    return _fit_baseline(kind, source_data, target_data, settings, options.channels)


def choose_converter(options: VoiceConvertOptions, has_source: bool) -> ConverterKind:
    """Return the converter to use: "auto" is content, or without its packages knn.

    Raises UsageError for options that exclude each other, and if the source that affine and knn need is missing.
    """
    kind: ConverterKind
    if options.converter != "auto":
        kind = options.converter
    elif options.representation == "mel":
        kind = "knn"
    else:
        has_encoder = options.content_encoder != AUTO or is_content_encoder_installed()
        kind = "content" if has_encoder else "knn"
    if kind == "content" and options.representation == "mel":
        raise UsageError(
            "--converter content: needs --representation world, because F0 is part of mel features; leave out "
            "--representation mel"
        )
    if kind != "content" and options.content_encoder != AUTO:
        raise UsageError(f"--content-encoder: has no effect with --converter {kind}; leave one of them out")
    if kind != "content" and not has_source:
        hint = "" if options.converter != "auto" else f"; or install the converter for any speaker: {INSTALL_COMMAND}"
        raise UsageError(f"--converter {kind}: needs recordings of the speaker to convert: --source FOLDER{hint}")
    return kind


def _fit_baseline(
    kind: ConverterKind, source: SpeakerData, target: SpeakerData, settings: VoiceSettings, channel_mode: ChannelMode
) -> FittedConverter:
    baseline = _FIT_FUNCTIONS[kind](source.load_speech_frames(), target.load_speech_frames())
    result_settings: list[object] = [
        kind,
        compute_digest(baseline.to_tensors(), {}),
        source.statistics.model_dump(),
        target.statistics.model_dump(),
    ]
    convert_features = make_feature_converter(baseline, source.statistics, target.statistics)
    pipeline = VoicePipeline(
        target.files.medium,
        target.representation,
        lambda _: convert_features,
        [*result_settings, settings.model_dump()],
        channel_mode,
    )
    return FittedConverter(target.files.name, pipeline, (*source.notes, *target.notes))
