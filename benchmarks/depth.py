"""Depth search with distillation (Galanti et al.) against a fixed deep generator, at equal total training steps.

    python -m benchmarks.depth $DATA/mri --size 64 --steps 4000

The test folders must contain pairs. Every flag of `unpaired train` except method and depth may follow the data. The
search divides the steps between the depths that it tries and the distilled deep generator; the fixed generator has the
same depth and all steps. Appends a row to results.jsonl: the trials, and the measures of the teacher, the distilled
generator with a teacher and the one without.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from benchmarks.quality import evaluate_checkpoint
from benchmarks.results import append_row
from unpaired.cli.main import main as unpaired
from unpaired.config.run_config import get_item_size, read_config
from unpaired.stages.depth_search import read_trial


def main(argv: list[str]) -> int:
    """Train both, measure them and append a row."""
    if "--steps" not in argv:
        sys.stderr.write("add --steps N: the total number of training steps of each side\n")
        return 2
    folder = Path(tempfile.mkdtemp())
    common = ["train", *argv, "--method", "gan", "--pairs"]
    if code := unpaired([*common, "--auto-depth", "--out", str(folder / "stages")]):
        return code
    deep_run = folder / "stages" / "deep"
    config = read_config(deep_run / "config.yaml")
    assert config.teacher is not None
    depth, teacher = read_depth(deep_run), Path(config.teacher.file).parent
    if code := unpaired([*common, "--depth", str(depth), "--out", str(folder / "fixed")]):
        return code
    trial_runs = sorted((folder / "stages").glob("depth-*"), key=lambda path: path.name)
    figures = {
        "data": Path(config.domains[0].sources[0]).parent.parent.name,
        "preset": config.preset,
        "size": get_item_size(config),
        "steps": int(argv[argv.index("--steps") + 1]),
        "trials": {
            trial.depth: round(trial.value, 1) for trial in (read_trial(run, read_depth(run)) for run in trial_runs)
        },
        "runs": {
            name: {
                "depth": read_depth(run),
                "steps": read_config(run / "config.yaml").training.steps,
                "last": evaluate_checkpoint(run, "last"),
            }
            for name, run in (
                ("teacher", teacher),
                ("deep, with a teacher", deep_run),
                ("deep, without", folder / "fixed"),
            )
        },
    }
    row = append_row("depth", figures, config.training.seed)
    sys.stdout.write(json.dumps(row["figures"], indent=1) + f"\n{folder}\n")
    return 0


def read_depth(run: Path) -> int:
    """Return the generator depth of a run."""
    return int(read_config(run / "config.yaml").method_settings.model_dump()["depth"])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
