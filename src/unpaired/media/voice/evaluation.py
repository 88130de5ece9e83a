"""The evaluation of a run of recordings: held-back sentences converted, measured, and kept to listen to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from unpaired.data.paths import remove_suffix
from unpaired.data.split import DomainSplits, SplitName
from unpaired.errors import WorkError
from unpaired.evaluation.provenance import Provenance
from unpaired.file_names import shorten_name
from unpaired.media.image.route_evaluation import select_evenly
from unpaired.media.voice.audio_io import Wave, write
from unpaired.media.voice.baseline_converters import NearestNeighbourBaseline
from unpaired.media.voice.conversion import (
    FeatureConverter,
    convert_wave,
    make_feature_converter,
    make_network_converter,
    wrap_with_normalisation,
)
from unpaired.media.voice.metrics.judges import JudgeKind, Judges, find_judges
from unpaired.media.voice.metrics.measurement import VoiceMeasures, measure_conversion
from unpaired.media.voice.metrics.measures_table import format_definitions, format_table
from unpaired.media.voice.settings import speaker_statistics
from unpaired.media.voice.transcripts import Transcripts
from unpaired.media.voice.utterances import LIBRARY_FRAMES, MAX_SECONDS, SpeakerRecordings, Utterance
from unpaired.methods.base import Method, Route
from unpaired.runs.folder import RunFolder, TrainedModel

MAX_UTTERANCES, MAX_UTTERANCES_WITHOUT_JUDGES, MIN_UTTERANCES_PER_ROUTE = 40, 8, 3
"""Sentences that are converted over all routes, with judges and without, and of each route at least."""
LISTENING_UTTERANCES = 3
"""Sentences of a route that are kept to listen to."""


@dataclass(frozen=True)
class VoiceEvaluation:
    """The measures of every route of a run, of it and of what it is beside; `vocoder` says what made the sounds.

    They are of up to `limit` sentences of each domain, with `pairs` of the same ones, by judges of the kinds `asked`;
    words are compared with the texts of this digest, or (none) with what is heard of the sources.
    """

    provenance: Provenance
    routes: tuple[VoiceMeasures, ...]
    vocoder: str
    pairs: bool
    limit: int
    judge_kinds: tuple[JudgeKind, ...]
    texts: str

    def json(self) -> dict[str, Any]:
        """As `evaluation.json` holds it."""
        voices = [measures.model_dump() for measures in self.routes]
        settings = {"vocoder": self.vocoder, "pairs": self.pairs, "limit": self.limit, "judge_kinds": self.judge_kinds}
        return asdict(self.provenance) | settings | {"texts": self.texts, "voices": voices}

    def text(self) -> str:
        """As a person reads it."""
        meanings = f"{format_definitions(self.routes)}\nsounds by: {self.vocoder}."
        return f"{self.provenance.text()}\n\n{format_table(self.routes)}\n\n{meanings}"


def evaluate_recordings(
    folder: RunFolder,
    model: TrainedModel,
    sets: tuple[Sequence[DomainSplits], Sequence[DomainSplits] | None],
    split: SplitName,
    provenance: Provenance,
    is_parallel: bool,
    limit: int | None,
    judge_kinds: tuple[JudgeKind, ...],
    device: torch.device,
    texts: Transcripts | None = None,
    baselines: Sequence[VoiceMeasures] = (),
) -> VoiceEvaluation:
    """Measure the routes of a run of recordings, beside the baselines without training; what there is to hear is
    written to `folder.listening`.

    `sets` are the files to measure on and, where they are known, those that the run learned from. With `parallel` equal
    names are the same sentences. Judges of these `kinds` are asked. Of a route whose measures are known `beside`, the
    run alone is measured. Raises WorkError where nothing can be measured, UsageError where `texts` do not say all.
    """
    routes = select_evenly(model.method.routes)
    limit = limit or max(
        MIN_UTTERANCES_PER_ROUTE, (MAX_UTTERANCES if judge_kinds else MAX_UTTERANCES_WITHOUT_JUDGES) // len(routes)
    )
    speakers = SpeakerRecordings(model.config, *sets, split, limit)
    method = model.method.to(device)
    judges = find_judges(judge_kinds)
    measures: list[VoiceMeasures] = []
    listening: list[dict[str, Any]] = []
    for route in routes:
        systems = ConversionSystems(speakers, method, route, device)
        sources, targets = systems.select_utterances(is_parallel)
        if not sources or not targets:
            continue
        transcripts = (
            None
            if texts is None
            else (systems.get_transcripts(texts, sources), systems.get_transcripts(texts, targets, of_target=True))
        )
        if not measures:  # what was heard before stays where texts are lacking
            shutil.rmtree(folder.listening_samples, ignore_errors=True)
        known_baselines = [m for m in baselines if m.route == systems.route_name]
        converted = systems.convert(
            [utterance.wave for utterance in sources], LISTENING_UTTERANCES if known_baselines else None
        )
        measures += systems.measure(sources, targets, converted, is_parallel, judges, transcripts, known_baselines)
        listening += list(_write_listening(folder.listening_samples, systems, sources, targets, converted, is_parallel))
    if not measures:
        raise WorkError(f"{folder.path}: none of the recordings that were held back holds speech; give others")
    (folder.listening_samples / "listening.json").write_text(json.dumps(listening) + "\n", encoding="utf-8")
    transcripts_digest = "" if texts is None else texts.digest
    return VoiceEvaluation(
        provenance, tuple(measures), speakers.vocoder_name, is_parallel, limit, judge_kinds, transcripts_digest
    )


class ConversionSystems:
    """What converts on a route: the run, and the baselines without training."""

    def __init__(self, speakers: SpeakerRecordings, method: Method, route: Route, device: torch.device) -> None:
        self.speakers, self.route = speakers, route
        config = speakers.config
        self.sample_rate_hz = speakers.representation.sample_rate_hz
        source, target = config.get_domain(route.source), config.get_domain(route.target)
        self.route_name = config.format_route(route)
        self.source, self.target = config.domains.index(source), config.domains.index(target)
        statistics = speaker_statistics(source), speaker_statistics(target)

        def net(x: torch.Tensor) -> torch.Tensor:
            return method.translate(x, route.source, route.target)

        self.conversions: dict[str, FeatureConverter] = {
            "converted": make_network_converter(net, device, *statistics, method.stride),
            "affine": make_feature_converter(
                wrap_with_normalisation(lambda scores: scores, *statistics, 1), *statistics
            ),
        }
        source_speech, target_speech = (
            speakers.get_training_speech(self.source),
            speakers.get_training_speech(self.target),
        )
        if source_speech is not None and target_speech is not None:
            self.conversions["kNN"] = make_feature_converter(
                NearestNeighbourBaseline.fit(source_speech, target_speech, max_frames=LIBRARY_FRAMES), *statistics
            )

    def select_utterances(self, is_parallel: bool) -> tuple[list[Utterance], list[Utterance]]:
        """What is converted, and what it is compared with."""
        if is_parallel:
            return self.speakers.select_parallel_utterances(self.source, self.target)
        return self.speakers.select_utterances(self.source), self.speakers.select_utterances(self.target)

    def get_transcripts(
        self, texts: Transcripts, utterances: Sequence[Utterance], of_target: bool = False
    ) -> list[str]:
        """What sentences say; nothing of the beginnings of longer ones, whose words are not known."""
        speaker_name = self.speakers.config.domains[self.target if of_target else self.source].name
        transcripts = texts.get_texts(speaker_name, [utterance.name for utterance in utterances])
        max_length = MAX_SECONDS * self.sample_rate_hz
        return [
            text if len(utterance.wave) < max_length else ""
            for text, utterance in zip(transcripts, utterances, strict=True)
        ]

    def convert(self, waves: Sequence[Wave], baseline_limit: int | None = None) -> dict[str, list[Wave]]:
        """The waves by the run, and the first `beside` of them (None: all) by what stands beside it."""
        inputs = {name: waves if name == "converted" else waves[:baseline_limit] for name in self.conversions}
        return {
            name: [self._convert_wave(conversion, wave) for wave in inputs[name]]
            for name, conversion in self.conversions.items()
        }

    def measure(
        self,
        sources: Sequence[Utterance],
        targets: Sequence[Utterance],
        converted: Mapping[str, Sequence[Wave]],
        is_parallel: bool,
        judges: Judges,
        transcripts: tuple[Sequence[str], Sequence[str]] | None = None,
        known_baselines: Sequence[VoiceMeasures] = (),
    ) -> list[VoiceMeasures]:
        """The measures of what was made, of doing nothing, of copy-synthesis and of the target.

        `said` are the texts of sources and of targets; what is `known` of all but the run is not measured again.
        """
        texts, target_texts = transcripts or (None, None)
        return measure_conversion(
            [utterance.wave for utterance in sources],
            converted["converted"],
            [utterance.wave for utterance in targets],
            self.sample_rate_hz,
            parallel=is_parallel,
            baseline_outputs={name: out for name, out in converted.items() if name != "converted"},
            precomputed_measures=known_baselines,
            transcripts=texts,
            target_transcripts=target_texts,
            judges=judges,
            analyse=self.speakers.analyse,
            resynthesise=self.resynthesise,
            route=self.route_name,
        )

    def resynthesise(self, wave: Wave, sample_rate_hz: int) -> Wave:  # noqa: ARG002 - always the run's
        """A wave through analysis and synthesis."""
        return self._convert_wave(lambda features: features, wave)

    def _convert_wave(self, conversion: FeatureConverter, wave: Wave) -> Wave:
        return convert_wave(wave, self.speakers.representation, conversion)[0]


def _write_listening(
    folder: Path,
    systems: ConversionSystems,
    sources: Sequence[Utterance],
    targets: Sequence[Utterance],
    converted: Mapping[str, Sequence[Wave]],
    is_parallel: bool,
) -> Iterator[dict[str, Any]]:
    """Write the first sentences of a route as FLAC; what each is, for the page. Unpaired targets say other words."""
    for i, utterance in enumerate(sources[:LISTENING_UTTERANCES]):
        target = targets[i % len(targets)]
        waves = {"source": utterance.wave, **{name: out[i] for name, out in converted.items()}, "target": target.wave}
        files = {}
        for name, wave in waves.items():
            files[name] = shorten_name(f"{systems.route_name.replace(' -> ', '-')}-{i}-{name}.flac")
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / files[name], wave, systems.sample_rate_hz)
        sentence = (
            remove_suffix(utterance.name)
            if is_parallel
            else f"{remove_suffix(utterance.name)}; the target says {remove_suffix(target.name)}"
        )
        yield {"route": systems.route_name, "sentence": sentence, "files": files}
