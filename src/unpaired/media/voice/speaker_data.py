"""Analysed recordings of one speaker, for converters that are fitted without training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unpaired.data.folders import DomainFiles
from unpaired.errors import WorkError
from unpaired.media.voice.baseline_converters import MAX_LIBRARY_FRAMES
from unpaired.media.voice.cache import AnalysisProgress, CachedAnalysis
from unpaired.media.voice.features import Floats, Representation
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import SpeakerStatistics, VoiceSettings
from unpaired.media.voice.statistics import compute_statistics
from unpaired.media.voice.transform import VoiceTransform, iterate_paths

__all__ = ["SpeakerData", "collect_speaker_data"]


@dataclass(frozen=True)
class SpeakerData:
    """Analyses of a speaker's usable recordings, their statistics, and notes on the others."""

    files: DomainFiles
    representation: Representation
    entries: tuple[CachedAnalysis, ...]
    statistics: SpeakerStatistics
    notes: tuple[str, ...]

    def load_speech_frames(self, max_frames: int = MAX_LIBRARY_FRAMES) -> Floats:
        """Return speech frames (coefficients, frames); at even intervals, about `max_frames` if there are many."""
        stride = max(1, sum(entry.num_frames for entry in self.entries) // max_frames)
        parts = [entry.load_features().values[:, entry.detect_speech()][:, ::stride] for entry in self.entries]
        return np.concatenate(parts, 1)


def collect_speaker_data(
    files: DomainFiles, settings: VoiceSettings, progress: AnalysisProgress | None = None
) -> SpeakerData:
    """Analyse a speaker's recordings, using the cache; raises WorkError if there is no speech."""
    analyses = VoiceTransform(settings).analyse(list(iterate_paths(files.train)), progress)
    notes = [f"{files.name}: {files.note}"] if files.note else []
    notes += [f"skipped: {failure}" for failure in analyses.failures]
    if not analyses.entries:
        raise WorkError(f"'{files.name}': none of its recordings can be used; {'; '.join(notes[:3])}")
    try:
        statistics = compute_statistics(
            (entry.load_features(), entry.detect_speech(), entry.lufs) for entry in analyses.entries
        )
    except WorkError as error:
        raise WorkError(f"'{files.name}': {error}") from error
    return SpeakerData(files, build_representation(settings), analyses.entries, statistics, tuple(notes))
