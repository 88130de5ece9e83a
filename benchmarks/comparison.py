"""Copy the results of a comparison to results.jsonl, one row per method.

    unpaired compare $DATA/mri --size 64 --minutes 3 --pairs --out runs/compare-mri
    python -m benchmarks.comparison runs/compare-mri

The first command is the benchmark; the second copies its compare.json. Failed methods get no row. `--pictures NAME`
also writes docs/images/compared/NAME.png, a grid of all methods' translations of the same inputs; with `--each`,
NAME/METHOD.png shows one method with the inputs and the ground truth. `--only-pictures` appends no row.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.quality import select_measures
from benchmarks.results import append_row
from unpaired.comparison.folder import ComparisonFolder
from unpaired.media.image.image_rows import INPUTS, TRUTH
from unpaired.metrics.base import RouteEvaluation

PICTURES = Path(__file__).parent.parent / "docs" / "images" / "compared"
MARGIN, GAP = 84, 2
COLORS, FEW_COLORS = 256, 64


def figures(comparison: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return the results of one method, including the settings that all methods share."""
    routes = [RouteEvaluation.model_validate(route) for route in result["routes"]]
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
        "hidden": {direction: hidden["fraction"] for direction, hidden in result["hidden"].items()},
        "ranks": ranks,
        "routes": {
            m.route: select_measures(m)
            | {"kid_error": m.errors.get("kid"), "feature_similarity": m.values.get("feature_similarity")}
            for m in routes
        },
    }


def write_image_grids(folder: ComparisonFolder, comparison: dict[str, Any], name: str, each: bool) -> None:
    """Write the image grid of the first route with all methods, and with `each` one per method."""
    rows_folder = folder.image_rows(*comparison["domains"][:2])
    methods = [
        result["method"] for result in comparison["results"] if (rows_folder / f"{result['method']}.png").exists()
    ]
    write_image_grid(rows_folder, [INPUTS, *methods, TRUTH], PICTURES / f"{name}.png", COLORS)
    for method in methods if each else ():
        write_image_grid(rows_folder, [INPUTS, method, TRUTH], PICTURES / name / f"{method}.png", FEW_COLORS)


def write_image_grid(rows_folder: Path, names: list[str], out: Path, colors: int) -> None:
    """Write the existing image rows as one grid with names at the left, quantized to `colors` colors."""
    rows = {
        name: Image.open(rows_folder / f"{name}.png").convert("RGB")
        for name in names
        if (rows_folder / f"{name}.png").exists()
    }
    width, height = next(iter(rows.values())).size
    picture = Image.new("RGB", (MARGIN + width, len(rows) * (height + GAP) - GAP), "white")
    draw = ImageDraw.Draw(picture)
    for i, (name, row) in enumerate(rows.items()):
        picture.paste(row, (MARGIN, i * (height + GAP)))
        draw.text((MARGIN - 4, i * (height + GAP) + height // 2), name, fill="black", anchor="rm")
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(colors).save(out, optimize=True)


def main(argv: list[str]) -> int:
    """Append the rows of a comparison and write its image grids."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", metavar="NAME")
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--only-pictures", action="store_true")
    args = parser.parse_args(argv)
    folder = ComparisonFolder(args.folder)
    comparison = json.loads(folder.results_file.read_text(encoding="utf-8"))
    for result in comparison["results"]:
        if result["state"] == "done" and not args.only_pictures:
            append_row("comparison", figures(comparison, result), comparison["seeds"][0], comparison["device"])
    if args.pictures:
        write_image_grids(folder, comparison, args.pictures, args.each)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
