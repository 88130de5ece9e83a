"""Recordings of a run's speakers for evaluation: held-out sentences and training speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unpaired.config.run_config import RunConfig
from unpaired.data.counter_rng import generate_permutation
from unpaired.data.pairs import match_names
from unpaired.data.paths import Paths
from unpaired.data.split import DomainSplits, SplitName
from unpaired.errors import UnreadableFileError
from unpaired.media.voice.audio_io import Wave, read_blocks
from unpaired.media.voice.cache import CachedAnalysis
from unpaired.media.voice.content.encoder import AUTO, find_content_encoder, is_content_encoder_installed
from unpaired.media.voice.content.features import ContentAnalyser
from unpaired.media.voice.content.fitting import fit_neighbours
from unpaired.media.voice.content.neighbours import ContentNeighbours
from unpaired.media.voice.content.synthesis import load_run_analyser
from unpaired.media.voice.features import Floats, Representation
from unpaired.media.voice.metrics.acoustic_frames import FrameAnalyser, FrameFeatures, build_world_analyser
from unpaired.media.voice.representations import build_representation, describe_synthesis
from unpaired.media.voice.settings import voice_settings
from unpaired.media.voice.transform import VoiceTransform, iterate_paths
from unpaired.media.voice.vad import trim_silence
from unpaired.runs.files import build_item_transform

MAX_SECONDS = 15.0
"""Maximum length in seconds of a measured sentence, from the first speech on."""
LIBRARY_FRAMES = 40_000
"""Maximum number of frames of training speech per speaker for the nearest-neighbor baseline."""


class Utterance(NamedTuple):
    """Held-out recording or its beginning: relative file name, and wave at the run's sample rate."""

    name: str
    wave: Wave


@dataclass
class SpeakerRecordings:
    """Held-out sentences and training speech of a run's speakers; each file is read once."""

    config: RunConfig
    sets: Sequence[DomainSplits]
    training: Sequence[DomainSplits] | None
    split: SplitName
    limit: int
    _waves: dict[Path, Wave | None] = field(default_factory=dict)
    _training_speech: dict[int, Floats | None] = field(default_factory=dict)
    _content_neighbours: dict[int, ContentNeighbours | None] = field(default_factory=dict)
    _frames: dict[int, FrameFeatures | None] = field(default_factory=dict)

    @cached_property
    def representation(self) -> Representation:
        """Representation of the run."""
        return build_representation(voice_settings(self.config))

    @cached_property
    def vocoder_name(self) -> str:
        """Name of the vocoder."""
        return describe_synthesis(voice_settings(self.config))

    @cached_property
    def _transform(self) -> VoiceTransform:
        transform = build_item_transform(self.config)
        assert isinstance(transform, VoiceTransform), "a run of recordings"
        return transform

    def count_available(self, speaker: int) -> int:
        """Return the number of held-out recordings of a speaker."""
        return len(self.sets[speaker].get_paths(self.split))

    def select_utterances(self, speaker: int) -> list[Utterance]:
        """Return up to `limit` sentences of a speaker, in a random order that the run's seed determines."""
        paths = self.sets[speaker].get_paths(self.split)
        indices = generate_permutation(len(paths), self.config.split_seed).tolist()
        utterances = (Utterance(paths[i], wave) for i in indices if (wave := self._read_wave(paths, i)) is not None)
        return list(islice(utterances, self.limit))

    def select_parallel_utterances(self, source: int, target: int) -> tuple[list[Utterance], list[Utterance]]:
        """Return up to `limit` sentences of both speakers whose file names are equal."""
        source_paths, target_paths = (self.sets[speaker].get_paths(self.split) for speaker in (source, target))
        name_pairs = match_names(source_paths, target_paths)
        utterance_pairs: list[tuple[Utterance, Utterance]] = []
        for k in generate_permutation(len(name_pairs), self.config.split_seed).tolist():
            if len(utterance_pairs) == self.limit:
                break
            i, j = name_pairs[k]
            x, y = self._read_wave(source_paths, i), self._read_wave(target_paths, j)
            if x is not None and y is not None:
                utterance_pairs.append((Utterance(source_paths[i], x), Utterance(target_paths[j], y)))
        return [x for x, _ in utterance_pairs], [y for _, y in utterance_pairs]

    def select_training_utterances(self, speaker: int, limit: int) -> list[Utterance]:
        """Return up to `limit` training recordings of a speaker, chosen at random by the run's seed of the split."""
        if self.training is None:
            return []
        paths = self.training[speaker].train
        indices = generate_permutation(len(paths), self.config.split_seed).tolist()
        waves = ((i, self._try_excerpt(paths.get_path(i))) for i in indices)
        return list(islice((Utterance(paths[i], wave) for i, wave in waves if wave is not None), limit))

    def get_training_speech(self, speaker: int) -> Floats | None:
        """Return training speech (coefficients, frames); None if the training files are missing or have no speech."""
        if speaker not in self._training_speech:
            self._training_speech[speaker] = self._collect_training_speech(speaker)
        return self._training_speech[speaker]

    @cached_property
    def content_analyser(self) -> ContentAnalyser | None:
        """Analyser of the converter `content`; None if its packages are not installed, and for mel features."""
        settings = voice_settings(self.config)
        selection = AUTO if self.condition_analyser is None else settings.content_encoder
        if settings.representation != "world" or (selection == AUTO and not is_content_encoder_installed()):
            return None
        return ContentAnalyser.load(find_content_encoder(selection))

    @cached_property
    def condition_analyser(self) -> ContentAnalyser | None:
        """Analyser of the content from which the run's method synthesizes; None for other methods.

        Raises UsageError if its encoder is not installed, WorkError if it is not the one of the training.
        """
        return load_run_analyser(self.config)

    def get_content_neighbours(self, speaker: int) -> ContentNeighbours | None:
        """Return the content neighbours in a speaker's training speech; None if either is missing."""
        if speaker not in self._content_neighbours:
            analyser, entries = self.content_analyser, self._select_training_entries(speaker)
            self._content_neighbours[speaker] = (
                fit_neighbours(entries, analyser, self.representation) if analyser is not None and entries else None
            )
        return self._content_neighbours[speaker]

    def analyse(self, wave: Wave, sample_rate_hz: int) -> FrameFeatures:
        """Analyse a wave; results for held-out sentences are kept, because several routes use them."""
        key = id(wave)
        if key not in self._frames:
            return self._analyse_world(wave, sample_rate_hz)
        frames = self._frames[key] or self._analyse_world(wave, sample_rate_hz)
        self._frames[key] = frames
        return frames

    @cached_property
    def _analyse_world(self) -> FrameAnalyser:
        return build_world_analyser()

    def _collect_training_speech(self, speaker: int) -> Floats | None:
        entries = self._select_training_entries(speaker)
        parts = [entry.load_features().values[:, entry.detect_speech()] for entry in entries]
        speech = np.concatenate(parts, 1)[:, :LIBRARY_FRAMES] if parts else np.zeros((0, 0), np.float32)
        return speech if speech.shape[1] > 1 else None

    def _select_training_entries(self, speaker: int) -> list[CachedAnalysis]:
        """Return analyses of training files in random order, as many as have `LIBRARY_FRAMES` frames of speech."""
        if self.training is None:
            return []
        files = list(iterate_paths(self.training[speaker].train))
        order = generate_permutation(len(files), self.config.split_seed).tolist()
        entries: list[CachedAnalysis] = []
        count = 0
        for start in range(0, len(files), 8):
            added = self._transform.get_entries([files[i] for i in order[start : start + 8]])
            entries += added
            count += sum(int(entry.detect_speech().sum()) for entry in added)
            if count >= LIBRARY_FRAMES:
                break
        return entries

    def _read_wave(self, paths: Paths, index: int) -> Wave | None:
        path = paths.get_path(index)
        if path not in self._waves:
            wave = self._try_excerpt(path)
            self._waves[path] = wave
            if wave is not None:
                self._frames[id(wave)] = None
        return self._waves[path]

    def _try_excerpt(self, path: Path) -> Wave | None:
        """Return the excerpt of a recording; None if it has too little speech or cannot be read."""
        try:
            return read_excerpt(path, self.representation.sample_rate_hz)
        except UnreadableFileError:
            return None


def read_excerpt(path: Path, sample_rate_hz: int, seconds: float = MAX_SECONDS) -> Wave | None:
    """Read up to `seconds` of a recording, without the silence at its ends; None if it has less than 0.2 s of speech.

    Raises UnreadableFileError.
    """
    audio_blocks: list[Wave] = []
    for block in read_blocks(path, sample_rate_hz):
        audio_blocks.append(block)
        speech = trim_silence(np.concatenate(audio_blocks), sample_rate_hz)
        if len(speech) >= seconds * sample_rate_hz:
            return speech[: round(seconds * sample_rate_hz)]
        if not len(speech):
            audio_blocks = audio_blocks[-1:]
    speech = trim_silence(np.concatenate(audio_blocks), sample_rate_hz) if audio_blocks else np.zeros(0, np.float32)
    return speech if len(speech) >= sample_rate_hz // 5 else None
