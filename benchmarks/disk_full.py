"""Fill the disk at every write of every command, and continue afterwards.

Each command writes into a file system in memory that has room for n files (n = 1, 2, ...), and then for n pages of 4096
bytes, until the command succeeds. After each failure: the exit code is 1, the message names the full disk, no traceback
is printed, and every file under its final name is whole. Then there is room again, and the command that the message or
the documentation names must succeed.

    python -m benchmarks.disk_full [--commands train,translate] [--every-page N]

Needs Linux and the right to mount; otherwise start it in a namespace of its own: `unshare -rm python -m ...`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import soundfile
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from benchmarks.commands import (
    TINY_FLAGS,
    CommandResult,
    empty_folder,
    import_everything,
    make_images,
    make_voices,
    own_cache,
    run_command,
)
from benchmarks.results import append_row
from unpaired.runs.lock import LOCK_FILE
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.translate.manifest import DATABASE_NAME

PAGE_BYTES = 4096
KEPT = ("run/model.safetensors", "run/config.yaml")
"""Files of a run that a command which reads it must not change."""
FOREIGN_MODEL = Path(__file__).parents[1] / "tests" / "data_files" / "cyclegan_trace.safetensors"
GENERATOR = "init.G_A."
"""Tensors of a generator of the authors' CycleGAN code, and the beginning of their names."""
PLENTY = "size=256m,nr_inodes=100000"
TRAIN_FLAGS = [*TINY_FLAGS, "--steps", "4", "--checkpoint-every", "2", "--evaluate-every", "2", "--sample-every", "2"]


@dataclass(frozen=True)
class DiskCase:
    """One command under test.

    `prepare` fills the disk with what must exist before; `arguments` and `retry` are the command and its continuation,
    given the disk. With `keeps`, the files that exist before the command are unchanged after a failure.
    """

    prepare: Callable[[Path], object]
    arguments: Callable[[Path], Sequence[object]]
    retry: Callable[[Path], Sequence[object]]
    keeps: tuple[str, ...] = ()


@dataclass
class DiskReport:
    """Results of one command: number of failures by kind of limit, and faults."""

    failures: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@contextlib.contextmanager
def mounted_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system in memory at `folder`; raises PermissionError where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", PLENTY, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PermissionError(f"a file system cannot be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def set_room(disk: Path, options: str) -> None:
    """Change the limits of a mounted file system."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def count_used(disk: Path) -> dict[str, int]:
    """Return the numbers of files and of pages that are in use."""
    text = subprocess.run(["stat", "-f", "-c", "%b %f %S %c %d", str(disk)], capture_output=True, text=True, check=True)
    blocks, free_blocks, size, inodes, free_inodes = map(int, text.stdout.split())
    return {"files": inodes - free_inodes, "pages": (blocks - free_blocks) * size // PAGE_BYTES}


def try_command(case: DiskCase, disk: Path, log: Path, every_file: int = 1, every_page: int = 1) -> DiskReport:
    """Run a command with room for 0, 1, 2, ... more files, and then pages, until it succeeds.

    `every_file` and `every_page` are the steps of these numbers.
    """
    report = DiskReport()
    limits = (
        ("files", "size=256m,nr_inodes", 1, every_file),
        ("pages", "nr_inodes=100000,size", PAGE_BYTES, every_page),
    )
    for kind, option, unit, every in limits:
        room = 0
        while True:
            set_room(disk, PLENTY)
            empty_folder(disk)
            case.prepare(disk)
            before = {name: (disk / name).read_bytes() for name in case.keeps}
            set_room(disk, f"{option}={max(1, count_used(disk)[kind] + room) * unit}")
            result = run_command(*case.arguments(disk), log=log)
            label = f"room for {room} more {kind}: "
            set_room(disk, PLENTY)
            report.faults += [label + fault for fault in list_faults(result, disk, before)]
            if result.code == 0:
                break
            report.failures[kind] += 1
            again = run_command(*case.retry(disk), log=log)
            if fault := again.find_fault((0,)):
                report.faults.append(f"{label}not continued: {fault}; before: {result.output[-400:]}")
            report.faults += [f"{label}after continuing: {fault}" for fault in list_damaged(disk)]
            room += every
    return report


def list_faults(result: CommandResult, disk: Path, before: dict[str, bytes]) -> Iterator[str]:
    """Yield what is wrong after a command that found a full disk."""
    if fault := result.find_fault((0, 1)):
        yield fault
    elif result.code == 1 and not any(word in result.output for word in ("full", "No space", "space")):
        yield f"the message does not name the full disk: {result.output[-500:]}"
    yield from list_damaged(disk)
    if result.code:
        yield from (f"{name}: changed" for name, content in before.items() if (disk / name).read_bytes() != content)


def list_damaged(disk: Path) -> Iterator[str]:
    """Yield the files under their final names that are not whole, and temporary files."""
    for path in sorted(disk.rglob("*")):
        name = path.relative_to(disk)
        if any(part.startswith(".") for part in name.parts) or not path.is_file():
            if path.is_file() and name.name not in (DATABASE_NAME, LOCK_FILE):
                yield f"{name}: temporary file left"
            continue
        try:
            read_whole(path)
        except Exception as error:  # any error is a fault of the file
            yield f"{name}: not whole ({type(error).__name__}: {error})"


def read_whole(path: Path) -> None:
    """Read a file completely; raises an exception of any kind if it is cut."""
    if path.suffix == ".safetensors":
        read_tensors(path)
    elif path.suffix == ".png":
        with Image.open(path) as image:
            image.load()
    elif path.suffix in (".wav", ".flac"):
        sound, _ = soundfile.read(path)
        if not len(sound):
            raise ValueError("no sound")
    elif path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".yaml":
        if not isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict):
            raise ValueError("no keys")
    elif path.suffix == ".html" and "</html>" not in path.read_text(encoding="utf-8"):
        raise ValueError("no end")
    elif path.suffix in (".tsv", ".csv") and not path.read_text(encoding="utf-8").endswith("\n"):
        raise ValueError("no end of line")


def make_cases(root: Path, log: Path, with_voices: bool = True) -> dict[str, DiskCase]:
    """Make the data and runs that the commands need below `root`; return the commands by name."""
    images = make_images(root / "images")
    voices = make_voices(root / "voices") if with_voices else images
    runs = {"image": root / "image-run", "voice": root / "voice-run"}
    sizes = {"image": ["--size", "16"], "voice": ["--mcep-order", "8", "--crop-frames", "16", "--vad", "energy"]}
    for medium, data in (("image", images), ("voice", voices))[: 1 + with_voices]:
        done = run_command("train", *data, "--out", runs[medium], *TRAIN_FLAGS, *sizes[medium], log=log)
        assert done.code == 0, done.output
    weights = root / "generator.pth"
    torch.save(
        {
            name.removeprefix(GENERATOR): tensor
            for name, tensor in load_file(FOREIGN_MODEL).items()
            if name.startswith(GENERATOR)
        },
        weights,
    )

    def nothing(_: Path) -> None:
        """Prepare nothing."""

    def copy_run(disk: Path) -> None:
        shutil.copytree(runs["image"], disk / "run")

    def resume_or_restart(disk: Path, *data: object) -> Sequence[object]:
        if list_checkpoints(disk / "run" / "checkpoints"):
            return ["train", "--resume", disk / "run"]
        shutil.rmtree(disk / "run", ignore_errors=True)  # as the message of the command says
        return data

    def train(medium: str, data: Sequence[Path]) -> DiskCase:
        def arguments(disk: Path) -> Sequence[object]:
            return ["train", *data, "--out", disk / "run", *TRAIN_FLAGS, *sizes[medium]]

        return DiskCase(nothing, arguments, lambda disk: resume_or_restart(disk, *arguments(disk)))

    def same(
        arguments: Callable[[Path], Sequence[object]],
        prepare: Callable[[Path], object] = nothing,
        keeps: tuple[str, ...] = (),
    ) -> DiskCase:
        return DiskCase(prepare, arguments, arguments, keeps)

    def translate(medium: str, data: Sequence[Path]) -> DiskCase:
        return same(
            lambda disk: [
                *("translate", runs[medium], data[0]),
                *("--to", "two", "--out", disk / "out", "--device", "cpu"),
            ]
        )

    return {
        "train": train("image", images),
        "train-voices": train("voice", voices),
        "resume": same(
            lambda disk: ["train", "--resume", disk / "run", "--steps", 6],
            copy_run,
        ),
        "translate": translate("image", images),
        "translate-voices": translate("voice", voices),
        "convert": same(
            lambda disk: [
                *("convert", voices[1], voices[0], "--source", voices[0], "--converter", "affine"),
                *("--out", disk / "out", "--vad", "energy"),
            ]
        ),
        "evaluate": same(lambda disk: ["evaluate", disk / "run", "--device", "cpu"], copy_run, KEPT),
        "audit": same(
            lambda disk: ["audit", disk / "run", "--device", "cpu", "--inverse-steps", 2, "--limit", 2],
            copy_run,
            KEPT,
        ),
        "import": same(lambda disk: ["import", weights, "--out", disk / "run"]),
        "compare": same(
            lambda disk: [
                *("compare", *images, "--methods", "cyclegan", "--out", disk / "comparison"),
                *(*TRAIN_FLAGS, *sizes["image"]),
            ]
        ),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run all commands and append a row for each; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disk_full", description=__doc__)
    parser.add_argument("--commands", default="", help="names, separated by commas (default: all)")
    parser.add_argument("--every-page", type=int, default=1, metavar="N", help="step of the number of pages")
    args = parser.parse_args(argv)
    import_everything()
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
    failed = False
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(own_cache(Path(name)))
        try:
            disk = stack.enter_context(mounted_disk(Path(name) / "disk"))
        except (PermissionError, FileNotFoundError) as error:
            sys.stdout.write(f"skipped: {error}; try `unshare -rm python -m benchmarks.disk_full`\n")
            return 0
        log = Path(name) / "log"
        cases = make_cases(Path(name), log)
        for command in args.commands.split(",") if args.commands else cases:
            started = time.perf_counter()
            report = try_command(cases[command], disk, log, every_page=args.every_page)
            figures = {
                "command": command,
                "every_page": args.every_page,
                "failures": dict(report.failures),
                "faults": len(report.faults),
                "seconds": round(time.perf_counter() - started),
            }
            sys.stdout.write(json.dumps(figures) + "\n")
            sys.stdout.writelines(f"FAULT {command}: {fault}\n" for fault in report.faults)
            sys.stdout.flush()
            append_row("disk_full", figures, 0)
            failed |= bool(report.faults)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
