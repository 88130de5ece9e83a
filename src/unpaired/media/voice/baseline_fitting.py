"""Fitting of voice conversion baselines on two folders of recordings, which takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from unpaired.data.folders import DomainFiles
from unpaired.errors import UsageError, WorkError
from unpaired.media.base import FittedConverter
from unpaired.media.voice.baseline_converters import (
    MAX_LIBRARY_FRAMES,
    AffineBaseline,
    Baseline,
    NearestNeighbourBaseline,
)
from unpaired.media.voice.cache import AnalysisProgress
from unpaired.media.voice.conversion import make_feature_converter
from unpaired.media.voice.features import Floats
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import SpeakerStatistics, VoiceSettings
from unpaired.media.voice.statistics import compute_statistics
from unpaired.media.voice.transform import VoiceTransform, iterate_paths
from unpaired.runs.weights import compute_digest

BaselineKind = Literal["affine", "knn"]
_FIT_FUNCTIONS: dict[BaselineKind, Callable[[Floats, Floats], Baseline]] = {
    "affine": AffineBaseline.fit,
    "knn": NearestNeighbourBaseline.fit,
}


def fit_baseline(
    kind: BaselineKind,
    speakers: Sequence[DomainFiles],
    settings: VoiceSettings | None = None,
    progress: AnalysisProgress | None = None,
) -> FittedConverter:
    """Fit a converter on the recordings of a source and a target speaker; feature analyses are cached.

    "affine" matches mean and standard deviation of every coefficient, and of log F0. "knn" replaces every frame by the
    mean of the target's nearest frames. Raises UsageError for an unknown kind, WorkError if a speaker has no speech.
    """
    if kind not in _FIT_FUNCTIONS:
        raise UsageError(f"baseline '{kind}'; expected {' or '.join(get_args(BaselineKind))}")
    settings = settings or VoiceSettings()
    speaker_data = [_collect_speaker_data(files, VoiceTransform(settings), progress) for files in speakers]
    (source_frames, source_statistics, source_notes), (target_frames, target_statistics, target_notes) = speaker_data
    baseline = _FIT_FUNCTIONS[kind](source_frames, target_frames)
    result_settings: list[object] = [
        kind,
        compute_digest(baseline.to_tensors(), {}),
        source_statistics.model_dump(),
        target_statistics.model_dump(),
    ]
    convert_features = make_feature_converter(baseline, source_statistics, target_statistics)
    pipeline = VoicePipeline(
        speakers[0].medium,
        build_representation(settings),
        lambda _: convert_features,
        [*result_settings, settings.model_dump()],
    )
    return FittedConverter(speakers[0].name, speakers[1].name, pipeline, (*source_notes, *target_notes))


def _collect_speaker_data(
    files: DomainFiles, transform: VoiceTransform, progress: AnalysisProgress | None
) -> tuple[Floats, SpeakerStatistics, Sequence[str]]:
    """Return a speaker's speech frames (coefficients, frames), statistics and notes.

    If there are many frames, they are taken at even intervals.
    """
    analyses = transform.analyse(list(iterate_paths(files.train)), progress)
    notes = [f"skipped: {failure}" for failure in analyses.failures]
    if not analyses.entries:
        raise WorkError(f"'{files.name}': none of its recordings can be used; {'; '.join(notes[:3])}")
    frame_stride = max(1, sum(entry.num_frames for entry in analyses.entries) // MAX_LIBRARY_FRAMES)
    frames = [entry.load_features().values[:, entry.detect_speech()][:, ::frame_stride] for entry in analyses.entries]
    try:
        statistics = compute_statistics(
            (entry.load_features(), entry.detect_speech(), entry.lufs) for entry in analyses.entries
        )
    except WorkError as error:
        raise WorkError(f"'{files.name}': {error}") from error
    return np.concatenate(frames, 1), statistics, notes
