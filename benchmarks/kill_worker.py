"""Processes that are killed (SIGKILL) at given instants, for `benchmarks.kill`."""

from __future__ import annotations

import functools
import mmap
import os
import random
import signal
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.commands import make_images, make_voices
from unpaired.metrics import features

MediumName = Literal["image", "voice"]
CHECKPOINT_EVERY, STEPS = 3, 12
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
            torch.set_num_threads(1)  # creates the thread pool of this process before several threads use it
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


def make_data(medium: MediumName, root: Path) -> list[Path]:
    """Write two synthetic domains of a medium; return their folders."""
    return make_images(root) if medium == "image" else make_voices(root)


def discard_line(_: str) -> None:
    """Discard a line."""
