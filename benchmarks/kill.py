"""Kill training and translation (SIGKILL) at random times, and compare the final results with uninterrupted ones.

Each trial starts the work in a new process, kills it, checks every existing file, and continues the work. Half of the
kill times are uniform over the total duration. The others fall into a named phase: of training a step, a checkpoint, a
model, the history, a file list, a sample grid or the report; of translation a batch, the writing of a file or its row
in the manifest.

    python -m benchmarks.kill --instants 50
"""

from __future__ import annotations

import argparse
import functools
import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from benchmarks.results import append_row
from unpaired.media.image import image_io
from unpaired.media.image.pipeline import ImagePipeline
from unpaired.media.voice import audio_io
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.metrics import features
from unpaired.runs import files as run_files
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.runs.lock import LOCK_FILE
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training import logging, train, trainer
from unpaired.training.loop import TrainingLoop
from unpaired.translate import Translator, translate_files
from unpaired.translate.manifest import DATABASE_NAME, Manifest

MediumName = Literal["image", "voice"]
CHECKPOINT_EVERY, STEPS = 3, 12
TRAIN_PHASES: dict[str, tuple[object, str]] = {
    "step": (TrainingLoop, "step"),
    "checkpoint": (trainer, "save_checkpoint"),
    "model": (trainer, "save_model"),
    "history": (History, "add"),
    "rewinding the history": (History, "rewind"),
    "file lists": (run_files, "write_file_list"),
    "configuration": (train, "write_config"),
    "sample grid": (logging.TrainingLog, "log_samples"),
    "report": (train, "write_report"),
}
"""Phase of a training run -> the function that executes it."""
TRANSLATE_PHASES: dict[MediumName, dict[str, tuple[object, str]]] = {
    "image": {
        "batch": (ImagePipeline, "run"),
        "writing a file": (image_io, "atomic_write"),
        "record": (Manifest, "mark_finished"),
        "beginning of a record": (Manifest, "mark_started"),
    },
    "voice": {
        "batch": (VoicePipeline, "run"),
        "writing a file": (audio_io, "_write_blocks"),
        "record": (Manifest, "mark_finished"),
        "beginning of a record": (Manifest, "mark_started"),
    },
}
SETTINGS: dict[MediumName, dict[str, Any]] = {
    "image": {"size": 16},
    "voice": {"mcep_order": 8, "crop_frames": 16, "vad": "energy"},
}
COMMON: dict[str, Any] = {
    "preset": "tiny",
    "width": 4,
    "blocks": 1,
    "discriminator_width": 4,
    "batch_size": 2,
    "threads": 1,
    "precision": "fp32",
    "device": "cpu",
    "steps": STEPS,
    "checkpoint_every": CHECKPOINT_EVERY,
    "evaluate_every": 4,
    "sample_every": 4,
}


@dataclass(frozen=True)
class KillTarget:
    """Time of a kill: seconds after the start of the process, or of the `entry`-th call of a phase's function."""

    delay_s: float
    phase: str | None = None
    entry: int = 1


@dataclass
class KillReport:
    """Results of the trials: number of kills per phase, and all differences from uninterrupted work."""

    kills: Counter[str] = field(default_factory=Counter)
    finished_before: int = 0
    before_first_checkpoint: int = 0
    most_steps_lost: int = 0
    faults: list[str] = field(default_factory=list)


class Worker:
    """Runs work in forked processes and kills them, for instance inside one of `phases`."""

    def __init__(self, phases: dict[str, tuple[object, str]]) -> None:
        self.phases = phases
        self.names = list(phases)
        self.shared = mmap.mmap(-1, 4096)
        """Byte 0: current phase; bytes 8 to 15: finished steps; then seconds of the last call of each phase."""

    def run(self, work: Callable[[], object], target: KillTarget | None) -> tuple[int, str]:
        """Run `work` in a new process; return its exit code (-9: killed) and the phase in which it ended."""
        self.shared[0] = 255
        sys.stdout.flush()
        process_id = os.fork()
        if process_id == 0:
            self._work_and_exit(work, target)
        _, status = os.waitpid(process_id, 0)
        phase = self.names[self.shared[0]] if self.shared[0] < len(self.names) else "between"
        return os.waitstatus_to_exitcode(status), phase

    def _work_and_exit(self, work: Callable[[], object], target: KillTarget | None) -> None:
        code = 1
        try:
            features.is_available = lambda: False  # metrics are not under test and take seconds
            if target is not None and target.phase is None:
                kill_after(target.delay_s)
            for index, (name, (owner, attribute)) in enumerate(self.phases.items()):
                setattr(owner, attribute, self._watch(index, name, getattr(owner, attribute), target))
            work()
            code = 0
        except BaseException as error:  # the parent process reads the exit code
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _watch(
        self, index: int, name: str, function: Callable[..., Any], target: KillTarget | None
    ) -> Callable[..., Any]:
        entries = 0

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            nonlocal entries
            entries += 1
            outer, self.shared[0] = self.shared[0], index
            if target is not None and target.phase == name and target.entry == entries:
                kill_after(target.delay_s)
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                if name == "step":
                    struct.pack_into("q", self.shared, 8, struct.unpack_from("q", self.shared, 8)[0] + 1)
                struct.pack_into("d", self.shared, 16 + 8 * index, time.perf_counter() - started)
                self.shared[0] = outer

        return watched

    @property
    def steps(self) -> int:
        """Number of steps finished since `reset_steps`."""
        return int(struct.unpack_from("q", self.shared, 8)[0])

    def reset_steps(self, value: int = 0) -> None:
        """Set the number of finished steps."""
        struct.pack_into("q", self.shared, 8, value)

    def choose_target(self, rng: random.Random, total_s: float, trial: int) -> KillTarget:
        """Draw a kill time: of the total duration in every second trial, else within a phase."""
        if trial % 2 == 0:
            return KillTarget(rng.uniform(0, total_s))
        index = (trial // 2) % len(self.names)
        duration_s = struct.unpack_from("d", self.shared, 16 + 8 * index)[0]
        return KillTarget(rng.uniform(0, duration_s), self.names[index], rng.randint(1, 3))


def kill_after(seconds: float) -> None:
    """Send SIGKILL to this process after some seconds."""

    def kill() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()


def discard_line(_: str) -> None:
    """Discard a line."""


def make_data(medium: MediumName, root: Path) -> list[Path]:
    """Write two synthetic domains of a medium; return their folders."""
    folders = [root / "one", root / "two"]
    for seed, folder in enumerate(folders):
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        for i in range(12):
            if medium == "image":
                pixels = np.full((24, 24, 3), 230, np.uint8)
                x, y = rng.integers(0, 12, 2)
                pixels[y : y + 12, x : x + 12, seed] = 40
                Image.fromarray(pixels).save(folder / f"{i:02}.png")
            else:
                audio_io.write(folder / f"{i:02}.wav", make_sound(0.6, 110 + 70 * seed, i), 16000)
    return folders


def make_sound(seconds: float, hz: float, seed: int) -> npt.NDArray[np.float32]:
    """Return a synthetic voice with amplitude modulation and noise, in [-1, 1]."""
    t = np.arange(round(seconds * 16000)) / 16000
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t + seed))) / 16000
    sound = sum(np.sin(n * phase) / n for n in range(1, 30))
    syllables = 0.3 + 0.7 * np.clip(2 * np.sin(2 * np.pi * 3.1 * t + seed) + 1, 0, 1)
    return np.asarray(0.1 * sound * syllables + np.random.default_rng(seed).normal(0, 1e-3, len(t)), np.float32)


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


def try_translation(medium: MediumName, instants: int, seed: int, folder: Path) -> KillReport:
    """Kill the translation of a folder `instants` times; repeat the same call until all files are done."""
    report, rng, worker = KillReport(), random.Random(seed), Worker(TRANSLATE_PHASES[medium])
    data = make_data(medium, folder / "data")
    run = folder / "run"
    settings = COMMON | SETTINGS[medium] | {"steps": 1, "checkpoint_every": None, "evaluate_every": 0}
    code, _ = Worker({}).run(lambda: train.train(*data, out=run, log=discard_line, **settings), None)
    if code != 0:
        report.faults.append("the training of the run failed")
        return report
    counts = mmap.mmap(-1, 16)

    def translate(out: Path) -> None:
        translator = Translator.load(run, device="cpu")
        outcome = translate_files(translator, [data[0]], out, translator.resolve_request("two"), batch_size=2)
        struct.pack_into("qq", counts, 0, outcome.done, outcome.skipped)
        if outcome.failed:
            raise RuntimeError(str(outcome.failed[0]))

    worker.run(functools.partial(translate, folder / "warm"), None)
    started = time.perf_counter()
    worker.run(functools.partial(translate, folder / "reference"), None)
    total_s = time.perf_counter() - started
    expected = read_outputs(folder / "reference")
    if len(expected) != len(list(data[0].iterdir())):
        report.faults.append("the reference did not finish")
        return report
    trial, out_count = 0, 0
    while trial < instants:
        out_count += 1
        out = folder / f"out-{out_count}"
        code = -9
        while code == -9:
            target = worker.choose_target(rng, total_s, trial) if trial < instants else None
            code, phase = worker.run(functools.partial(translate, out), target)
            trial += target is not None
            report.finished_before += target is not None and code != -9
            if code == -9:
                report.kills[phase] += 1
                report.faults += [
                    f"{out.name}/{name}: incomplete or different file"
                    for name, content in read_outputs(out).items()
                    if expected.get(name) != content
                ]
        done, skipped = struct.unpack_from("qq", counts, 0)
        if code != 0 or done + skipped != len(expected):
            report.faults.append(f"{out.name}: exit code {code}, {done} done and {skipped} skipped of {len(expected)}")
        if read_outputs(out) != expected:
            report.faults.append(f"{out.name}: outputs differ from an uninterrupted translation")
        report.faults += [
            f"{out.name}/{left.name}: temporary file left"
            for left in out.iterdir()
            if left.name.startswith(".") and left.name not in (DATABASE_NAME, LOCK_FILE)
        ]
        shutil.rmtree(out, ignore_errors=True)
    return report


def read_outputs(out: Path) -> dict[str, bytes]:
    """Return the visible files of an output folder: name -> content."""
    if not out.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in sorted(out.iterdir()) if not file.name.startswith(".")}


@contextmanager
def own_cache(folder: Path) -> Iterator[None]:
    """Store the cache in `folder` within the context."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


TRIALS: dict[str, Callable[[MediumName, int, int, Path], KillReport]] = {
    "train": try_training,
    "translate": try_translation,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run all trials and append a row for each; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill", description=__doc__)
    parser.add_argument("--instants", type=int, default=50, help="number of kills per kind of work and medium")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--media", default="image,voice")
    parser.add_argument("--work", default="train,translate")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    import lightning_fabric  # noqa: F401, PLC0415 - imported once, before processes are forked

    failed = False
    for work in args.work.split(","):
        for medium in args.media.split(","):
            with tempfile.TemporaryDirectory() as folder, own_cache(Path(folder)):
                started = time.perf_counter()
                report = TRIALS[work](medium, args.instants, args.seed, Path(folder))
            figures = {
                "work": work,
                "medium": medium,
                "instants": args.instants,
                "kills": dict(report.kills),
                "finished_before_the_kill": report.finished_before,
                "before_first_checkpoint": report.before_first_checkpoint,
                "most_steps_lost": report.most_steps_lost,
                "checkpoint_every": CHECKPOINT_EVERY,
                "faults": len(report.faults),
                "seconds": round(time.perf_counter() - started),
            }
            sys.stdout.write(json.dumps(figures) + "\n")
            for fault in report.faults:
                sys.stdout.write(f"FAULT {fault}\n")
            sys.stdout.flush()
            append_row("kill", figures, args.seed)
            failed |= bool(report.faults)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
