"""The figures of a comparison as rows of results.jsonl, one per method.

    unpaired compare $DATA/mri --size 64 --minutes 5 --pairs --out runs/compare-mri
    python -m benchmarks.comparison runs/compare-mri

The first command is the benchmark; the second only copies what its compare.json says. Methods that failed get no row.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.quality import short
from benchmarks.results import append_row
from unpaired.comparison.folder import ComparisonFolder
from unpaired.evaluation.measure import RouteMeasures


def figures(comparison: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """One method's figures, with what all methods had in common."""
    measures = [RouteMeasures.model_validate(route) for route in result["routes"]]
    ranks = {
        direction: place["rank"]
        for direction, places in comparison["ranking"].items()
        for place in places
        if place["method"] == result["method"]
    }
    return {
        "domains": comparison["domains"],
        **{name: comparison[name] for name in ("preset", "size", "batch", "budget")},
        **{name: result[name] for name in ("method", "precision", "steps", "checkpoint", "checkpoint_step")},
        "seconds": round(result["seconds"]),
        "parameters": result["parameters"],
        "parameters_all": result["parameters_all"],
        "translate_ms": None if result["translate_s"] is None else round(1000 * result["translate_s"], 2),
        "hidden": {direction: found["share"] for direction, found in result["hidden"].items()},
        "ranks": ranks,
        "routes": {m.route: short(m) | {"kid_error": m.kid_error, "kept_features": m.kept_features} for m in measures},
    }


def main(words: list[str]) -> int:
    """Append the rows of the comparison in a folder."""
    (path,) = words
    comparison = json.loads(ComparisonFolder(Path(path)).figures.read_text(encoding="utf-8"))
    for result in comparison["results"]:
        if result["state"] == "done":
            append_row("comparison", figures(comparison, result), comparison["seed"], comparison["device"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
