"""What defences against hidden information do, and what they cost: the same training without and with each of them.

    python -m benchmarks.hidden $DATA/mri --size 64 --preset small --steps 1500

Trains the default method without a defence, with noise of .05 and of .1 before reconstruction, and with the guess
critic of weight 2, for equal steps; audits and evaluates each at its last state. Every flag of `unpaired train` may
follow the data; `--only NAME` (none, noise-0.05, noise-0.1, guess-2) runs one of the four. `--audit RUN ...` trains
nothing and records runs that are there, of any method. A row per run goes to results.jsonl.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality import short
from benchmarks.results import append_row
from unpaired.cli.main import main as unpaired
from unpaired.config.run_config import get_item_size, read_config
from unpaired.evaluation.audit import audit
from unpaired.evaluation.audit_results import RouteAudit
from unpaired.evaluation.run import evaluate
from unpaired.runs.folder import RunFolder, load_model

DEFENCES: Mapping[str, Sequence[str]] = {
    "none": ("--cycle-noise", "0", "--guess-weight", "0"),
    "noise-0.05": ("--cycle-noise", "0.05", "--guess-weight", "0"),
    "noise-0.1": ("--cycle-noise", "0.1", "--guess-weight", "0"),
    "guess-2": ("--cycle-noise", "0", "--guess-weight", "2"),
}
NAMES = ("hidden", "hidden_error", "r2", "r2_perturbed", "real_image_change")


def figures(run: Path, defence: str) -> tuple[dict[str, Any], int]:
    """The audit and the measures of a run's last state, and its seed."""
    config = read_config(RunFolder(run).config)
    audited = audit(run, checkpoint="last", device=config.training.device)
    measures = evaluate(run, checkpoint="last", device=config.training.device).routes
    found = {
        "data": Path(config.domains[0].sources[0]).parent.parent.name,
        "method": config.method,
        "preset": config.preset,
        "size": get_item_size(config),
        "steps": load_model(run, "last").step,
        "defence": defence,
        "headline": round(audited.mean_hidden, 4),
        "audit": {r.route: told(r) for r in audited.routes},
        "quality": {m.route: short(m) for m in measures},
    }
    return found, config.training.seed


def told(r: RouteAudit) -> dict[str, Any]:
    """The figures of one route: the headline's, and what the way back as it is tells after each passage."""
    return {
        **{name: round(value, 4) for name, value in r.model_dump(include=set(NAMES)).items()},
        "steps": r.probe_steps,
        "has_reverse_route": r.has_reverse_route,
        "as_is": {row.perturbation: round(row.r2, 4) for row in r.perturbations},
        "real": {row.perturbation: round(row.sensitivity, 4) for row in r.perturbations},
    }


def record(run: Path, defence: str) -> None:
    """Append a run's row, and print its lines."""
    found, seed = figures(run, defence)
    append_row("hidden", found, seed)
    for route, values in found["audit"].items():
        quality = ", ".join(
            f"{k} {v:g}" for k, v in found["quality"].get(route, {}).items() if k in ("kid", "l1", "ssim")
        )
        sys.stdout.write(
            f"{found['method']}, {defence}: {route}: hidden {values['hidden']:.3f} +- {values['hidden_error']:.3f}, "
            f"R2 {values['r2']:.3f}; {quality}; {run}\n"
        )
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Train with each defence and record; or record what is there."""
    if words and words[0] == "--audit":
        for run in words[1:]:
            record(Path(run), "as trained")
        return 0
    only = None
    if "--only" in words:
        at = words.index("--only")
        only = words[at + 1]
        words = words[:at] + words[at + 2 :]
    place = Path(tempfile.mkdtemp())
    for name, flags in DEFENCES.items():
        if only in (None, name):
            code = unpaired(["train", *words, *flags, "--out", str(place / name)])
            if code:
                return code
            record(place / name, name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
