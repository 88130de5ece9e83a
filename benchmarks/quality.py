"""Quality of a translator after a training budget, measured on test pairs.

    python -m benchmarks.quality $DATA/mri --size 64 --minutes 15 --method cyclegan --preset small

Every flag of `unpaired train` may follow the data. Appends a row to results.jsonl: measures of the last and the best
checkpoint and of the untranslated inputs on the test pairs, steps, seconds, and the curve over time. Test pairs are not
used to select checkpoints.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import append_row
from unpaired.cli.main import main as unpaired
from unpaired.config.run_config import get_item_size, read_config
from unpaired.evaluation.run import evaluate
from unpaired.media.image.metrics import LINEAR
from unpaired.metrics.base import DOING_NOTHING, Evaluation, RouteEvaluation
from unpaired.runs.folder import Checkpoint, RunFolder
from unpaired.runs.history import History

SHOWN = (
    "kid",
    "kid_error",
    "kid_baseline",
    "kid_alexnet",
    "kid_alexnet_error",
    "kid_alexnet_baseline",
    "l1",
    "l1_baseline",
    "psnr",
    "psnr_baseline",
    "ssim",
    "ssim_baseline",
    "st_lpips",
    "st_lpips_baseline",
    "cycle",
    "change",
    "edge_similarity",
)


def evaluate_checkpoint(run: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Evaluate one checkpoint on all test pairs."""
    return {m.route: select_measures(m) for m in evaluate(run, pairs=True, checkpoint=checkpoint).routes}


def measure_checkpoint(run: Path, checkpoint: Checkpoint, *, again: bool = True) -> dict[str, Any]:
    """Evaluate one checkpoint, and the baseline of a linear color transfer, on all test pairs.

    Without `again`, the evaluation at the end of the training is used if it is of this checkpoint.
    """
    file = RunFolder(run).evaluation
    routes: Sequence[RouteEvaluation] = ()
    if not again and file.exists():
        found = Evaluation.model_validate_json(file.read_text(encoding="utf-8"))
        routes = found.routes if found.checkpoint == checkpoint and found.pairs and found.is_own_data else ()
    routes = routes or evaluate(run, pairs=True, checkpoint=checkpoint).routes
    linear = {m.route: select_measures(m, LINEAR) for m in routes if LINEAR in m.baselines}
    return {"routes": {m.route: select_measures(m) for m in routes}, "linear": linear}


def select_measures(route: RouteEvaluation, baseline: str | None = None) -> dict[str, float]:
    """Return the measures in SHOWN of one route of images, or of one of its baselines.

    NAME_baseline is the measure of the untranslated inputs, NAME_error the standard error.
    """
    values = dict(route.values if baseline is None else route.baselines[baseline])
    values |= {f"{name}_baseline": value for name, value in route.baselines.get(DOING_NOTHING, {}).items()}
    if baseline is None:
        values |= {f"{name}_error": error for name, error in route.errors.items()}
    return {name: round(values[name], 4) for name in SHOWN if name in values}


def curve(folder: RunFolder) -> list[dict[str, Any]]:
    """Return training seconds, step, and L1, SSIM and KID of each route, for each evaluation during training."""
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


def main(argv: list[str]) -> int:
    """Train, measure and append a row."""
    out = Path(argv[argv.index("--out") + 1]) if "--out" in argv else Path(tempfile.mkdtemp()) / "run"
    code = unpaired(["train", *argv, "--pairs", *([] if "--out" in argv else ["--out", str(out)])])
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
        "last": evaluate_checkpoint(out, "last"),
        "best": evaluate_checkpoint(out, "best"),
        "curve": curve(folder),
    }
    row = append_row("quality", figures, config.training.seed)
    sys.stdout.write(json.dumps(row["figures"], indent=1) + f"\n{out}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
