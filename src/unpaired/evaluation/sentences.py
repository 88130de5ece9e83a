"""The speakers of a run of recordings: sentences held back to measure on, and speech that was learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unpaired.data.batches import paired
from unpaired.data.draw import order
from unpaired.data.paths import Paths
from unpaired.data.split import Sets, Which
from unpaired.data.voices import Voices, files_of
from unpaired.errors import UnreadableFile
from unpaired.evaluation.voice.frames import Analyse, Frames, world_analysis
from unpaired.media.voice.chosen import representation, sounds_by
from unpaired.media.voice.features import Floats, Representation
from unpaired.media.voice.recording import Wave, blocks
from unpaired.media.voice.silence import trim
from unpaired.runs.config import RunConfig
from unpaired.runs.files import framing_of

LONGEST_SECONDS = 15.0
"""Of a longer recording its beginning is measured, from the first speech on."""
LIBRARY_FRAMES = 40_000
"""Frames of training speech of each speaker that the nearest neighbours are looked for in."""


class Sentence(NamedTuple):
    """A held-back recording, or the beginning of it: its relative name, and its wave at the run's rate."""

    name: str
    wave: Wave


@dataclass
class Speakers:
    """The speakers of a run: their held-back sentences, and their training speech; each is read once."""

    config: RunConfig
    sets: Sequence[Sets]
    training: Sequence[Sets] | None
    which: Which
    limit: int
    _read: dict[Path, Wave | None] = field(default_factory=dict)
    _speech: dict[int, Floats | None] = field(default_factory=dict)
    _frames: dict[int, Frames | None] = field(default_factory=dict)

    @cached_property
    def representation(self) -> Representation:
        """How the run sees recordings."""
        assert self.config.voice is not None, "a run of recordings"
        return representation(self.config.voice)

    @cached_property
    def sounds(self) -> str:
        """What makes sounds of features."""
        assert self.config.voice is not None, "a run of recordings"
        return sounds_by(self.config.voice)

    @cached_property
    def _framing(self) -> Voices:
        framing = framing_of(self.config)
        assert isinstance(framing, Voices), "a run of recordings"
        return framing

    def alone(self, speaker: int) -> list[Sentence]:
        """Up to `limit` sentences of a speaker, drawn by the run's seed."""
        paths = self.sets[speaker].of(self.which)
        drawn = order(len(paths), self.config.training.seed).tolist()
        found = (Sentence(paths[i], wave) for i in drawn if (wave := self._wave(paths, i)) is not None)
        return list(islice(found, self.limit))

    def together(self, source: int, target: int) -> tuple[list[Sentence], list[Sentence]]:
        """Up to `limit` sentences that both say, by their names."""
        ours, theirs = (self.sets[speaker].of(self.which) for speaker in (source, target))
        known = paired(ours, theirs)
        both: list[tuple[Sentence, Sentence]] = []
        for k in order(len(known), self.config.training.seed).tolist():
            if len(both) == self.limit:
                break
            i, j = known[k]
            x, y = self._wave(ours, i), self._wave(theirs, j)
            if x is not None and y is not None:
                both.append((Sentence(ours[i], x), Sentence(theirs[j], y)))
        return [x for x, _ in both], [y for _, y in both]

    def speech(self, speaker: int) -> Floats | None:
        """Coefficients (coefficients, frames) of training speech; None where the training files are gone."""
        if speaker not in self._speech:
            self._speech[speaker] = self._gathered(speaker)
        return self._speech[speaker]

    def analyse(self, wave: Wave, sample_rate_hz: int) -> Frames:
        """What measures compare of a wave; held-back sentences, which are part of many routes, are analysed once."""
        key = id(wave)
        if key not in self._frames:
            return self._world(wave, sample_rate_hz)
        frames = self._frames[key] or self._world(wave, sample_rate_hz)
        self._frames[key] = frames
        return frames

    @cached_property
    def _world(self) -> Analyse:
        return world_analysis()

    def _gathered(self, speaker: int) -> Floats | None:
        if self.training is None:
            return None
        files = list(files_of(self.training[speaker].train))
        parts: list[Floats] = []
        for start in range(0, len(files), 8):
            chosen = [files[i] for i in order(len(files), self.config.training.seed)[start : start + 8].tolist()]
            parts += [e.features().values[:, e.speech()] for e in self._framing.entries(chosen)]
            if sum(part.shape[1] for part in parts) >= LIBRARY_FRAMES:
                break
        speech = np.concatenate(parts, 1)[:, :LIBRARY_FRAMES] if parts else np.zeros((0, 0), np.float32)
        return speech if speech.shape[1] > 1 else None

    def _wave(self, paths: Paths, index: int) -> Wave | None:
        path = paths.file(index)
        if path not in self._read:
            try:
                wave = excerpt(path, self.representation.sample_rate_hz)
            except UnreadableFile:
                wave = None
            self._read[path] = wave
            if wave is not None:
                self._frames[id(wave)] = None
        return self._read[path]


def excerpt(path: Path, sample_rate_hz: int, seconds: float = LONGEST_SECONDS) -> Wave | None:
    """A recording without the silence at its ends, at most so long; None where it has no speech.

    Raises UnreadableFile.
    """
    held: list[Wave] = []
    for block in blocks(path, sample_rate_hz):
        held.append(block)
        heard = trim(np.concatenate(held), sample_rate_hz)
        if len(heard) >= seconds * sample_rate_hz:
            return heard[: round(seconds * sample_rate_hz)]
        if not len(heard):
            held = held[-1:]
    heard = trim(np.concatenate(held), sample_rate_hz) if held else np.zeros(0, np.float32)
    return heard if len(heard) >= sample_rate_hz // 5 else None
