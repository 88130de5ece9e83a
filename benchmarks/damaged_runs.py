"""Damage every file of runs and comparisons, and use them with every command that reads them.

A command must work (the damage does not concern it), or stop with a message that names the damaged file: no traceback,
no hang.

    python -m benchmarks.damaged_runs [--count N] [--seed S]

With --count, only N random combinations of a file, a damage and a command are tried.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.commands import (
    TINY_FLAGS,
    CommandResult,
    import_everything,
    make_images,
    make_voices,
    own_cache,
    run_command,
)
from benchmarks.results import append_row

FLAGS = [*TINY_FLAGS, "--steps", "4", "--checkpoint-every", "2", "--evaluate-every", "2", "--sample-every", "2"]
SIZE_FLAGS = {
    "image": ["--size", "16"],
    "voice": ["--mcep-order", "8", "--crop-frames", "16", "--vad", "energy"],
}
OUTPUT_NAMES = ("report.html", "compare.html")
"""Files that commands only write: a folder of this name is an error, any other damage is not."""


@dataclass(frozen=True)
class Target:
    """A folder to damage, another one of the same kind to exchange files with, and the commands that read it."""

    folder: Path
    other: Path
    commands: dict[str, Callable[[Path, Path], Sequence[object]]]
    """Name -> arguments, given the damaged folder and a new output folder."""


@dataclass
class DamageReport:
    """Outcomes (works, refused) and faults."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def cut(path: Path, _: Path, rng: random.Random) -> None:
    """Cut a file at a random position."""
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(max(1, len(content)))])


def empty(path: Path, _: Path, __: random.Random) -> None:
    """Remove the content of a file."""
    path.write_bytes(b"")


def flip(path: Path, _: Path, rng: random.Random) -> None:
    """Flip up to 20 random bits of a file."""
    content = bytearray(path.read_bytes())
    for _i in range(rng.choice((1, 3, 20)) if content else 0):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))


def exchange(path: Path, other: Path, _: random.Random) -> None:
    """Replace a file by that of another run, if it has one."""
    if other.is_file():
        shutil.copyfile(other, path)


def replace_by_folder(path: Path, _: Path, __: random.Random) -> None:
    """Replace a file by a folder."""
    path.unlink()
    path.mkdir()
    (path / "x").write_text("x", encoding="utf-8")


def remove(path: Path, _: Path, __: random.Random) -> None:
    """Remove a file."""
    path.unlink()


def link_to_itself(path: Path, _: Path, __: random.Random) -> None:
    """Replace a file by a link to itself."""
    path.unlink()
    path.symlink_to(path)


def overwrite(path: Path, _: Path, rng: random.Random) -> None:
    """Replace the content by noise of the same length."""
    path.write_bytes(rng.randbytes(path.stat().st_size))


def forbid(path: Path, _: Path, __: random.Random) -> None:
    """Take all permissions away; without effect for root."""
    path.chmod(0)


DAMAGES = (cut, empty, flip, exchange, replace_by_folder, remove, link_to_itself, overwrite, forbid)


def make_targets(root: Path, log: Path, only_images: bool = False) -> dict[str, Target]:
    """Train small runs below `root`, and a comparison unless `only_images`."""
    targets = {}
    for medium, make in (("image", make_images), ("voice", make_voices))[: 1 if only_images else 2]:
        data = make(root / medium)
        runs = [root / f"{medium}-run", root / f"{medium}-other"]
        for seed, run in enumerate(runs):
            more = [*SIZE_FLAGS[medium], "--seed", seed]
            expect_success(run_command("train", *data, "--out", run, *FLAGS, *more, log=log))
        targets[medium] = Target(runs[0], runs[1], make_run_commands(medium, data))
    if only_images:
        return targets
    images = [root / "image" / name for name in ("one", "two")]

    def compare(folder: Path) -> list[object]:
        names = ["--methods", "cyclegan,gan", "--out", folder]
        return ["compare", *images, *names, *FLAGS, *SIZE_FLAGS["image"]]

    folders = [root / "comparison", root / "other-comparison"]
    for folder in folders:
        expect_success(run_command(*compare(folder), log=log))
    targets["comparison"] = Target(folders[0], folders[1], {"compare": lambda folder, _: compare(folder)})
    return targets


def make_run_commands(medium: str, data: Sequence[Path]) -> dict[str, Callable[[Path, Path], Sequence[object]]]:
    """Return the commands that read a run, by name."""
    size = SIZE_FLAGS[medium]
    commands: dict[str, Callable[[Path, Path], Sequence[object]]] = {
        "translate": lambda run, out: ["translate", run, data[0], "--to", "two", "--out", out, "--device", "cpu"],
        "resume": lambda run, _: ["train", "--resume", run, "--steps", 6],
        "evaluate": lambda run, _: ["evaluate", run, "--device", "cpu"],
        "init": lambda run, out: ["train", *data, "--init", run, "--out", out, *FLAGS, *size],
        "config": lambda run, _: ["train", *data, "--config", run / "config.yaml", "--dry-run"],
    }
    if medium == "image":
        commands["audit"] = lambda run, _: ["audit", run, "--device", "cpu", "--inverse-steps", 2, "--limit", 2]
        commands["teacher"] = lambda run, out: [
            *("train", *data, "--method", "gan", "--teacher", run, "--out", out, *FLAGS, *size)
        ]
    return commands


def expect_success(result: CommandResult) -> None:
    """Raise RuntimeError with the output of a command that failed."""
    if result.code != 0:
        raise RuntimeError(result.output)


def list_files(folder: Path) -> list[Path]:
    """Return the files of a run or comparison, relative to it."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def try_damages(targets: dict[str, Target], root: Path, log: Path, count: int | None, seed: int) -> DamageReport:
    """Try all combinations, or `count` random ones."""
    report, rng = DamageReport(), random.Random(seed)
    trials = [
        (target, file, damage, command)
        for target in targets.values()
        for file in list_files(target.folder)
        for damage in DAMAGES
        for command in target.commands
        if damage is not forbid or os.getuid() != 0
    ]
    for target, file, damage, command in trials if count is None else rng.sample(trials, count):
        folder, out = root / "damaged", root / "out"
        for path in (folder, out):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(target.folder, folder)
        other = next(
            (path for path in (target.other / file, *find_alike(target.other, file)) if path.is_file()), folder
        )
        damage(folder / file, other, rng)
        label = f"{target.folder.name}/{file}: {damage.__name__}: "
        result = run_command(*target.commands[command](folder, out), log=log)
        fault = result.find_fault()
        if not fault and result.code and not is_named(file, result.output, folder):
            fault = f"{command} does not name the file: {result.output[-500:]}"
        report.outcomes[f"{command} {'works' if result.code == 0 else 'refused'}"] += 1
        if fault:
            report.faults.append(label + fault)
    return report


def find_alike(folder: Path, file: Path) -> list[Path]:
    """Return the files with the suffix of `file` in the same subfolder of another run; names may differ."""
    return sorted((folder / file).parent.glob(f"*{file.suffix}"))


def is_named(file: Path, output: str, folder: Path) -> bool:
    """Return whether a message names a file, or the folder of the checkpoint or comparison that it belongs to."""
    names = [file.name, file.parent.name if file.parent.name.startswith("step-") else file.name]
    return any(name in output for name in names) or (file.name == "config.yaml" and str(folder) in output)


def main(argv: Sequence[str] | None = None) -> int:
    """Try the damages and append a row; return 1 if there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.damaged_runs", description=__doc__)
    parser.add_argument("--count", type=int, help="number of random combinations (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    import_everything()
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name, own_cache(Path(name)):
        log = Path(name) / "log"
        report = try_damages(make_targets(Path(name), log), Path(name), log, args.count, args.seed)
    figures = {
        "outcomes": dict(sorted(report.outcomes.items())),
        "faults": len(report.faults),
        "seconds": round(time.perf_counter() - started),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.writelines(f"FAULT {fault}\n" for fault in report.faults)
    append_row("damaged_runs", figures, args.seed)
    return int(bool(report.faults))


if __name__ == "__main__":
    raise SystemExit(main())
