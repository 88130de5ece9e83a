"""Kill training and translation (SIGKILL) at random times, and compare the final results with uninterrupted ones.

Each trial starts the work in a new process, kills it, checks every existing file, and continues the work. Half of the
kill times are uniform over the total duration. The others fall into a named phase: of training a step, a checkpoint, a
model, the history, a file list, a sample grid or the report; of translation a batch, the writing of a file or its row
in the manifest.

    python -m benchmarks.kill --instants 50
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.commands import import_everything, own_cache
from benchmarks.kill_training import try_training
from benchmarks.kill_translation import try_translation
from benchmarks.kill_worker import CHECKPOINT_EVERY, KillReport, MediumName
from benchmarks.results import append_row

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
    import_everything()
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
