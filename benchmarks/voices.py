"""Copy the measures of voice converters to results.jsonl, from an evaluated run or from a comparison.

    unpaired train $DATA/voice_flite/train/slt $DATA/voice_flite/train/rms --minutes 20 --out runs/slt-rms
    unpaired evaluate runs/slt-rms $DATA/voice_flite/test --pairs --limit 12 --texts $DATA/voice_flite/text.csv
    python -m benchmarks.voices runs/slt-rms

    unpaired train $DATA/voice_fillets/train/female $DATA/voice_fillets/train/male --minutes 8 --out runs/female-male
    unpaired evaluate runs/female-male $DATA/voice_fillets/test --judges speakers,naturalness --limit 10
    python -m benchmarks.voices runs/female-male

    unpaired train $DATA/voice_flite/train/slt $DATA/voice_flite/train/rms $DATA/voice_fillets/train/female \\
        $DATA/voice_fillets/train/male --method stargan --minutes 8 --out runs/four  # and fader
    unpaired evaluate runs/four $DATA/voice_flite/test/slt $DATA/voice_flite/test/rms $DATA/voice_fillets/test/female \\
        $DATA/voice_fillets/test/male --judges speakers --limit 5
    python -m benchmarks.voices runs/four

    unpaired compare $DATA/voice_flite --minutes 3 --pairs --judges none --out runs/compare-voices
    python -m benchmarks.voices runs/compare-voices

    unpaired compare $DATA/voice_flite --minutes 20 --pairs --judges speakers,words \\
        --texts $DATA/voice_flite/text.csv --out runs/compare-voices-20
    python -m benchmarks.voices runs/compare-voices-20

The first commands of each block are the benchmark; the last copies `evaluation.json` or `compare.json`. The published
rows use `--vad energy`; add this flag if silero-vad is installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.results import append_row
from benchmarks.voice_baselines import figures
from unpaired.comparison.folder import ComparisonFolder
from unpaired.config.run_config import read_config
from unpaired.media.voice.metrics.measurement import CONVERTED
from unpaired.metrics.base import Evaluation, RouteEvaluation
from unpaired.runs.folder import RunFolder, load_model
from unpaired.runs.history import History


def summarize_run(run: Path) -> tuple[dict[str, Any], int]:
    """Return the last evaluation of a run, including baselines, and the run's seed."""
    folder = RunFolder(run)
    config = read_config(folder.config)
    evaluation = Evaluation.model_validate_json(folder.evaluation.read_text(encoding="utf-8"))
    steps = load_model(run, "last").step
    info = {
        "data": " / ".join(domain.name for domain in config.domains),
        "method": config.method,
        "preset": config.preset,
        "method_settings": config.method_settings,
        "steps": steps,
        "seconds": round(History(folder.history).read("losses")[-1]["spent_s"]),
        "measured_on": evaluation.items,
        "judges": list_judges(evaluation.routes),
    }
    return info | {"routes": group_by_route(evaluation.routes)}, config.training.seed


def list_judges(routes: Sequence[RouteEvaluation]) -> list[str]:
    """Return the names of the evaluation networks, without the vocoder."""
    return [name for what, name in routes[0].networks.items() if what != "sounds made by"]


def group_by_route(routes: Sequence[RouteEvaluation]) -> dict[str, dict[str, dict[str, float]]]:
    """Return route -> system -> measures."""
    return {route.route: figures({CONVERTED: route.values, **route.baselines}) for route in routes}


def append_comparison(path: Path) -> None:
    """Append a row for each finished method of a comparison."""
    comparison = json.loads(ComparisonFolder(path).results_file.read_text(encoding="utf-8"))
    for result in comparison["results"]:
        if result["state"] == "done":
            routes = [RouteEvaluation.model_validate(route) for route in result["routes"]]
            row = {
                "data": " / ".join(comparison["domains"]),
                "method": result["method"],
                "preset": comparison["preset"],
                "steps": result["steps"],
                "seconds": round(result["seconds"]),
                "measured_on": result["measured_on"],
                "judges": list_judges(routes),
                "parameters": result["parameters"],
                "routes": group_by_route(routes),
            }
            append_row("voices", row, comparison["seed"], comparison["device"])


def main(argv: list[str]) -> int:
    """Append the rows of a run or a comparison."""
    path = Path(argv[0])
    if ComparisonFolder(path).results_file.exists():
        append_comparison(path)
    else:
        append_row("voices", *summarize_run(path))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
