"""Training that is killed and resumed, compared with a run that was never killed."""

from __future__ import annotations

import functools
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.kill_worker import (
    CHECKPOINT_EVERY,
    COMMON,
    SETTINGS,
    STEPS,
    KillReport,
    KillTarget,
    MediumName,
    Worker,
    discard_line,
    make_data,
)
from unpaired.runs import files as run_files
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training import logging, run_training, train, trainer
from unpaired.training.loop import TrainingLoop

TRAIN_PHASES: dict[str, tuple[object, str]] = {
    "step": (TrainingLoop, "step"),
    "checkpoint": (trainer, "save_checkpoint"),
    "model": (trainer, "save_model"),
    "history": (History, "add"),
    "rewinding the history": (History, "rewind"),
    "file lists": (run_files, "write_file_list"),
    "configuration": (train, "write_config"),
    "sample grid": (logging.TrainingLog, "log_samples"),
    "report": (run_training, "write_report"),
}
"""Phase of a training run -> the function that executes it."""


def try_training(medium: MediumName, instants: int, seed: int, folder: Path) -> KillReport:
    """Kill training `instants` times; each run continues to its end and is compared with an uninterrupted run."""
    report, rng, worker = KillReport(), random.Random(seed), Worker(TRAIN_PHASES)
    data = make_data(medium, folder / "data")
    settings = COMMON | SETTINGS[medium]

    def begin(path: Path) -> Path:
        return train.train(*data, out=path, log=discard_line, **settings)

    begin_reference = functools.partial(begin, folder / "reference")
    worker.run(begin_reference, None)  # fills caches
    shutil.rmtree(folder / "reference")
    started = time.perf_counter()
    code, _ = worker.run(begin_reference, None)
    total_s = time.perf_counter() - started
    if code != 0:
        report.faults.append("the reference did not finish")
        return report
    trial, run_count = 0, 0
    while trial < instants:
        run_count += 1
        path = folder / f"run-{run_count}"
        targets = [worker.choose_target(rng, total_s, n) for n in range(trial, instants)]
        trial += kill_one_run(worker, functools.partial(begin, path), path, targets, report)
        report.faults += [f"{path.name}: {fault}" for fault in compare_runs(folder / "reference", path)]
        shutil.rmtree(path, ignore_errors=True)
    return report


def kill_one_run(
    worker: Worker, begin: Callable[[], object], path: Path, targets: Sequence[KillTarget], report: KillReport
) -> int:
    """Train a run to its end, killed at each of `targets` in turn; return the number of targets used."""
    worker.reset_steps()
    used = 0
    while True:
        saved = list_checkpoints(path / "checkpoints")
        worker.reset_steps(int(saved[-1].name.removeprefix("step-")) if saved else 0)
        if not saved:
            shutil.rmtree(path, ignore_errors=True)  # without a checkpoint, the run starts again
        target = targets[used] if used < len(targets) else None
        code, phase = worker.run(functools.partial(train.resume, path, log=discard_line) if saved else begin, target)
        used += target is not None
        if code != -9:
            break
        report.kills[phase] += 1
        check_killed_run(path, worker.steps, report)
    report.finished_before += target is not None
    if code != 0 and not is_complete(path):  # a complete run cannot be resumed
        report.faults.append(f"{path.name}: could not be continued (exit code {code})")
    return used


def is_complete(path: Path) -> bool:
    """Return whether the last step of a run is saved."""
    saved = list_checkpoints(path / "checkpoints")
    return bool(saved) and int(saved[-1].name.removeprefix("step-")) >= STEPS


def check_killed_run(path: Path, steps_done: int, report: KillReport) -> None:
    """Read every tensor file of a killed run, and count the lost steps."""
    for file in [*path.glob("checkpoints/step-*/*.safetensors"), *path.glob("*.safetensors")]:
        try:
            read_tensors(file)
        except Exception as error:  # any error is a fault of the run
            report.faults.append(f"{file}: {error}")
    saved = list_checkpoints(path / "checkpoints")
    if not saved:
        report.before_first_checkpoint += 1
    last_step = int(saved[-1].name.removeprefix("step-")) if saved else 0
    lost = steps_done - last_step
    report.most_steps_lost = max(report.most_steps_lost, lost)
    if lost > CHECKPOINT_EVERY:
        report.faults.append(f"{path.name}: {lost} steps lost, checkpoints are {CHECKPOINT_EVERY} apart")


def compare_runs(reference: Path, path: Path) -> Iterator[str]:
    """Yield the differences between two finished runs: tensors, steps of the history, file lists, temporary files."""
    names = [f"checkpoints/step-{STEPS:09}/state.safetensors", "model.safetensors", "best.safetensors"]
    for name in names:
        if (reference / name).exists() != (path / name).exists():
            yield f"{name}: exists in one run only"
        elif (path / name).exists():
            one, other = read_tensors(reference / name)[0], read_tensors(path / name)[0]
            if one.keys() != other.keys() or any(not torch.equal(one[key], other[key]) for key in one):
                yield f"{name}: not bitwise equal"
    kinds = ("evaluation", "samples")
    histories = [History(RunFolder(run).history) for run in (reference, path)]
    for kind in kinds:
        one_steps, other_steps = ([line["step"] for line in history.read(kind)] for history in histories)
        if one_steps != other_steps:
            yield f"history of {kind}: steps {other_steps}, expected {one_steps}"
    for file in sorted((reference / "files").iterdir()):
        if file.read_bytes() != (path / "files" / file.name).read_bytes():
            yield f"{file.name}: different file list"
    if not (path / "report.html").is_file() or "</html>" not in (path / "report.html").read_text("utf-8"):
        yield "report.html: missing or truncated"
    yield from (f"{left.relative_to(path)}: temporary file left" for left in path.rglob("*.part"))
