"""Converters of `unpaired convert` on parallel test sentences, by amount of the target's speech.

    python -m benchmarks.voice_converters $DATA/voice_flite --sentences 10 --judges speakers,words
    python -m benchmarks.voice_converters $DATA/voice_flite --seconds 15,30,60,120 --converters content --judges none
    python -m benchmarks.voice_converters $DATA/voice_flite --speaker $DATA/awb --converters content
    python -m benchmarks.voice_converters $DATA/voice_flite --runs runs/stargan,runs/stargan-content --converters ""

Measures both routes between the two speakers of `train/` and `test/` (for `text.csv`, see `voice_baselines`). Each
converter is fitted on the training sentences of the target, and of the source if it needs them; `--seconds` takes only
the first recordings of the target, up to this length. `--speaker` is a folder of the test sentences, with the same
file names, by a speaker who is not in the training sentences: both speakers are then targets. `--runs` are trained
runs, measured on the same sentences. Appends a row per route and length to results.jsonl and prints it.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from unpaired.metrics.base import DO_NOTHING
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


def convert_all(
    kind: str, target: DomainFiles, source: DomainFiles | None, waves: Sequence[Wave]
) -> tuple[list[Wave], dict[str, float]]:
    """Return the converted waves, the seconds of fitting, and the real-time factor of the conversion."""
    options = VoiceConvertOptions(converter=kind, vad="energy")
    start = time.process_time()
    pipeline = fit_converter(target, source, options).pipeline
    assert isinstance(pipeline, VoicePipeline)
    fitted = time.process_time()
    outputs = [np.asarray(pipeline.translate_object(wave, RATE_HZ), np.float32) for wave in waves]
    factor = (time.process_time() - fitted) / (sum(map(len, waves)) / RATE_HZ)
    return outputs, {"fit_cpu_s": round(fitted - start, 1), "real_time": round(factor, 3)}


def translate_all(run: Path, source: str, target: str, waves: Sequence[Wave]) -> tuple[list[Wave], dict[str, float]]:
    """Return the translations of waves by a trained run, its steps, and the real-time factor."""
    translator = Translator.load(run, device="cpu")
    given = source if source in translator.domains else None
    start = time.process_time()
    outputs = [
        np.asarray(translator(wave, to=target, source=given, sample_rate_hz=RATE_HZ), np.float32) for wave in waves
    ]
    factor = (time.process_time() - start) / (sum(map(len, waves)) / RATE_HZ)
    return outputs, {"steps": load_model(run, "last").step, "real_time": round(factor, 3)}


def measure_route(
    data: Path,
    source: Path,
    target: str,
    args: argparse.Namespace,
    judges: Judges,
    train: Mapping[str, DomainFiles],
) -> None:
    """Measure a route for each amount of the target's speech; append a row for each and print it."""
    sources, targets = read_sentences(source, args.sentences), read_sentences(data / "test" / target, None)
    names = [name for name in sources if name in targets]
    with (data / "text.csv").open(encoding="utf-8", newline="") as file:
        transcripts = {remove_suffix(row["file"]): row["text"] for row in csv.DictReader(file)}
    route = f"{source.name} -> {target}"
    evaluator = VoiceEvaluator(
        [sources[name] for name in names],
        [targets[name] for name in names],
        RATE_HZ,
        parallel=True,
        transcripts=[transcripts[name] for name in names],
        judges=judges,
        resynthesise=resynthesize,
        route=route,
    )
    for index, seconds in enumerate(args.seconds):
        target_files, length = take_seconds(train[target], seconds)
        systems: dict[str, SystemMeasures] = {}
        speed = {}
        for kind in args.converters:
            source_files = None if kind == "content" else train[source.name]
            outputs, speed[kind] = convert_all(kind, target_files, source_files, [sources[name] for name in names])
            systems[kind] = evaluator.measure(outputs, kind)
            print(route, round(length), kind, json.dumps(figures(systems)[kind]), speed[kind], flush=True)
        for run in args.runs:
            outputs, speed[run.name] = translate_all(run, source.name, target, [sources[name] for name in names])
            systems[run.name] = evaluator.measure(outputs, run.name)
            print(route, run.name, json.dumps(figures(systems)[run.name]), speed[run.name], flush=True)
        if args.references and not index:
            copy = evaluator.measure_copy_synthesis()
            systems |= {DO_NOTHING: evaluator.measure_identity(), REAL: evaluator.measure_targets()}
            systems |= {} if copy is None else {COPY_SYNTHESIS: copy}
        row: dict[str, Any] = {
            "data": data.name,
            "route": route,
            "target_seconds": round(length),
            "sentences": len(names),
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
    parser.add_argument("--references", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--judges", default=ALL)
    args = parser.parse_args()
    names = sorted(folder.name for folder in (args.data / "test").iterdir())
    folders = discover_collections([args.data / "train" / name for name in names])
    train = {files.name: files for files in folders}
    judges = find_judges(parse_kinds(args.judges))
    for source, target in (names, names[::-1]):
        folder = args.data / "test" / source if args.speaker is None else args.speaker
        measure_route(args.data, folder, target, args, judges, train)


if __name__ == "__main__":
    main()
