"""The evaluation of a run of recordings: held-back sentences converted, measured, and kept to listen to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from unpaired.data.batches import paired
from unpaired.data.draw import order
from unpaired.data.paths import Paths, stem
from unpaired.data.split import Sets, Which
from unpaired.data.voices import Voices, files_of
from unpaired.errors import UnreadableFile, WorkError
from unpaired.evaluation.measured import Measured
from unpaired.evaluation.run import some
from unpaired.evaluation.voice.judges import Judges, installed
from unpaired.evaluation.voice.measure import VoiceMeasures, measure_conversion
from unpaired.evaluation.voice.table import definitions, table
from unpaired.media.voice.baselines import Nearest
from unpaired.media.voice.chosen import representation, sounds_by
from unpaired.media.voice.convert import Change, change, convert_wave, scored, voice_change
from unpaired.media.voice.features import Floats, Representation
from unpaired.media.voice.recording import Wave, blocks, write
from unpaired.media.voice.silence import trim
from unpaired.methods.game import Method, Route
from unpaired.runs.config import RunConfig
from unpaired.runs.folder import Model, RunFolder
from unpaired.speaker import VoiceStatistics

ITEMS, QUICKLY, FEWEST = 40, 12, 4
"""Sentences that are converted over all routes, with judges and without, and of each route at least."""
LONGEST_SECONDS = 15.0
"""Of a longer recording its beginning is measured, from the first speech on."""
LIBRARY_FRAMES = 40_000
"""Frames of training speech of each speaker that the nearest neighbours are looked for in."""
LISTENED = 3
"""Sentences of a route that are kept to listen to."""


@dataclass(frozen=True)
class VoiceEvaluation:
    """The measures of every route of a run, of it and of what it is beside; `vocoder` says what made the sounds."""

    about: Measured
    routes: tuple[VoiceMeasures, ...]
    vocoder: str

    def json(self) -> dict[str, Any]:
        """As `evaluation.json` holds it."""
        voices = [measures.model_dump() for measures in self.routes]
        return asdict(self.about) | {"vocoder": self.vocoder, "voices": voices}

    def text(self) -> str:
        """As a person reads it."""
        meanings = f"{definitions(self.routes)}\nsounds by: {self.vocoder}."
        return f"{self.about.text()}\n\n{table(self.routes)}\n\n{meanings}"


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
        assert self.config.voice is not None, "a run of recordings"
        return Voices(self.config.voice)

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
            i, j = known[k]
            x, y = self._wave(ours, i), self._wave(theirs, j)
            if x is not None and y is not None and len(both) < self.limit:
                both.append((Sentence(ours[i], x), Sentence(theirs[j], y)))
        return [x for x, _ in both], [y for _, y in both]

    def speech(self, speaker: int) -> Floats | None:
        """Coefficients (coefficients, frames) of training speech; None where the training files are gone."""
        if speaker not in self._speech:
            self._speech[speaker] = self._gathered(speaker)
        return self._speech[speaker]

    def _gathered(self, speaker: int) -> Floats | None:
        if self.training is None:
            return None
        files = list(files_of(self.training[speaker].train))
        parts: list[Floats] = []
        for start in range(0, len(files), 16):
            chosen = [files[i] for i in order(len(files), self.config.training.seed)[start : start + 16].tolist()]
            parts += [e.features().values[:, e.speech()] for e in self._framing.analysed(chosen).entries]
            if sum(part.shape[1] for part in parts) >= LIBRARY_FRAMES:
                break
        speech = np.concatenate(parts, 1)[:, :LIBRARY_FRAMES] if parts else np.zeros((0, 0), np.float32)
        return speech if speech.shape[1] > 1 else None

    def _wave(self, paths: Paths, index: int) -> Wave | None:
        path = paths.file(index)
        if path not in self._read:
            try:
                self._read[path] = excerpt(path, self.representation.sample_rate_hz)
            except UnreadableFile:
                self._read[path] = None
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


def evaluate_recordings(
    folder: RunFolder,
    model: Model,
    sets: tuple[Sequence[Sets], Sequence[Sets] | None],
    which: Which,
    about: Measured,
    parallel: bool,
    limit: int | None,
    judged: bool,
    device: torch.device,
) -> VoiceEvaluation:
    """Measure the routes of a run of recordings, beside the baselines without training; what there is to hear is
    written to `folder.listening`.

    `sets` are the files to measure on and, where they are known, those that the run learned from. With `parallel` equal
    names are the same sentences. Raises WorkError where nothing can be measured.
    """
    routes = some(model.method.routes)
    limit = limit or max(FEWEST, (ITEMS if judged else QUICKLY) // len(routes))
    speakers = Speakers(model.config, *sets, which, limit)
    method = model.method.to(device)
    judges = installed() if judged else Judges()
    measures: list[VoiceMeasures] = []
    heard: list[dict[str, Any]] = []
    shutil.rmtree(folder.listening, ignore_errors=True)
    for route in routes:
        systems = Systems(speakers, method, route, device)
        sources, targets = systems.sentences(parallel)
        if not sources or not targets:
            continue
        made = systems.convert([sentence.wave for sentence in sources])
        measures += systems.measured(sources, targets, made, parallel, judges)
        heard += list(_kept(folder.listening, systems, sources, targets, made, parallel))
    if not measures:
        raise WorkError(f"{folder.path}: none of the recordings that were held back holds speech; give others")
    (folder.listening / "listening.json").write_text(json.dumps(heard) + "\n", encoding="utf-8")
    return VoiceEvaluation(about, tuple(measures), speakers.sounds)


class Systems:
    """What converts on a route: the run, and the baselines without training."""

    def __init__(self, speakers: Speakers, method: Method, route: Route, device: torch.device) -> None:
        self.speakers, self.route = speakers, route
        config = speakers.config
        self.rate = speakers.representation.sample_rate_hz
        source, target = config.domain(route.source), config.domain(route.target)
        self.words = f"{source.name} -> {target.name}"
        self.source, self.target = config.domains.index(source), config.domains.index(target)
        known = _voice(source.voice), _voice(target.voice)

        def net(x: torch.Tensor) -> torch.Tensor:
            return method.translate(x, route.source, route.target)

        self.changes: dict[str, Change] = {
            "converted": voice_change(net, device, *known, method.stride),
            "affine": change(scored(lambda scores: scores, *known, 1), *known),
        }
        ours, theirs = speakers.speech(self.source), speakers.speech(self.target)
        if ours is not None and theirs is not None:
            self.changes["kNN"] = change(Nearest.fit(ours, theirs, limit=LIBRARY_FRAMES), *known)

    def sentences(self, parallel: bool) -> tuple[list[Sentence], list[Sentence]]:
        """What is converted, and what it is compared with."""
        if parallel:
            return self.speakers.together(self.source, self.target)
        return self.speakers.alone(self.source), self.speakers.alone(self.target)

    def convert(self, waves: Sequence[Wave]) -> dict[str, list[Wave]]:
        """The waves by each system."""
        return {name: [self._by(apply, wave) for wave in waves] for name, apply in self.changes.items()}

    def measured(
        self,
        sources: Sequence[Sentence],
        targets: Sequence[Sentence],
        made: Mapping[str, Sequence[Wave]],
        parallel: bool,
        judges: Judges,
    ) -> list[VoiceMeasures]:
        """The measures of what was made, of doing nothing, of copy-synthesis and of the target."""
        return measure_conversion(
            [sentence.wave for sentence in sources],
            made["converted"],
            [sentence.wave for sentence in targets],
            self.rate,
            parallel=parallel,
            others={name: out for name, out in made.items() if name != "converted"},
            judges=judges,
            resynthesise=self.resynthesise,
            route=self.words,
        )

    def resynthesise(self, wave: Wave, sample_rate_hz: int) -> Wave:  # noqa: ARG002 - always the run's
        """A wave through analysis and synthesis."""
        return self._by(lambda features: features, wave)

    def _by(self, apply: Change, wave: Wave) -> Wave:
        return convert_wave(wave, self.speakers.representation, apply)[0]


def _voice(found: VoiceStatistics | None) -> VoiceStatistics:
    assert found is not None, "every domain of a run of recordings has its statistics"
    return found


def _kept(
    folder: Path,
    systems: Systems,
    sources: Sequence[Sentence],
    targets: Sequence[Sentence],
    made: Mapping[str, Sequence[Wave]],
    parallel: bool,
) -> Iterator[dict[str, Any]]:
    """Write the first sentences of a route as FLAC; what each is, for the page. Unpaired targets say other words."""
    for i, sentence in enumerate(sources[:LISTENED]):
        target = targets[i % len(targets)]
        waves = {"source": sentence.wave, **{name: out[i] for name, out in made.items()}, "target": target.wave}
        files = {}
        for name, wave in waves.items():
            files[name] = f"{systems.words.replace(' -> ', '-')}-{i}-{name}.flac"
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / files[name], wave, systems.rate)
        said = stem(sentence.name) if parallel else f"{stem(sentence.name)}; the target says {stem(target.name)}"
        yield {"route": systems.words, "sentence": said, "files": files}
