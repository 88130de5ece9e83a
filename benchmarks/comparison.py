"""The figures of a comparison as rows of results.jsonl, one per method.

    unpaired compare $DATA/mri --size 64 --minutes 3 --pairs --out runs/compare-mri
    python -m benchmarks.comparison runs/compare-mri

The first command is the benchmark; the second only copies what its compare.json says. Methods that failed get no row.
With `--pictures NAME` it also writes docs/images/compared/NAME.png, all methods' translations of the same inputs, and
with `--each` NAME/METHOD.png, one method's between the inputs and the truth. `--only-pictures` appends no row.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.quality import short
from benchmarks.results import append_row
from unpaired.comparison.folder import ComparisonFolder
from unpaired.media.image.image_rows import INPUTS, TRUTH
from unpaired.metrics.base import RouteEvaluation

PICTURES = Path(__file__).parent.parent / "docs" / "images" / "compared"
MARGIN, GAP = 84, 2
COLOURS, FEW = 256, 64


def figures(comparison: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """One method's figures, with what all methods had in common."""
    measures = [RouteEvaluation.model_validate(route) for route in result["routes"]]
    ranks = {
        direction: place["rank"]
        for direction, places in comparison["ranking"].items()
        for place in places
        if place["method"] == result["method"]
    }
    return {
        "domains": comparison["domains"],
        **{name: comparison[name] for name in ("preset", "size", "batch_size", "budget")},
        **{name: result[name] for name in ("method", "precision", "steps", "checkpoint", "checkpoint_step")},
        "seconds": round(result["seconds"]),
        "parameters": result["parameters"],
        "total_parameters": result["total_parameters"],
        "translate_ms": None if result["translate_s"] is None else round(1000 * result["translate_s"], 2),
        "hidden": {direction: found["fraction"] for direction, found in result["hidden"].items()},
        "ranks": ranks,
        "routes": {
            m.route: short(m)
            | {"kid_error": m.errors.get("kid"), "feature_similarity": m.values.get("feature_similarity")}
            for m in measures
        },
    }


def sheets(folder: ComparisonFolder, comparison: dict[str, Any], name: str, each: bool) -> None:
    """Write the pictures of the first direction: all methods' in one, and `each` alone."""
    place = folder.image_rows(*comparison["domains"][:2])
    methods = [result["method"] for result in comparison["results"] if (place / f"{result['method']}.png").exists()]
    sheet(place, [INPUTS, *methods, TRUTH], PICTURES / f"{name}.png", COLOURS)
    for method in methods if each else ():
        sheet(place, [INPUTS, method, TRUTH], PICTURES / name / f"{method}.png", FEW)


def sheet(place: Path, names: list[str], out: Path, colours: int) -> None:
    """Write rows below each other, those that there are, in so many colours; names at the left."""
    rows = {
        name: Image.open(place / f"{name}.png").convert("RGB") for name in names if (place / f"{name}.png").exists()
    }
    width, height = next(iter(rows.values())).size
    picture = Image.new("RGB", (MARGIN + width, len(rows) * (height + GAP) - GAP), "white")
    draw = ImageDraw.Draw(picture)
    for i, (name, row) in enumerate(rows.items()):
        picture.paste(row, (MARGIN, i * (height + GAP)))
        draw.text((MARGIN - 4, i * (height + GAP) + height // 2), name, fill="black", anchor="rm")
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(colours).save(out, optimize=True)


def main(words: list[str]) -> int:
    """Append the rows of the comparison in a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", metavar="NAME")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--only-pictures", action="store_true")
    asked = parser.parse_args(words)
    folder = ComparisonFolder(asked.folder)
    comparison = json.loads(folder.results_file.read_text(encoding="utf-8"))
    for result in comparison["results"]:
        if result["state"] == "done" and not asked.only_pictures:
            append_row("comparison", figures(comparison, result), comparison["seed"], comparison["device"])
    if asked.pictures:
        sheets(folder, comparison, asked.pictures, asked.each)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
