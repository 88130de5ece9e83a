"""Race of the default recipe against that of CycleGAN's authors: tasks with true pairs, equal time, one core each.

    python -m benchmarks.race --data $DATA --out runs/race --size 64 --minutes 5
    python -m benchmarks.race --pictures my/photos --out runs/race    # tasks that code makes from a folder of pictures
    python -m benchmarks.race --data $DATA --out runs/race --steps 1550 1070    # for a machine with other work
    python -m benchmarks.race --data $DATA --out runs/race --measure-again    # no training: new rows of existing runs

After each training, a row goes to results.jsonl; the same command continues with the trainings that have no row yet. It
ends with the table (also in OUT/race.md) and a sheet of pictures per task. The true pairs are for measuring only. A
direction is won if L1 and SSIM to the truth are better and neither KID is worse by more than its standard error; it is
lost if L1 is more than 3 % worse; otherwise it is a tie. The linear color transfer is the baseline of `unpaired
evaluate`, measured with the runs of the first seed.
"""

from __future__ import annotations

import argparse
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.exact import TRANSFORMS, make_task
from benchmarks.quality import measure_checkpoint
from benchmarks.race_table import format_table, write_sheet
from benchmarks.results import FILE, append_row, rows
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History

FLAGS: dict[str, dict[str, object]] = {
    "ours": {"preset": "small"},
    "reference": {"preset": "paper", "width": 32, "blocks": 6, "ema-decay": 0},
    "common": {"method": "cyclegan", "threads": 1, "evaluate-every": 0, "sample-every": 0},
}
"""Flags of `unpaired train` of each side and of both, beside size, minutes and seed.

The reference equals the authors' code at this width and depth in results and cost.
"""
SIDES = ("reference", "ours")
PUBLIC: dict[str, tuple[str, str, str]] = {
    "mri": ("mri", "t1", "t2"),
    "emoji": ("emoji", "3d", "flat"),
    "avatars": ("avatars", "black", "blond"),
    "avatars-2": ("avatars", "brown", "red"),
    "hanzi": ("hanzi", "song_gbsn", "hei_wqy"),
    "hanzi-2": ("hanzi", "hei_wqy", "kai_gkai"),
    "vangogh": ("vangogh", "photo", "vangogh"),
    "icons": ("icons", "oxygen", "elementary-xfce"),
    "maps": ("maps", "street", "aerial"),
}
"""Task -> folder in --data, and its two domains; the folder contains train/DOMAIN and test/DOMAIN."""
MADE: dict[str, tuple[str, str]] = {
    "palette": ("emoji", "3d"),
    "negative": ("emoji", "flat"),
    "drawing": ("avatars", "black"),
    "texture": ("vangogh", "photo"),
    "night": ("vangogh", "photo"),
    "blueprint": ("avatars", "brown"),
    "oil": ("vangogh", "photo"),
}
"""Transform of `benchmarks.exact` -> folder in --data, and the domain that the task is made from."""


@dataclass(frozen=True)
class Cell:
    """One training: a task, a side ("ours", "reference"; or "linear", which is a baseline), a seed and the budget."""

    task: str
    side: str
    seed: int
    size: int
    minutes: float
    step_budget: int = 0
    """Steps of the training; 0: `minutes` bounds it."""

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        budget = f"{self.step_budget}steps" if self.step_budget else f"{self.minutes:g}min"
        return f"{self.task}-{self.side}-{self.size}px-{budget}-{self.seed}"


def collect_tasks(
    out: Path, size: int, data: Path | None, pictures: Path | None, tasks: Sequence[str]
) -> dict[str, Path]:
    """Make a folder with the two domains for each task; returns the folders of `tasks` (empty: all)."""
    folders: dict[str, Path] = {}
    if data is not None:
        folders |= link_public_tasks(out, data)
        for task, (folder, domain) in MADE.items():
            if (data / folder / "train" / domain).is_dir() and (not tasks or task in tasks):
                folders[task] = out / "tasks" / f"{task}-{size}"
                make_task(task, data / folder / "train" / domain, folders[task], size, data / folder / "test" / domain)
    for task in TRANSFORMS if pictures is not None else ():
        assert pictures is not None
        folders[f"my-{task}"] = out / "tasks" / f"my-{task}-{size}"
        make_task(task, pictures, folders[f"my-{task}"], size)
    if unknown := [task for task in tasks if task not in folders]:
        raise SystemExit(f"--tasks {','.join(unknown)}: available: {', '.join(folders) or 'none; give --data'}")
    return {task: folders[task] for task in tasks or folders}


def link_public_tasks(out: Path, data: Path) -> dict[str, Path]:
    """Make a folder with links to the domains of each public task that `data` contains."""
    folders: dict[str, Path] = {}
    for task, (folder, *domains) in PUBLIC.items():
        if all((data / folder / "train" / domain).is_dir() for domain in domains):
            folders[task] = out / "tasks" / task
            for domain in domains:
                for split in ("train", "test"):
                    link(out / "tasks" / task / domain / split, data / folder / split / domain)
    return folders


def link(path: Path, target: Path) -> None:
    """Create a link to the folder `target`, unless `path` exists."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target.resolve())


def get_domains(task: str, folder: Path) -> list[Path]:
    """Return the two domain folders of a task."""
    return [folder / name for name in (PUBLIC[task][1:] if task in PUBLIC else ("A", "B"))]


def build_command(cell: Cell, folder: Path, run: Path) -> list[str]:
    """Return the command line of a training."""
    flags = FLAGS["common"] | FLAGS[cell.side]
    budget = {"steps": cell.step_budget} if cell.step_budget else {"minutes": cell.minutes}
    flags |= {"size": cell.size, "seed": cell.seed, "out": run} | budget
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    domains = [str(domain) for domain in get_domains(cell.task, folder)]
    return [sys.executable, "-m", "unpaired", "train", *domains, "--pairs", *words]


def train(cell: Cell, folder: Path, run: Path, core: int | None) -> dict[str, Any]:
    """Train on one core and measure the last checkpoint; returns the figures. Raises RuntimeError if training fails."""
    command = build_command(cell, folder, run)
    pinned = command if core is None else ["taskset", "-c", str(core), *command]
    env = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(pinned, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{cell.name}: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    last = History(RunFolder(run).history).read("losses")[-1]
    figures = {"steps": last["step"], "seconds": round(last["spent_s"]), "flags": FLAGS[cell.side]}
    return {**asdict(cell), **figures, **measure_checkpoint(run, "last", again=False), "run": str(run)}


def measure_again(cells: Sequence[Cell], results: Path) -> None:
    """Append a row with new measures for each cell whose run still exists; the other figures stay."""
    for cell, figures in read_figures(results).items():
        if cell in cells and Path(figures.get("run", "")).is_dir():
            append_row("race", figures | measure_checkpoint(Path(figures["run"]), "last"), cell.seed, path=results)
            sys.stdout.write(f"{cell.name}: measured again\n")


def add_baselines(cells: Sequence[Cell], results: Path, *, again: bool) -> list[Cell]:
    """Append a row of the linear color transfer for each task without one (`again`: for each); returns their cells.

    Its figures are those that were measured with a run of `cells`.
    """
    figures, baselines = read_figures(results), list[Cell]()
    for cell in cells:
        baseline = replace(cell, side="linear", seed=0, step_budget=0)
        routes = figures.get(cell, {}).get("linear")
        if baseline in baselines:
            continue
        if routes and (again or baseline not in figures):
            append_row("race", {**asdict(baseline), "routes": routes}, 0, path=results)
        elif baseline not in figures:
            continue
        baselines.append(baseline)
    return baselines


def race(cells: Sequence[Cell], tasks: dict[str, Path], out: Path, cores: Sequence[int | None], results: Path) -> None:
    """Train the cells without a row, one per core at a time. A failed training does not stop the others."""
    todo: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    for cell in cells:
        if cell not in read_figures(results):
            todo.put(cell)
    lock, failures = threading.Lock(), []

    def work(core: int | None) -> None:
        while True:
            try:
                cell = todo.get_nowait()
            except queue.Empty:
                return
            try:
                figures = train(cell, tasks[cell.task], find_free_path(out / "runs" / cell.name), core)
            except Exception as error:
                failures.append(f"{cell.name}: {error}")
                continue
            with lock:
                append_row("race", figures, cell.seed, path=results)
                sys.stdout.write(f"{cell.name}: {figures['steps']} steps\n")

    workers = [threading.Thread(target=work, args=(core,)) for core in cores]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise SystemExit("\n".join(failures))


def find_free_path(path: Path) -> Path:
    """Return `path`, with a number if it exists: the folder of an interrupted race is kept."""
    return next(p for i in range(10_000) if not (p := path.with_name(path.name + (f".{i}" if i else ""))).exists())


def read_figures(results: Path) -> dict[Cell, dict[str, Any]]:
    """Return the newest figures of every cell that has a row."""
    return {
        Cell(**{name: f[name] for name in Cell.__dataclass_fields__ if name in f}): f
        for f in map(get_figures, rows("race", results))
    }


def get_figures(row: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a row of results.jsonl."""
    figures: dict[str, Any] = row["figures"]
    return figures


def main(argv: Sequence[str], results: Path = FILE) -> int:
    """Race, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.race", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, help="folder of the public tasks (icons, maps: benchmarks.icons, benchmarks.maps)"
    )
    parser.add_argument("--pictures", type=Path, help="folder of pictures to make tasks from")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs, table and sheets")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures, in pixels")
    parser.add_argument("--minutes", type=float, default=5.0, help="minutes of training per side")
    parser.add_argument(
        "--steps",
        type=int,
        nargs=2,
        metavar=("OURS", "REFERENCE"),
        help="steps per side, instead of minutes: measure how many steps of each take equal time on a quiet core",
    )
    parser.add_argument("--tasks", default="", help="names of tasks, separated by commas (default: all)")
    parser.add_argument("--seeds", default="0", help="seeds, separated by commas")
    parser.add_argument(
        "--measure-again", action="store_true", help="measure the runs of existing rows again, without training"
    )
    parser.add_argument("--cores", help="processor cores to pin trainings to, separated by commas (default: all)")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    names = [task for task in args.tasks.split(",") if task]
    tasks = collect_tasks(args.out, args.size, args.data, args.pictures, names)
    cores: list[int | None] = [int(core) for core in args.cores.split(",")] if args.cores else [None]
    if not args.cores and sys.platform == "linux":
        cores = [*os.sched_getaffinity(0)]
    seeds = [int(seed) for seed in args.seeds.split(",")]
    steps = dict(zip(("ours", "reference"), args.steps or (0, 0), strict=True))
    minutes = 0.0 if args.steps else args.minutes
    cells = [
        Cell(task, side, seed, args.size, minutes, steps[side]) for seed in seeds for task in tasks for side in SIDES
    ]
    if args.measure_again:
        measure_again(cells, results)
    else:
        race(cells, tasks, args.out, cores, results)
    baselines = add_baselines(cells, results, again=args.measure_again)
    figures = read_figures(results)
    cells = [cell for cell in cells if cell in figures]
    (args.out / "sheets").mkdir(exist_ok=True)
    for task, folder in tasks.items():
        measured = [(cell.side, Path(figures[cell]["run"])) for cell in cells if cell.task == task]
        runs = dict(pair for pair in reversed(measured) if pair[1].is_dir())
        if runs.keys() == {*SIDES}:
            write_sheet({side: runs[side] for side in SIDES}, folder, args.size, args.out / "sheets" / f"{task}.png")
    text = format_table([figures[cell] for cell in (*cells, *baselines)])
    (args.out / "race.md").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
