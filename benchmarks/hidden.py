"""Effect and cost of the defences against steganography: the same training without and with each defence.

    python -m benchmarks.hidden $DATA/mri --size 64 --preset small --steps 1500

Trains the default method for equal steps without a defence, with noise of 0.05 and 0.1 before the reconstruction, and
with the guess discriminator of weight 2; audits and evaluates the last checkpoint of each. Every flag of
`unpaired train` may follow the data; `--only NAME` (none, noise-0.05, noise-0.1, guess-2) runs one of the four.
`--audit RUN ...` records existing runs of any method without training. Appends a row per run to results.jsonl.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality import select_measures
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
    """Return the audit and the measures of a run's last checkpoint, and its seed."""
    config = read_config(RunFolder(run).config)
    audit_result = audit(run, checkpoint="last", device=config.training.device)
    routes = evaluate(run, checkpoint="last", device=config.training.device).routes
    results = {
        "data": Path(config.domains[0].sources[0]).parent.parent.name,
        "method": config.method,
        "preset": config.preset,
        "size": get_item_size(config),
        "steps": load_model(run, "last").step,
        "defence": defence,
        "headline": round(audit_result.mean_hidden, 4),
        "audit": {r.route: summarize_audit(r) for r in audit_result.routes},
        "quality": {m.route: select_measures(m) for m in routes},
    }
    return results, config.training.seed


def summarize_audit(r: RouteAudit) -> dict[str, Any]:
    """Return the audit of one route: main figures, R² of the reverse route and sensitivity per perturbation."""
    return {
        **{name: round(value, 4) for name, value in r.model_dump(include=set(NAMES)).items()},
        "steps": r.probe_steps,
        "has_reverse_route": r.has_reverse_route,
        "as_is": {row.perturbation: round(row.r2, 4) for row in r.perturbations},
        "real": {row.perturbation: round(row.sensitivity, 4) for row in r.perturbations},
    }


def record(run: Path, defence: str) -> None:
    """Append the row of a run and print its routes."""
    results, seed = figures(run, defence)
    append_row("hidden", results, seed)
    for route, values in results["audit"].items():
        quality = ", ".join(
            f"{k} {v:g}" for k, v in results["quality"].get(route, {}).items() if k in ("kid", "l1", "ssim")
        )
        sys.stdout.write(
            f"{results['method']}, {defence}: {route}: hidden {values['hidden']:.3f} +- {values['hidden_error']:.3f}, "
            f"R2 {values['r2']:.3f}; {quality}; {run}\n"
        )
    sys.stdout.flush()


def main(argv: list[str]) -> int:
    """Train with each defence and record the runs, or record existing runs."""
    if argv and argv[0] == "--audit":
        for run in argv[1:]:
            record(Path(run), "as trained")
        return 0
    only = None
    if "--only" in argv:
        at = argv.index("--only")
        only = argv[at + 1]
        argv = argv[:at] + argv[at + 2 :]
    folder = Path(tempfile.mkdtemp())
    for name, flags in DEFENCES.items():
        if only in (None, name):
            code = unpaired(["train", *argv, *flags, "--out", str(folder / name)])
            if code:
                return code
            record(folder / name, name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
