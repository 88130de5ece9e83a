"""The evaluation of a run of recordings: held-back sentences converted, measured, and kept to listen to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from unpaired.data.paths import stem
from unpaired.data.split import Sets, Which
from unpaired.errors import WorkError
from unpaired.evaluation.measured import Measured
from unpaired.evaluation.routes import some
from unpaired.evaluation.sentences import LIBRARY_FRAMES, LONGEST_SECONDS, Sentence, Speakers
from unpaired.evaluation.texts import Texts
from unpaired.evaluation.voice.judges import Judges, Kind, installed
from unpaired.evaluation.voice.measure import VoiceMeasures, measure_conversion
from unpaired.evaluation.voice.table import definitions, table
from unpaired.media.voice.baselines import Nearest
from unpaired.media.voice.convert import Change, change, convert_wave, scored, voice_change
from unpaired.media.voice.recording import Wave, write
from unpaired.methods.game import Method, Route
from unpaired.runs.folder import Model, RunFolder
from unpaired.speaker import VoiceStatistics

ITEMS, QUICKLY, FEWEST = 40, 8, 3
"""Sentences that are converted over all routes, with judges and without, and of each route at least."""
LISTENED = 3
"""Sentences of a route that are kept to listen to."""


@dataclass(frozen=True)
class VoiceEvaluation:
    """The measures of every route of a run, of it and of what it is beside; `vocoder` says what made the sounds.

    They are of up to `limit` sentences of each domain, with `pairs` of the same ones, by judges of the kinds `asked`;
    words are compared with the texts of this digest, or (none) with what is heard of the sources.
    """

    about: Measured
    routes: tuple[VoiceMeasures, ...]
    vocoder: str
    pairs: bool
    limit: int
    asked: tuple[Kind, ...]
    texts: str

    def json(self) -> dict[str, Any]:
        """As `evaluation.json` holds it."""
        voices = [measures.model_dump() for measures in self.routes]
        how = {"vocoder": self.vocoder, "pairs": self.pairs, "limit": self.limit, "asked": self.asked}
        return asdict(self.about) | how | {"texts": self.texts, "voices": voices}

    def text(self) -> str:
        """As a person reads it."""
        meanings = f"{definitions(self.routes)}\nsounds by: {self.vocoder}."
        return f"{self.about.text()}\n\n{table(self.routes)}\n\n{meanings}"


def evaluate_recordings(
    folder: RunFolder,
    model: Model,
    sets: tuple[Sequence[Sets], Sequence[Sets] | None],
    which: Which,
    about: Measured,
    parallel: bool,
    limit: int | None,
    kinds: tuple[Kind, ...],
    device: torch.device,
    texts: Texts | None = None,
    beside: Sequence[VoiceMeasures] = (),
) -> VoiceEvaluation:
    """Measure the routes of a run of recordings, beside the baselines without training; what there is to hear is
    written to `folder.listening`.

    `sets` are the files to measure on and, where they are known, those that the run learned from. With `parallel` equal
    names are the same sentences. Judges of these `kinds` are asked. Of a route whose measures are known `beside`, the
    run alone is measured. Raises WorkError where nothing can be measured, UsageError where `texts` do not say all.
    """
    routes = some(model.method.routes)
    limit = limit or max(FEWEST, (ITEMS if kinds else QUICKLY) // len(routes))
    speakers = Speakers(model.config, *sets, which, limit)
    method = model.method.to(device)
    judges = installed(kinds)
    measures: list[VoiceMeasures] = []
    heard: list[dict[str, Any]] = []
    for route in routes:
        systems = Systems(speakers, method, route, device)
        sources, targets = systems.sentences(parallel)
        if not sources or not targets:
            continue
        said = None if texts is None else (systems.said(texts, sources), systems.said(texts, targets, of_target=True))
        if not measures:  # what was heard before stays where texts are lacking
            shutil.rmtree(folder.listening, ignore_errors=True)
        known = [m for m in beside if m.route == systems.words]
        made = systems.convert([sentence.wave for sentence in sources], LISTENED if known else None)
        measures += systems.measured(sources, targets, made, parallel, judges, said, known)
        heard += list(_kept(folder.listening, systems, sources, targets, made, parallel))
    if not measures:
        raise WorkError(f"{folder.path}: none of the recordings that were held back holds speech; give others")
    (folder.listening / "listening.json").write_text(json.dumps(heard) + "\n", encoding="utf-8")
    said_by = "" if texts is None else texts.digest
    return VoiceEvaluation(about, tuple(measures), speakers.sounds, parallel, limit, kinds, said_by)


class Systems:
    """What converts on a route: the run, and the baselines without training."""

    def __init__(self, speakers: Speakers, method: Method, route: Route, device: torch.device) -> None:
        self.speakers, self.route = speakers, route
        config = speakers.config
        self.rate = speakers.representation.sample_rate_hz
        source, target = config.domain(route.source), config.domain(route.target)
        self.words = config.words(route)
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

    def said(self, texts: Texts, sentences: Sequence[Sentence], of_target: bool = False) -> list[str]:
        """What sentences say; nothing of the beginnings of longer ones, whose words are not known."""
        speaker = self.speakers.config.domains[self.target if of_target else self.source].name
        known = texts.of(speaker, [sentence.name for sentence in sentences])
        whole = LONGEST_SECONDS * self.rate
        return [text if len(one.wave) < whole else "" for text, one in zip(known, sentences, strict=True)]

    def convert(self, waves: Sequence[Wave], beside: int | None = None) -> dict[str, list[Wave]]:
        """The waves by the run, and the first `beside` of them (None: all) by what stands beside it."""
        given = {name: waves if name == "converted" else waves[:beside] for name in self.changes}
        return {name: [self._by(apply, wave) for wave in given[name]] for name, apply in self.changes.items()}

    def measured(
        self,
        sources: Sequence[Sentence],
        targets: Sequence[Sentence],
        made: Mapping[str, Sequence[Wave]],
        parallel: bool,
        judges: Judges,
        said: tuple[Sequence[str], Sequence[str]] | None = None,
        known: Sequence[VoiceMeasures] = (),
    ) -> list[VoiceMeasures]:
        """The measures of what was made, of doing nothing, of copy-synthesis and of the target.

        `said` are the texts of sources and of targets; what is `known` of all but the run is not measured again.
        """
        texts, target_texts = said or (None, None)
        return measure_conversion(
            [sentence.wave for sentence in sources],
            made["converted"],
            [sentence.wave for sentence in targets],
            self.rate,
            parallel=parallel,
            others={name: out for name, out in made.items() if name != "converted"},
            known=known,
            texts=texts,
            target_texts=target_texts,
            judges=judges,
            analyse=self.speakers.analyse,
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
