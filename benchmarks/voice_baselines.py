"""The floor and the ceiling of voice conversion on parallel test sentences: what every trained converter must beat.

    python -m benchmarks.voice_baselines $DATA/voice_flite

Both directions between the two speakers of `train/` and `test/`: doing nothing; mean and deviation per coefficient
(affine); the optimal transport between Gaussians; nearest neighbours of frames (kNN); copy-synthesis; the real target.
They learn from the training sentences, without pairs. A row per direction goes to results.jsonl and is printed.
`text.csv` (file, text) gives the words. `--sentences N` takes the first N test sentences; `--judges` says which
networks judge (all, none, or some of speakers,words,naturalness, of which the last takes most of the time).
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
from unpaired.metrics.base import DO_NOTHING

WORLD = World()


class Gaussian:
    """The optimal transport from a Gaussian of the source's mean and covariance to one of the target's."""

    def __init__(self, source: Floats, target: Floats) -> None:
        root, inverse = roots(np.cov(source))
        middle, _ = roots(root @ np.cov(target) @ root)
        self.matrix = inverse @ middle @ inverse
        self.means = source.mean(1, keepdims=True), target.mean(1, keepdims=True)

    def __call__(self, values: Floats) -> Floats:
        """(coefficients, frames) to the same."""
        return np.asarray(self.matrix @ (values - self.means[0]) + self.means[1], np.float32)


def roots(covariance: Any) -> tuple[Any, Any]:
    """The square root of a covariance, and its inverse."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.sqrt(np.maximum(values, 1e-10))
    return (vectors * values) @ vectors.T, (vectors / values) @ vectors.T


Fit = Callable[[Floats, Floats], Callable[[Floats], Floats]]
BASELINES: dict[str, Fit] = {"affine": AffineBaseline.fit, "Gaussian": Gaussian, "kNN": NearestNeighbourBaseline.fit}


@cache
def learnt(folder: Path) -> tuple[Floats, SpeakerStatistics]:
    """The speech frames (coefficients, frames) of a speaker's training sentences, and their statistics."""
    sentences: list[tuple[VoiceFeatures, Mask, float]] = []
    for file in sorted(folder.iterdir()):
        features = WORLD.analyse(read(file, WORLD.sample_rate_hz).wave)
        sentences.append((features, detect_speech_by_level(features["level"][0], FRAME_SECONDS), float("nan")))
    return np.concatenate([f.values[:, mask] for f, mask, _ in sentences], axis=1), compute_statistics(sentences)


def copied(wave: Wave, _: int) -> Wave:
    """Through analysis and synthesis."""
    return WORLD.synthesise(WORLD.analyse(wave))


def direction(data: Path, source: str, target: str, count: int | None, judges: Judges) -> dict[str, SystemMeasures]:
    """Measures of all systems from `source` to `target`."""
    names = sorted(file.name for file in (data / "test" / source).iterdir())[:count]
    given, truth = (
        [read(data / "test" / speaker / name, WORLD.sample_rate_hz).wave for name in names]
        for speaker in (source, target)
    )
    with (data / "text.csv").open(encoding="utf-8", newline="") as file:
        said = {row["file"]: row["text"] for row in csv.DictReader(file)}
    evaluator = VoiceEvaluator(
        given,
        truth,
        WORLD.sample_rate_hz,
        parallel=True,
        transcripts=[said[name] for name in names],
        judges=judges,
        resynthesise=copied,
        route=f"{source} -> {target}",
    )
    (frames, ours), (target_frames, theirs) = (learnt(data / "train" / speaker) for speaker in (source, target))
    analysed = [WORLD.analyse(wave) for wave in given]
    measures = {DO_NOTHING: evaluator.measure_identity()}
    for name, fit in BASELINES.items():
        convert = make_feature_converter(fit(frames, target_frames), ours, theirs)
        measures[name] = evaluator.measure([WORLD.synthesise(convert(f)) for f in analysed], name)
    copy = evaluator.measure_copy_synthesis()
    assert copy is not None
    return measures | {COPY_SYNTHESIS: copy, REAL: evaluator.measure_targets()}


def figures(measures: Mapping[str, SystemMeasures]) -> dict[str, dict[str, float]]:
    """The rounded numbers of each system, which a row keeps."""
    return {system: {name: round(value, 4) for name, value in row.items()} for system, row in measures.items()}


def main() -> None:
    """Measure both directions, append a row for each and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sentences", type=int)
    parser.add_argument("--judges", default=ALL)
    asked = parser.parse_args()
    speakers = sorted(folder.name for folder in (asked.data / "test").iterdir())
    judges = find_judges(parse_kinds(asked.judges))
    for source, target in (speakers, speakers[::-1]):
        start = time.perf_counter()
        measures = direction(asked.data, source, target, asked.sentences, judges)
        seconds = time.perf_counter() - start
        row = {"data": asked.data.name, "route": f"{source} -> {target}", "systems": figures(measures)}
        append_row("voice-baselines", {**row, "judges": [*judges.networks.values()], "seconds": round(seconds)}, seed=0)
        print(json.dumps(row, indent=1), flush=True)


if __name__ == "__main__":
    main()
