"""Evaluation of a voice run: convert held-out sentences, measure the results, and save listening samples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unpaired.data.paths import remove_suffix
from unpaired.errors import WorkError
from unpaired.file_names import shorten_name
from unpaired.media.interface import EvaluationRequest, MeasuredRoutes
from unpaired.media.voice.audio_io import Wave, write
from unpaired.media.voice.baseline_converters import NearestNeighbourBaseline
from unpaired.media.voice.content.conversion import make_content_converter
from unpaired.media.voice.content.pitch import PitchMapper
from unpaired.media.voice.content.representation import ContentRepresentation
from unpaired.media.voice.content.synthesis import make_synthesis_converter
from unpaired.media.voice.conversion import (
    FeatureConverter,
    bind_network,
    convert_wave,
    make_feature_converter,
    wrap_with_normalisation,
)
from unpaired.media.voice.features import Representation
from unpaired.media.voice.judge_settings import JudgeSettings
from unpaired.media.voice.metrics.declarations import AFFINE, CONTENT, NEAREST
from unpaired.media.voice.metrics.judges import Judges, find_judges
from unpaired.media.voice.metrics.measurement import CONVERTED, SystemMeasures, measure_conversion
from unpaired.media.voice.nearest_recordings import MAX_RECORDINGS, NearestRecording, NearestRecordingFinder
from unpaired.media.voice.settings import VoiceEvaluateOptions, speaker_statistics
from unpaired.media.voice.statistics import take_coefficients
from unpaired.media.voice.transcripts import Transcripts
from unpaired.media.voice.utterances import LIBRARY_FRAMES, MAX_SECONDS, SpeakerRecordings, Utterance
from unpaired.metrics.base import RouteEvaluation
from unpaired.metrics.route_selection import select_evenly
from unpaired.routes import Route
from unpaired.translate.network import TranslationNetwork
from unpaired.translate.torch_network import TorchNetwork

MIN_UTTERANCES_PER_ROUTE = 3
"""Minimum number of sentences of each domain that are measured, for any number of routes."""
LISTENING_UTTERANCES = 3
"""Number of listening samples per route."""


def evaluate_recordings(request: EvaluationRequest) -> MeasuredRoutes:
    """Measure the routes of a voice run and the baselines; write listening samples to `folder.listening_samples`.

    With `pairs`, recordings with equal names are the same sentences. Raises WorkError if nothing can be measured,
    UsageError if the transcript of a recording is missing.
    """
    assert isinstance(request.options, VoiceEvaluateOptions)
    folder, model, judge_settings = request.folder, request.model, JudgeSettings.read(request.options)
    if any(not len(part.get_paths(request.split)) for part in request.splits):
        raise WorkError(
            f"{folder.path}: the run held out no recordings of a speaker (too few files); give other recordings"
        )
    routes = select_evenly(model.method.routes)
    limit = request.limit or choose_limit(judge_settings, len(routes))
    speakers = SpeakerRecordings(model.config, request.splits, request.load_training_splits(), request.split, limit)
    network = TorchNetwork(model.method.to(request.device), request.device)
    judges = find_judges(judge_settings.kinds)
    finder = NearestRecordingFinder(speakers)
    known_baselines = {known.route: known.baselines for known in request.known_baselines}
    measured: list[RouteEvaluation] = []
    listening: list[dict[str, Any]] = []
    for i, route in enumerate(routes):
        systems = ConversionSystems(speakers, network, route)
        sources, targets = systems.select_utterances(request.pairs)
        request.progress(i, len(routes))
        if not sources or not targets:
            continue
        transcripts = systems.get_both_transcripts(judge_settings.texts, sources, targets)
        if not measured:  # if a transcript is missing, the samples of the previous evaluation are kept
            shutil.rmtree(folder.listening_samples, ignore_errors=True)
        known = known_baselines.get(systems.route_name, {})
        converted = systems.convert([utterance.wave for utterance in sources], LISTENING_UTTERANCES if known else None)
        evaluation = systems.measure(sources, targets, converted, request.pairs, judges, transcripts, known)
        nearest: Sequence[NearestRecording | None] = ()
        if request.options.nearest:
            nearest = finder.find(systems.target, converted[CONVERTED][:MAX_RECORDINGS])
            waves = [[utterance.wave for utterance in side] for side in (sources, targets)]
            evaluation = finder.measure(systems.target, evaluation, nearest, *waves)
        measured.append(evaluation)
        listening += list(
            _write_listening(folder.listening_samples, systems, sources, targets, converted, request.pairs, nearest)
        )
    request.progress(len(routes), len(routes))
    if not measured:
        raise WorkError(f"{folder.path}: no held-out recording contains speech; give other recordings")
    (folder.listening_samples / "listening.json").write_text(json.dumps(listening) + "\n", encoding="utf-8")
    options = judge_settings.dump() | {"nearest": request.options.nearest}
    return MeasuredRoutes(tuple(measured), limit, options)


def choose_limit(judge_settings: JudgeSettings, route_count: int) -> int:
    """Return the default number of sentences to measure per domain; it is lower for more than two routes."""
    count = judge_settings.max_utterances
    return max(MIN_UTTERANCES_PER_ROUTE, min(count, 2 * count // route_count))


class ConversionSystems:
    """Converters of a route: the run's network and the untrained baselines."""

    def __init__(self, speakers: SpeakerRecordings, network: TranslationNetwork, route: Route) -> None:
        self.speakers, self.route = speakers, route
        config = speakers.config
        self.sample_rate_hz = speakers.representation.sample_rate_hz
        source, target = config.get_domain(route.source), config.get_domain(route.target)
        self.route_name = config.format_route(route)
        self.source, self.target = config.domains.index(source), config.domains.index(target)
        statistics = speaker_statistics(source), speaker_statistics(target)
        translate = bind_network(network, route)
        base, analyser = speakers.representation, speakers.content_analyser
        source_frames, target_frames = (take_coefficients(s, base.num_coefficients) for s in statistics)
        self.representations: dict[str, Representation] = {}
        self.conversions: dict[str, FeatureConverter] = {
            CONVERTED: make_feature_converter(
                wrap_with_normalisation(translate, *statistics, network.stride), *statistics
            ),
            AFFINE: make_feature_converter(
                wrap_with_normalisation(lambda values: values, source_frames, target_frames, 1), *statistics
            ),
        }
        pitch = PitchMapper(statistics[1].log_f0_mean_std, statistics[0].log_f0_mean_std)
        if speakers.condition_analyser is not None:
            self.representations[CONVERTED] = ContentRepresentation(base, speakers.condition_analyser)
            self.conversions[CONVERTED] = make_synthesis_converter(
                translate, statistics[1], pitch, base, network.stride
            )
        source_speech, target_speech = (
            speakers.get_training_speech(self.source),
            speakers.get_training_speech(self.target),
        )
        if source_speech is not None and target_speech is not None:
            self.conversions[NEAREST] = make_feature_converter(
                NearestNeighbourBaseline.fit(source_speech, target_speech, max_frames=LIBRARY_FRAMES), *statistics
            )
        neighbours = speakers.get_content_neighbours(self.target)
        if neighbours is not None and analyser is not None:
            self.representations[CONTENT] = ContentRepresentation(base, analyser)
            self.conversions[CONTENT] = make_content_converter(neighbours, pitch, base)

    def select_utterances(self, is_parallel: bool) -> tuple[list[Utterance], list[Utterance]]:
        """Return the source sentences to convert and the target sentences to compare with."""
        if is_parallel:
            return self.speakers.select_parallel_utterances(self.source, self.target)
        return self.speakers.select_utterances(self.source), self.speakers.select_utterances(self.target)

    def get_both_transcripts(
        self, texts: Transcripts | None, sources: Sequence[Utterance], targets: Sequence[Utterance]
    ) -> tuple[list[str], list[str]] | None:
        """Return the transcripts of sources and targets; None without `texts`."""
        if texts is None:
            return None
        return self.get_transcripts(texts, sources), self.get_transcripts(texts, targets, of_target=True)

    def get_transcripts(
        self, texts: Transcripts, utterances: Sequence[Utterance], of_target: bool = False
    ) -> list[str]:
        """Return the transcripts of sentences; empty for a recording of which only the beginning is measured."""
        speaker_name = self.speakers.config.domains[self.target if of_target else self.source].name
        transcripts = texts.get_texts(speaker_name, [utterance.name for utterance in utterances])
        max_length = MAX_SECONDS * self.sample_rate_hz
        return [
            text if len(utterance.wave) < max_length else ""
            for text, utterance in zip(transcripts, utterances, strict=True)
        ]

    def convert(self, waves: Sequence[Wave], baseline_limit: int | None = None) -> dict[str, list[Wave]]:
        """Convert all waves with the run's network, and the first `baseline_limit` (None: all) with the baselines."""
        inputs = {name: waves if name == CONVERTED else waves[:baseline_limit] for name in self.conversions}
        return {
            name: [self._convert_wave(conversion, wave, self.representations.get(name)) for wave in inputs[name]]
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
        known_baselines: Mapping[str, SystemMeasures] | None = None,
    ) -> RouteEvaluation:
        """Measure the conversions and the baselines; `transcripts` are those of the sources and of the targets."""
        texts, target_texts = transcripts or (None, None)
        measured = measure_conversion(
            [utterance.wave for utterance in sources],
            converted[CONVERTED],
            [utterance.wave for utterance in targets],
            self.sample_rate_hz,
            parallel=is_parallel,
            baseline_outputs={name: out for name, out in converted.items() if name != CONVERTED},
            known_baselines=known_baselines,
            transcripts=texts,
            target_transcripts=target_texts,
            judges=judges,
            analyse=self.speakers.analyse,
            resynthesize=self.resynthesize,
            route=self.route_name,
            available=self.speakers.count_available(self.source),
        )
        networks = measured.networks | {"sounds made by": self.speakers.vocoder_name}
        return measured.model_copy(update={"networks": networks})

    def resynthesize(self, wave: Wave, sample_rate_hz: int) -> Wave:  # noqa: ARG002 - always the run's rate
        """Analyse a wave and synthesize it from its features."""
        return self._convert_wave(lambda features: features, wave)

    def _convert_wave(
        self, conversion: FeatureConverter, wave: Wave, representation: Representation | None = None
    ) -> Wave:
        return convert_wave(wave, representation or self.speakers.representation, conversion)[0]


def _write_listening(
    folder: Path,
    systems: ConversionSystems,
    sources: Sequence[Utterance],
    targets: Sequence[Utterance],
    converted: Mapping[str, Sequence[Wave]],
    is_parallel: bool,
    nearest: Sequence[NearestRecording | None],
) -> Iterator[dict[str, Any]]:
    """Write listening samples of a route as FLAC and yield the entry of each for listening.json.

    Without pairs, the target sentence differs from the source sentence. `nearest` are the training recordings that are
    nearest to the first conversions, if they were searched.
    """
    for i, utterance in enumerate(sources[:LISTENING_UTTERANCES]):
        target = targets[i % len(targets)]
        waves = {"source": utterance.wave, **{name: out[i] for name, out in converted.items()}, "target": target.wave}
        training = nearest[i] if i < len(nearest) else None
        if training is not None:
            waves["nearest training recording"] = training.utterance.wave
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
        if training is not None:
            name = remove_suffix(training.utterance.name)
            sentence += f"; nearest training recording {name}, distance {training.distance:.2f}"
        yield {"route": systems.route_name, "sentence": sentence, "files": files}
