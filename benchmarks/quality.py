"""How good a translator gets within a budget, on data whose test folders hold true pairs.

    python -m benchmarks.quality $DATA/mri --size 64 --minutes 15 --method cyclegan --preset small

Every flag of `unpaired train` may follow the data. A row goes to results.jsonl: the last and the best checkpoint on the
test pairs beside doing nothing, steps, seconds, and the curve over time (test pairs only report, they choose nothing).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.results import append_row
from unpaired.cli.main import main as unpaired
from unpaired.config.run_config import get_item_size, read_config
from unpaired.evaluation.run import evaluate
from unpaired.metrics.base import DO_NOTHING, RouteEvaluation
from unpaired.runs.folder import Checkpoint, RunFolder
from unpaired.runs.history import History

SHOWN = (
    "kid",
    "kid_error",
    "kid_baseline",
    "l1",
    "l1_baseline",
    "psnr",
    "psnr_baseline",
    "ssim",
    "ssim_baseline",
    "cycle",
    "change",
    "edge_similarity",
)


def measured(run: Path, which: Checkpoint) -> dict[str, Any]:
    """The figures of one checkpoint on all test pairs."""
    return {m.route: short(m) for m in evaluate(run, pairs=True, checkpoint=which).routes}


def short(route: RouteEvaluation) -> dict[str, float]:
    """The figures of one route of pictures that the README shows; NAME_baseline is that of doing nothing."""
    nothing = route.baselines.get(DO_NOTHING, {})
    values = route.values | {f"{name}_baseline": value for name, value in nothing.items()}
    return {name: round(values[name], 4) for name in SHOWN if name in values}


def curve(folder: RunFolder) -> list[dict[str, Any]]:
    """Per evaluation while training: seconds of steps, and L1, SSIM and KID of each route."""
    return [
        {
            "seconds": round(line["spent_s"]),
            "step": line["step"],
            **{
                r["route"]: [round(r["values"][k], 4) if k in r["values"] else None for k in ("l1", "ssim", "kid")]
                for r in line["routes"]
            },
        }
        for line in History(folder.history).read("evaluation")
    ]


def main(words: list[str]) -> int:
    """Train, measure, and append a row."""
    out = Path(words[words.index("--out") + 1]) if "--out" in words else Path(tempfile.mkdtemp()) / "run"
    code = unpaired(["train", *words, "--pairs", *([] if "--out" in words else ["--out", str(out)])])
    if code:
        return code
    folder = RunFolder(out)
    config = read_config(folder.config)
    last = History(folder.history).read("losses")[-1]
    figures = {
        "data": Path(config.domains[0].sources[0]).parent.parent.name,
        "method": config.method,
        "preset": config.preset,
        "size": get_item_size(config),
        "precision": config.training.precision,
        "batch_size": config.training.batch_size,
        "steps": last["step"],
        "seconds": round(last["spent_s"]),
        "last": measured(out, "last"),
        "best": measured(out, "best"),
        "curve": curve(folder),
    }
    row = append_row("quality", figures, config.training.seed)
    sys.stdout.write(json.dumps(row["figures"], indent=1) + f"\n{out}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
