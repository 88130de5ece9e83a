"""The floor and the ceiling of voice conversion on parallel test sentences: what every trained converter must beat.

    DATA=... python -m benchmarks.voice_baselines $DATA/voice_flite

Both directions between the two speakers of `train/` and `test/`: doing nothing, mean and variance per coefficient
(affine), full-covariance Gaussian transport, nearest neighbours of frames (kNN), copy-synthesis, the real target. They
learn from the training sentences, without pairs. A row per direction goes to results.jsonl; the table is printed.
`text.csv` (file, text) gives the words. `--sentences N` takes the first N test sentences, `--no-judges` leaves out what
networks judge (speakers, words, naturalness), which takes most of the time.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.results import append_row
from unpaired.evaluation.voice.judges import Judges, installed
from unpaired.evaluation.voice.measure import VoiceMeasures, measure_conversion
from unpaired.evaluation.voice.table import definitions, table
from unpaired.media.voice.features import Features
from unpaired.media.voice.recording import Wave, read
from unpaired.media.voice.world import World, log_f0_transform

Doubles = npt.NDArray[np.float64]
Convert = Callable[[Doubles], Doubles]
"""Mel-cepstra c1.. of the source (T, D) to those of the target."""

NEIGHBOURS = 4
LOUD_DB = 40.0


def loud(features: Features) -> npt.NDArray[np.bool_]:
    """(T,): frames that say something of the voice."""
    level = features["level"][0]
    return np.asarray(level > level.max() - LOUD_DB)


def gathered(sentences: list[Features]) -> Doubles:
    """All loud frames (N, D)."""
    return np.concatenate([s.values.T[loud(s)] for s in sentences]).astype(np.float64)


def affine(source: Doubles, target: Doubles) -> Convert:
    """Mean and deviation of each coefficient."""
    scale = target.std(0) / source.std(0)
    return lambda x: (x - source.mean(0)) * scale + target.mean(0)


def gaussian(source: Doubles, target: Doubles) -> Convert:
    """The optimal transport between Gaussians of these means and covariances."""
    root, inverse = powers(np.cov(source.T))
    middle, _ = powers(root @ np.cov(target.T) @ root)
    matrix = inverse @ middle @ inverse
    return lambda x: (x - source.mean(0)) @ matrix + target.mean(0)


def powers(covariance: Doubles) -> tuple[Doubles, Doubles]:
    """Its square root, and the inverse of that."""
    values, vectors = np.linalg.eigh(covariance)
    values = np.sqrt(np.maximum(values, 1e-10))
    return (vectors * values) @ vectors.T, (vectors / values) @ vectors.T


def neighbours(source: Doubles, target: Doubles) -> Convert:
    """The mean of the nearest target frames, both sides z-scored by their own statistics."""
    known = (target - target.mean(0)) / target.std(0)
    halves = np.square(known).sum(1) / 2

    def convert(x: Doubles) -> Doubles:
        asked = (x - source.mean(0)) / source.std(0)
        nearest = np.argpartition(halves - asked @ known.T, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        return np.asarray(target[nearest].mean(1))

    return convert


BASELINES = {"affine": affine, "Gaussian": gaussian, "kNN": neighbours}


def log_f0(sentences: list[Features]) -> tuple[float, float]:
    """Mean and deviation of log F0 over voiced frames."""
    f0 = np.concatenate([s["f0"][0] for s in sentences])
    logs = np.log(f0[f0 > 0])
    return float(logs.mean()), float(logs.std())


def waves(folder: Path, world: World, names: list[str]) -> list[Wave]:
    """The sentences of a speaker."""
    return [read(folder / name, world.sample_rate_hz).wave for name in names]


def direction(
    data: Path, source: str, target: str, count: int | None, judges: Judges
) -> tuple[list[VoiceMeasures], float]:
    """Measures of all systems from `source` to `target`, and the seconds they took."""
    start, world = time.perf_counter(), World()
    names = sorted(file.name for file in (data / "test" / source).iterdir())[:count]
    learnt = {}
    for speaker in (source, target):
        files = sorted(file.name for file in (data / "train" / speaker).iterdir())
        learnt[speaker] = [world.analyse(wave) for wave in waves(data / "train" / speaker, world, files)]
    frames = [gathered(learnt[speaker]) for speaker in (source, target)]
    pitch = [log_f0(learnt[speaker]) for speaker in (source, target)]
    given, truth = (waves(data / "test" / speaker, world, names) for speaker in (source, target))
    analysed = [world.analyse(wave) for wave in given]
    made = {}
    for name, baseline in BASELINES.items():
        convert = baseline(frames[0], frames[1])
        made[name] = [
            world.synthesise(
                f.replaced(
                    values=convert(f.values.T.astype(np.float64)).T, f0=log_f0_transform(f["f0"][0], pitch[0], pitch[1])
                )
            )
            for f in analysed
        ]
    with (data / "text.csv").open(encoding="utf-8", newline="") as file:
        said = {row["file"]: row["text"] for row in csv.DictReader(file)}
    measures = measure_conversion(
        given,
        made.pop("affine"),
        truth,
        world.sample_rate_hz,
        parallel=True,
        others=made,
        texts=[said[name] for name in names],
        judges=judges,
        resynthesise=lambda wave, _: world.synthesise(world.analyse(wave)),
        route=f"{source} -> {target}",
    )
    measures[0] = measures[0].model_copy(update={"system": "affine"})
    return measures, time.perf_counter() - start


def figures(measures: list[VoiceMeasures]) -> dict[str, dict[str, float]]:
    """What a row keeps: the numbers of each system."""
    dropped = {"route", "system", "judges", "missing"}
    kept = {m.system: m.model_dump(exclude=dropped, exclude_none=True) for m in measures}
    return {system: {name: round(value, 4) for name, value in row.items()} for system, row in kept.items()}


def main() -> None:
    """Measure both directions, append a row for each and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sentences", type=int)
    parser.add_argument("--no-judges", action="store_true")
    asked = parser.parse_args()
    speakers = sorted(folder.name for folder in (asked.data / "test").iterdir())
    judges = Judges() if asked.no_judges else installed()
    every: list[VoiceMeasures] = []
    for source, target in (speakers, speakers[::-1]):
        measures, seconds = direction(asked.data, source, target, asked.sentences, judges)
        row = {"data": asked.data.name, "route": measures[0].route, "systems": figures(measures)}
        append_row("voice-baselines", {**row, "judges": list(measures[0].judges), "seconds": round(seconds)}, seed=0)
        print(table(measures), end="\n\n", flush=True)
        every += measures
    print(definitions(every))


if __name__ == "__main__":
    main()
