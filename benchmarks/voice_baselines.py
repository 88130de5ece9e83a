"""Baselines and upper bounds of voice conversion on parallel test sentences.

    python -m benchmarks.voice_baselines $DATA/voice_flite

Measures both routes between the two speakers of `train/` and `test/`: the unconverted source; matched mean and standard
deviation per coefficient (affine); optimal transport between Gaussians; nearest-neighbour frames (kNN); copy-synthesis;
the real target. Baselines are fitted to the training sentences without pairs. Appends a row per route to results.jsonl
and prints it. `text.csv` (file, text) contains the transcripts. `--sentences N` uses the first N test sentences;
`--judges` selects the evaluation networks: all, none, or some of speakers,words,naturalness (the slowest).
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import append_row
from unpaired.media.voice.audio_io import Wave, read
from unpaired.media.voice.baseline_converters import AffineBaseline, NearestNeighbourBaseline
from unpaired.media.voice.conversion import make_feature_converter
from unpaired.media.voice.features import Floats, VoiceFeatures
from unpaired.media.voice.metrics.declarations import COPY_SYNTHESIS, REAL
from unpaired.media.voice.metrics.judges import ALL, Judges, find_judges, parse_kinds
from unpaired.media.voice.metrics.measurement import SystemMeasures, VoiceEvaluator
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.statistics import compute_statistics
from unpaired.media.voice.vad import Mask, detect_speech_by_level
from unpaired.media.voice.world import FRAME_SECONDS, World
from unpaired.metrics.base import DOING_NOTHING

WORLD = World()


class Gaussian:
    """Optimal transport map between Gaussians with the means and covariances of source and target frames."""

    def __init__(self, source: Floats, target: Floats) -> None:
        source_root, inverse = matrix_roots(np.cov(source))
        middle, _ = matrix_roots(source_root @ np.cov(target) @ source_root)
        self.matrix = inverse @ middle @ inverse
        self.means = source.mean(1, keepdims=True), target.mean(1, keepdims=True)

    def __call__(self, values: Floats) -> Floats:
        """Map frames (coefficients, frames) of the source to the target."""
        return np.asarray(self.matrix @ (values - self.means[0]) + self.means[1], np.float32)


def matrix_roots(covariance: Any) -> tuple[Any, Any]:
    """Return the square root of a covariance matrix and the inverse of that root."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.sqrt(np.maximum(values, 1e-10))
    return (vectors * values) @ vectors.T, (vectors / values) @ vectors.T


Fit = Callable[[Floats, Floats], Callable[[Floats], Floats]]
BASELINES: dict[str, Fit] = {"affine": AffineBaseline.fit, "Gaussian": Gaussian, "kNN": NearestNeighbourBaseline.fit}


@cache
def load_training_frames(folder: Path) -> tuple[Floats, SpeakerStatistics]:
    """Return the speech frames (coefficients, frames) of a speaker's training sentences, and their statistics."""
    sentences: list[tuple[VoiceFeatures, Mask, float]] = []
    for file in sorted(folder.iterdir()):
        features = WORLD.analyse(read(file, WORLD.sample_rate_hz).wave)
        sentences.append((features, detect_speech_by_level(features["level"][0], FRAME_SECONDS), float("nan")))
    return np.concatenate([f.values[:, mask] for f, mask, _ in sentences], axis=1), compute_statistics(sentences)


def resynthesize(wave: Wave, _: int) -> Wave:
    """Analyse and resynthesize a wave (copy-synthesis)."""
    return WORLD.synthesize(WORLD.analyse(wave))


def measure_route(data: Path, source: str, target: str, count: int | None, judges: Judges) -> dict[str, SystemMeasures]:
    """Measure all systems on the route from `source` to `target`."""
    names = sorted(file.name for file in (data / "test" / source).iterdir())[:count]
    sources, targets = (
        [read(data / "test" / speaker / name, WORLD.sample_rate_hz).wave for name in names]
        for speaker in (source, target)
    )
    with (data / "text.csv").open(encoding="utf-8", newline="") as file:
        transcripts = {row["file"]: row["text"] for row in csv.DictReader(file)}
    evaluator = VoiceEvaluator(
        sources,
        targets,
        WORLD.sample_rate_hz,
        parallel=True,
        transcripts=[transcripts[name] for name in names],
        judges=judges,
        resynthesize=resynthesize,
        route=f"{source} -> {target}",
    )
    (frames, source_statistics), (target_frames, target_statistics) = (
        load_training_frames(data / "train" / speaker) for speaker in (source, target)
    )
    analysed = [WORLD.analyse(wave) for wave in sources]
    measures = {DOING_NOTHING: evaluator.measure_identity()}
    for name, fit in BASELINES.items():
        convert = make_feature_converter(fit(frames, target_frames), source_statistics, target_statistics)
        measures[name] = evaluator.measure([WORLD.synthesize(convert(f)) for f in analysed], name)
    copy = evaluator.measure_copy_synthesis()
    assert copy is not None
    return measures | {COPY_SYNTHESIS: copy, REAL: evaluator.measure_targets()}


def figures(measures: Mapping[str, SystemMeasures]) -> dict[str, dict[str, float]]:
    """Return the measures of each system, rounded to 4 digits."""
    return {system: {name: round(value, 4) for name, value in row.items()} for system, row in measures.items()}


def main() -> None:
    """Measure both routes, append a row for each and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sentences", type=int)
    parser.add_argument("--judges", default=ALL)
    args = parser.parse_args()
    speakers = sorted(folder.name for folder in (args.data / "test").iterdir())
    judges = find_judges(parse_kinds(args.judges))
    for source, target in (speakers, speakers[::-1]):
        start = time.perf_counter()
        measures = measure_route(args.data, source, target, args.sentences, judges)
        seconds = time.perf_counter() - start
        row = {"data": args.data.name, "route": f"{source} -> {target}", "systems": figures(measures)}
        append_row("voice-baselines", {**row, "judges": [*judges.networks.values()], "seconds": round(seconds)}, seed=0)
        print(json.dumps(row, indent=1), flush=True)


if __name__ == "__main__":
    main()
