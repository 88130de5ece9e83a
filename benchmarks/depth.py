"""Galanti's two steps against a fixed deep generator, at equal total steps, on data whose test folders hold true pairs.

    python -m benchmarks.depth $DATA/mri --size 64 --steps 4000

Every flag of `unpaired train` may follow the data, but those of method and depth. The search shares the steps between
the depths that it tries and the deep generator that the one found teaches; the fixed one, as deep, has them all. A row
goes to results.jsonl: the trials, and the measures of the teacher, of what it taught, and of the fixed one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.quality import measured
from benchmarks.results import append_row
from unpaired.cli.main import main as unpaired
from unpaired.config.run_config import get_item_size, read_config
from unpaired.stages.depth_search import read_trial as trial_of


def main(words: list[str]) -> int:
    """Train both, measure, and append a row."""
    if "--steps" not in words:
        sys.stderr.write("--steps: give the total, which both have\n")
        return 2
    place = Path(tempfile.mkdtemp())
    common = ["train", *words, "--method", "gan", "--pairs"]
    if code := unpaired([*common, "--auto-depth", "--out", str(place / "stages")]):
        return code
    taught = place / "stages" / "deep"
    config = read_config(taught / "config.yaml")
    assert config.teacher is not None
    depth, teacher = depth_in(taught), Path(config.teacher.file).parent
    if code := unpaired([*common, "--depth", str(depth), "--out", str(place / "fixed")]):
        return code
    stages = sorted((place / "stages").glob("depth-*"), key=lambda path: path.name)
    figures = {
        "data": Path(config.domains[0].sources[0]).parent.parent.name,
        "preset": config.preset,
        "size": get_item_size(config),
        "steps": int(words[words.index("--steps") + 1]),
        "trials": {trial.depth: round(trial.kid, 1) for trial in (trial_of(run, depth_in(run)) for run in stages)},
        "runs": {
            name: {
                "depth": depth_in(run),
                "steps": read_config(run / "config.yaml").training.steps,
                "last": measured(run, "last"),
            }
            for name, run in (("teacher", teacher), ("taught", taught), ("fixed", place / "fixed"))
        },
    }
    row = append_row("depth", figures, config.training.seed)
    sys.stdout.write(json.dumps(row["figures"], indent=1) + f"\n{place}\n")
    return 0


def depth_in(run: Path) -> int:
    """The depth of a run's generator."""
    return int(read_config(run / "config.yaml").method_settings.model_dump()["depth"])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
