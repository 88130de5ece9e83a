"""Converters of `unpaired convert` on parallel test sentences, by amount of the target's speech.

    python -m benchmarks.voice_converters $DATA/voice_flite --sentences 10 --judges speakers,words
    python -m benchmarks.voice_converters $DATA/voice_flite --seconds 15,30,60,120 --converters content --judges none
    python -m benchmarks.voice_converters $DATA/voice_flite --speaker $DATA/awb --converters content
    python -m benchmarks.voice_converters $DATA/voice_flite --target $DATA/announcer --converters content
    python -m benchmarks.voice_converters $DATA/voice_fillets --judges speakers,naturalness
    python -m benchmarks.voice_converters $DATA/voice_flite --runs runs/stargan,runs/stargan-content --converters ""

Measures both routes between the two speakers of `train/` and `test/` (for `text.csv`, see `voice_baselines`; without
it, words are compared with those recognized in the sources). Each converter is fitted on the training sentences of the
target, and of the source if it needs them; `--seconds` takes only the first recordings of the target, up to this
length. `--speaker` is a folder of recordings by a speaker who is not in the training sentences: both speakers are then
targets. `--target` is a folder with `train/` and `test/` of one more speaker (see `announcer_data`): it is then the
target of both speakers. Measures with alignment need test recordings of both speakers with equal names. `--runs` are
trained runs, measured on the same sentences. Appends a row per route and length to results.jsonl and prints it.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import append_row
from benchmarks.voice_baselines import figures, resynthesize
from unpaired.data.folders import DomainFiles, discover_collections
from unpaired.data.paths import remove_suffix
from unpaired.media.voice.audio_inspection import inspect_audio
from unpaired.media.voice.audio_io import Wave, read
from unpaired.media.voice.converter_fitting import fit_converter
from unpaired.media.voice.metrics.declarations import COPY_SYNTHESIS, REAL
from unpaired.media.voice.metrics.judges import ALL, Judges, find_judges, parse_kinds
from unpaired.media.voice.metrics.measurement import SystemMeasures, VoiceEvaluator
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.media.voice.settings import VoiceConvertOptions
from unpaired.metrics.base import DOING_NOTHING
from unpaired.runs.folder import load_model
from unpaired.translate.translator import Translator

RATE_HZ = 16000


def take_seconds(files: DomainFiles, seconds: float | None) -> tuple[DomainFiles, float]:
    """Return the first recordings with at least `seconds` of sound in total (None: all), and their length."""
    total, indices = 0.0, []
    for i in range(len(files.train)):
        if seconds is not None and total >= seconds:
            break
        total += inspect_audio(files.train.get_path(i)).seconds
        indices.append(i)
    return replace(files, train=files.train.take(indices)), total


def read_sentences(folder: Path, count: int | None) -> dict[str, Wave]:
    """Return the first sentences of a folder by name without suffix."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())[:count]
    return {remove_suffix(path.name): read(path, RATE_HZ).wave for path in paths}


def convert_wave(pipeline: VoicePipeline, wave: Wave) -> Wave:
    """Return a converted wave at 16 kHz."""
    return np.asarray(pipeline.translate_object(wave, RATE_HZ), np.float32)


def translate_wave(translator: Translator, target: str, wave: Wave, source: str | None = None) -> Wave:
    """Return the translation of a wave at 16 kHz by a trained run."""
    return np.asarray(translator(wave, to=target, source=source, sample_rate_hz=RATE_HZ), np.float32)


def convert_all(
    kind: str, target: DomainFiles, source: DomainFiles | None, waves: Sequence[Wave]
) -> tuple[list[Wave], dict[str, float]]:
    """Return the converted waves, the seconds of fitting, and the real-time factor of the conversion."""
    options = VoiceConvertOptions(converter=kind, vad="energy")
    start = time.process_time()
    pipeline = fit_converter(target, source, options).pipeline
    assert isinstance(pipeline, VoicePipeline)
    fitted = time.process_time()
    outputs = [convert_wave(pipeline, wave) for wave in waves]
    factor = (time.process_time() - fitted) / (sum(map(len, waves)) / RATE_HZ)
    return outputs, {"fit_cpu_s": round(fitted - start, 1), "real_time": round(factor, 3)}


def translate_all(run: Path, source: str, target: str, waves: Sequence[Wave]) -> tuple[list[Wave], dict[str, float]]:
    """Return the translations of waves by a trained run, its steps, and the real-time factor."""
    translator = Translator.load(run, device="cpu")
    given = source if source in translator.domains else None
    start = time.process_time()
    outputs = [translate_wave(translator, target, wave, given) for wave in waves]
    factor = (time.process_time() - start) / (sum(map(len, waves)) / RATE_HZ)
    return outputs, {"steps": load_model(run, "last").step, "real_time": round(factor, 3)}


@dataclass(frozen=True)
class Route:
    """Source: a folder of test recordings. Target: training files, and a folder of test recordings."""

    source: Path
    target: DomainFiles
    test: Path

    @property
    def name(self) -> str:
        """Return "source -> target"."""
        return f"{self.source.name} -> {self.target.name}"

    def create_evaluator(self, texts: Path, count: int | None, judges: Judges) -> tuple[VoiceEvaluator, list[Wave]]:
        """Return the evaluator and the sources: at most `count` of them, and only those with parallel targets, if any.

        `texts` is a CSV file (file, text).
        """
        sources, targets = read_sentences(self.source, count), read_sentences(self.test, None)
        common = [name for name in sources if name in targets]
        names = common or list(sources)
        transcripts: dict[str, str] = {}
        if texts.is_file():
            with texts.open(encoding="utf-8", newline="") as file:
                transcripts = {remove_suffix(row["file"]): row["text"] for row in csv.DictReader(file)}
        waves = [sources[name] for name in names]
        evaluator = VoiceEvaluator(
            waves,
            [targets[name] for name in common] or list(targets.values())[:count],
            RATE_HZ,
            parallel=bool(common),
            transcripts=[transcripts[name] for name in names] if transcripts.keys() >= set(names) else None,
            judges=judges,
            resynthesize=resynthesize,
            route=self.name,
        )
        return evaluator, waves


def measure_route(route: Route, args: argparse.Namespace, judges: Judges, train: Mapping[str, DomainFiles]) -> None:
    """Measure a route for each amount of the target's speech; append a row for each and print it."""
    evaluator, waves = route.create_evaluator(args.data / "text.csv", args.sentences, judges)
    for index, seconds in enumerate(args.seconds):
        target_files, length = take_seconds(route.target, seconds)
        systems: dict[str, SystemMeasures] = {}
        speed = {}
        for kind in args.converters:
            source_files = None if kind == "content" else train[route.source.name]
            outputs, speed[kind] = convert_all(kind, target_files, source_files, waves)
            systems[kind] = evaluator.measure(outputs, kind)
            print(route.name, round(length), kind, json.dumps(figures(systems)[kind]), speed[kind], flush=True)
        for run in args.runs:
            outputs, speed[run.name] = translate_all(run, route.source.name, route.target.name, waves)
            systems[run.name] = evaluator.measure(outputs, run.name)
            print(route.name, run.name, json.dumps(figures(systems)[run.name]), speed[run.name], flush=True)
        if args.references and not index:
            copy = evaluator.measure_copy_synthesis()
            systems |= {DOING_NOTHING: evaluator.measure_identity(), REAL: evaluator.measure_targets()}
            systems |= {} if copy is None else {COPY_SYNTHESIS: copy}
        row: dict[str, Any] = {
            "data": args.data.name,
            "route": route.name,
            "target_seconds": round(length),
            "sentences": len(waves),
            "judges": [*judges.networks.values()],
            "speed": speed,
            "systems": figures(systems),
        }
        append_row("voice-converters", row, seed=0)
        print(json.dumps(row, indent=1), flush=True)


def parse_seconds(text: str) -> float | None:
    """Return a number of seconds; None for "all"."""
    return None if text == "all" else float(text)


def split_names(text: str) -> list[str]:
    """Return names that commas join."""
    return [name for name in text.split(",") if name]


def main() -> None:
    """Measure both routes, or one from `--speaker` to each target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sentences", type=int)
    parser.add_argument("--seconds", type=lambda text: [parse_seconds(t) for t in text.split(",")], default=[None])
    parser.add_argument("--converters", type=split_names, default=["content", "knn", "affine"])
    parser.add_argument("--runs", type=lambda text: [Path(name) for name in split_names(text)], default=[])
    parser.add_argument("--speaker", type=Path)
    parser.add_argument("--target", type=Path)
    parser.add_argument("--references", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--judges", default=ALL)
    args = parser.parse_args()
    names = sorted(folder.name for folder in (args.data / "test").iterdir())
    folders = discover_collections([args.data / "train" / name for name in names])
    train = {files.name: files for files in folders}
    judges = find_judges(parse_kinds(args.judges))
    test = {name: args.data / "test" / name for name in names}
    if args.target is not None:
        (target,) = discover_collections([args.target])
        routes = [Route(test[name], target, args.target / "test") for name in names]
    else:
        pairs = (names, names[::-1])
        routes = [Route(args.speaker or test[source], train[target], test[target]) for source, target in pairs]
    for route in routes:
        measure_route(route, args, judges, train)


if __name__ == "__main__":
    main()
