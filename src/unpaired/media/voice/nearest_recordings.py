"""Nearest training recordings of conversions, by the mean distance of their frames to those of one recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.metrics.acoustic_frames import FrameFeatures
from unpaired.media.voice.metrics.declarations import REAL
from unpaired.media.voice.utterances import SpeakerRecordings, Utterance
from unpaired.metrics import frame_distance
from unpaired.metrics.base import DOING_NOTHING, RouteEvaluation
from unpaired.metrics.memorization import add_nearest_ratios
from unpaired.metrics.nearest import compute_ratio, find_nearest

MAX_TRAINING_RECORDINGS = 30
"""Maximum number of training recordings of a speaker that are searched; of more, a fixed random sample."""
MAX_RECORDINGS = 10
"""Maximum number of conversions, and of real recordings, whose nearest training recording is searched."""


class NearestRecording(NamedTuple):
    """Training recording that is nearest to a recording, and the distance."""

    utterance: Utterance
    distance: float


class _TrainingRecording(NamedTuple):
    utterance: Utterance
    windows: Tensor


@dataclass
class NearestRecordingFinder:
    """Search of the training recordings nearest to conversions; the recordings of a speaker are analysed once.

    The distance of a recording to a training recording is the mean, over its windows of three frames (c1..c24), of the
    Euclidean distance to the nearest window of that training recording. It is small only if one training recording
    contains all frames, so a mosaic of frames of many recordings is not a copy.
    """

    speakers: SpeakerRecordings
    _training: dict[int, list[_TrainingRecording]] = field(default_factory=dict)

    def find(self, speaker: int, waves: Sequence[Wave]) -> list[NearestRecording | None]:
        """Return the nearest training recording of a speaker for each wave; None for waves that are too short."""
        return [self._find_one(speaker, wave) for wave in waves]

    def measure(
        self,
        target: int,
        evaluation: RouteEvaluation,
        found: Sequence[NearestRecording | None],
        sources: Sequence[Wave],
        targets: Sequence[Wave],
    ) -> RouteEvaluation:
        """Return the evaluation with the ratio of distances of conversions (`found`) and of the unchanged sources."""
        real = _collect_distances(self.find(target, targets[:MAX_RECORDINGS]))
        inputs = _collect_distances(self.find(target, sources[:MAX_RECORDINGS]))
        count, available = len(self._get_training(target)), self._count_training(target)
        if count < available:
            note = f"nearest training recordings: searched a fixed random sample of {count} of {available:,}"
            evaluation = evaluation.model_copy(update={"notes": (*evaluation.notes, note)})
        ratio = compute_ratio(_collect_distances(found), real)
        return add_nearest_ratios(evaluation, ratio, {DOING_NOTHING: compute_ratio(inputs, real)}, REAL)

    def _find_one(self, speaker: int, wave: Wave) -> NearestRecording | None:
        windows = collect_windows(self.speakers.analyse(wave, self.speakers.representation.sample_rate_hz))
        training = self._get_training(speaker)
        if not len(windows) or not training:
            return None
        distances = [find_nearest(windows, recording.windows).distances.mean().item() for recording in training]
        nearest = min(range(len(training)), key=lambda i: distances[i])
        return NearestRecording(training[nearest].utterance, distances[nearest])

    def _get_training(self, speaker: int) -> list[_TrainingRecording]:
        if speaker not in self._training:
            rate = self.speakers.representation.sample_rate_hz
            utterances = self.speakers.select_training_utterances(speaker, MAX_TRAINING_RECORDINGS)
            recordings = (
                _TrainingRecording(u, collect_windows(self.speakers.analyse(u.wave, rate))) for u in utterances
            )
            self._training[speaker] = [recording for recording in recordings if len(recording.windows)]
        return self._training[speaker]

    def _count_training(self, speaker: int) -> int:
        return 0 if self.speakers.training is None else len(self.speakers.training[speaker].train)


def collect_windows(features: FrameFeatures) -> Tensor:
    """Return the windows (N, 72) of three frames of the cepstra of a recording; none if it is too short."""
    cepstra = features.trim_to_loud()
    if len(cepstra) <= 2 * frame_distance.CONTEXT_FRAMES:
        return torch.empty(0, 3 * cepstra.shape[1])
    return frame_distance.context_windows([torch.from_numpy(cepstra.T.copy())[None]])


def _collect_distances(found: Sequence[NearestRecording | None]) -> Tensor:
    distances = [recording.distance for recording in found if recording is not None]
    return torch.tensor(distances, dtype=torch.float64)
