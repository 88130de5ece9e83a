"""Commands of `unpaired` in forked processes, with time limits and checks of what users must never get.

Modules are imported once, in the parent process, so that a command takes milliseconds.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from unpaired.cli.main import main as run_unpaired
from unpaired.media.voice import audio_io
from unpaired.metrics import features

MAX_SECONDS, MAX_CPU_SECONDS = 600.0, 60.0
"""Time limits of a command: elapsed time, after which it is killed, and processor time, which other programs do not
lengthen; a longer one counts as a hang.
"""
TINY_FLAGS = (
    *("--preset", "tiny", "--width", "4", "--blocks", "1", "--discriminator-width", "4", "--batch-size", "2"),
    *("--threads", "1", "--precision", "fp32", "--device", "cpu", "--workers", "0"),
)
"""Flags of a run that trains in milliseconds."""
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)|^Exception (?:in|ignored)|^\w+Error: ", re.MULTILINE)


@dataclass(frozen=True)
class CommandResult:
    """Exit code (negative: signal), standard output and error together, and duration of a command."""

    arguments: tuple[str, ...]
    code: int
    output: str
    seconds: float
    cpu_seconds: float

    def find_fault(self, codes: Sequence[int] = (0, 1, 2)) -> str:
        """Return what is wrong for any user: a traceback, a hang, a signal, another exit code; empty if nothing is."""
        command = f"unpaired {' '.join(self.arguments)}"
        if self.seconds >= MAX_SECONDS or self.cpu_seconds >= MAX_CPU_SECONDS:
            return f"{command}: took {self.seconds:.0f} s, {self.cpu_seconds:.0f} s of processor time"
        if _TRACEBACK.search(self.output):
            return f"{command}: traceback: {self.output[-1500:]}"
        if self.code not in codes:
            return f"{command}: exit code {self.code}: {self.output[-600:]}"
        if self.code != 0 and not self.output.strip():
            return f"{command}: exit code {self.code} without a message"
        return ""


def run_command(*arguments: object, log: Path, prepare: Callable[[], object] | None = None) -> CommandResult:
    """Run `unpaired ARGUMENTS` in a forked process, with its output in the file `log`.

    `prepare` is called in the child process first. The process is killed after `MAX_SECONDS`.
    """
    words = tuple(map(str, arguments))
    sys.stdout.flush()
    sys.stderr.flush()
    started = time.monotonic()
    process_id = os.fork()
    if process_id == 0:
        _run_and_exit(words, log, prepare)
    while True:
        ended, status, usage = os.wait4(process_id, os.WNOHANG)
        if ended:
            break
        if time.monotonic() - started > MAX_SECONDS:
            os.kill(process_id, signal.SIGKILL)
            _, status, usage = os.wait4(process_id, 0)
            break
        time.sleep(0.005)
    text = log.read_text(encoding="utf-8", errors="replace")
    seconds, cpu_seconds = time.monotonic() - started, usage.ru_utime + usage.ru_stime
    return CommandResult(words, os.waitstatus_to_exitcode(status), text, seconds, cpu_seconds)


def _run_and_exit(words: Sequence[str], log: Path, prepare: Callable[[], object] | None) -> None:
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        torch.set_num_threads(1)  # creates the thread pool of this process before several threads use it
        features.is_available = lambda: False  # metrics are not under test and take seconds
        if prepare is not None:
            prepare()
        code = run_unpaired(list(words))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # the parent process reads the traceback
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def make_images(root: Path, count: int = 12, side: int = 24) -> list[Path]:
    """Write two domains of synthetic images; return their folders."""
    folders = [root / "one", root / "two"]
    for seed, folder in enumerate(folders):
        folder.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        for i in range(count):
            pixels = np.full((side, side, 3), 230, np.uint8)
            x, y = rng.integers(0, side // 2, 2)
            pixels[y : y + side // 2, x : x + side // 2, seed] = 40
            Image.fromarray(pixels).save(folder / f"{i:02}.png")
    return folders


def make_voices(root: Path, count: int = 12, seconds: float = 0.6) -> list[Path]:
    """Write two domains of synthetic recordings; return their folders."""
    folders = [root / "one", root / "two"]
    for seed, folder in enumerate(folders):
        folder.mkdir(parents=True)
        for i in range(count):
            audio_io.write(folder / f"{i:02}.wav", make_sound(seconds, 110 + 70 * seed, i), 16000)
    return folders


def make_sound(seconds: float, hz: float, seed: int) -> Any:
    """Return a synthetic voice with amplitude modulation and noise, in [-1, 1]."""
    t = np.arange(round(seconds * 16000)) / 16000
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t + seed))) / 16000
    sound = sum(np.sin(n * phase) / n for n in range(1, 30))
    syllables = 0.3 + 0.7 * np.clip(2 * np.sin(2 * np.pi * 3.1 * t + seed) + 1, 0, 1)
    return np.asarray(0.1 * sound * syllables + np.random.default_rng(seed).normal(0, 1e-3, len(t)), np.float32)


@contextlib.contextmanager
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


def import_everything() -> None:
    """Import what commands import when they run, before processes are forked."""
    torch.set_num_threads(1)
    for name in ("lightning_fabric", "torch.utils.tensorboard", "unpaired.comparison", "unpaired.training.train"):
        importlib.import_module(name)


def empty_folder(folder: Path) -> None:
    """Remove everything in a folder, but not the folder, which may be a mount point."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
