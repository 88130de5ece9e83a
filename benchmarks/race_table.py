"""Table and sheets of pictures of `benchmarks.race`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from unpaired import Translator

MAX_L1_RATIO = 1.03
"""Ratio of L1 to the reference's above which a direction is lost."""
KIDS = ("kid", "kid_alexnet")
"""KID by each of the two feature networks."""
NUM_COLUMNS, GAP, LABEL_HEIGHT = 12, 2, 12


def compute_closed_gap(figures: Mapping[str, float], name: str) -> float:
    """Return how much of the distance between the input and the truth is closed: 1 at the truth, 0 for the input."""
    before, perfect = figures[f"{name}_baseline"], {"l1": 0.0, "ssim": 1.0}[name]
    return (figures[name] - before) / (perfect - before)


def compare(ours: Mapping[str, float], reference: Mapping[str, float]) -> str:
    """Return "won", "tie" or "lost"."""
    are_kids_fine = all(
        ours[kid] - reference[kid] <= ours.get(f"{kid}_error", 0.0) for kid in KIDS if kid in ours and kid in reference
    )
    if ours["l1"] < reference["l1"] and ours["ssim"] > reference["ssim"] and are_kids_fine:
        return "won"
    return "lost" if ours["l1"] > MAX_L1_RATIO * reference["l1"] else "tie"


def compute_mean(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean over seeds of each figure that all rows have."""
    names = [name for name in figures[0] if all(name in row for row in figures)]
    return {name: sum(row[name] for row in figures) / len(figures) for name in names}


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table in Markdown, a line per direction and side, with means over the seeds."""
    head = (
        "| task | direction | side | steps | L1 | SSIM | PSNR | ST-LPIPS | KID x1000: EfficientNet-Lite0, AlexNet | "
        "gap closed: L1, SSIM | change | result |"
    )
    lines = [head, "|" + "---|" * 12]
    counts = {"won": 0, "tie": 0, "lost": 0}
    for task in dict.fromkeys(row["task"] for row in rows):
        by_side: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            if row["task"] == task:
                by_side.setdefault(row["side"], []).append(row)
        if not {"ours", "reference"} <= by_side.keys():
            continue
        for route in by_side["ours"][0]["routes"]:
            means = {side: compute_mean([row["routes"][route] for row in found]) for side, found in by_side.items()}
            result = compare(means["ours"], means["reference"])
            counts[result] += 1
            own = means["ours"]
            names = ("l1", "ssim", "psnr", "st_lpips", *KIDS)
            baseline = {name: own[f"{name}_baseline"] for name in names if f"{name}_baseline" in own}
            lines.append(f"| {task} | {route} | doing nothing | - | {format_figures(baseline)} | | | |")
            for side, figures in means.items():
                steps = [row["steps"] for row in by_side[side] if "steps" in row]
                cells = [f"{sum(steps) / len(steps):.0f}" if steps else "-", format_figures(figures)]
                closed = f"{compute_closed_gap(figures, 'l1'):.0%}, {compute_closed_gap(figures, 'ssim'):.0%}"
                cells += [closed, f"{figures['change']:.3f}", result if side == "ours" else ""]
                lines.append(f"| | | {SIDE_LABELS[side]} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", ", ".join(f"{count} {word}" for word, count in counts.items())])


SIDE_LABELS = {"ours": "`small`", "reference": "reference", "linear": "linear color transfer"}


def format_figures(figures: Mapping[str, float]) -> str:
    """Return L1, SSIM, PSNR, ST-LPIPS and both KIDs as cells of the table; older rows lack some."""
    kids = ", ".join(f"{figures[kid]:.0f}" if kid in figures else "-" for kid in KIDS)
    perceptual = f"{figures['st_lpips']:.4f}" if "st_lpips" in figures else "-"
    return f"{figures['l1']:.3f} | {figures['ssim']:.3f} | {figures['psnr']:.1f} | {perceptual} | {kids}"


def write_sheet(runs: Mapping[str, Path], folder: Path, size: int, path: Path) -> None:
    """Write rows of inputs, translations by each run, and the truth, for some test items of both directions."""
    translators = {side: Translator.load(run, "last", device="cpu") for side, run in runs.items()}
    rows: list[tuple[str, list[Image.Image]]] = []
    for source, target in next(iter(translators.values())).routes:
        files = sorted((folder / source / "test").iterdir())
        files = files[:: max(1, len(files) // NUM_COLUMNS)][:NUM_COLUMNS]
        inputs = [open_picture(file, size) for file in files]
        rows.append((source, inputs))
        rows += [(side, [t(x, to=target).convert("RGB") for x in inputs]) for side, t in translators.items()]
        truth = [find_pair(folder / target / "test", file) for file in files]
        rows.append((f"{target} (truth)", [open_picture(file, size) for file in truth if file is not None]))
    step, height = size + GAP, size + GAP + LABEL_HEIGHT
    sheet = Image.new("RGB", (NUM_COLUMNS * step, len(rows) * height), "white")
    for i, (label, pictures) in enumerate(rows):
        ImageDraw.Draw(sheet).text((2, i * height), label, fill="black")
        for j, picture in enumerate(pictures):
            sheet.paste(picture, (j * step, i * height + LABEL_HEIGHT))
    sheet.save(path, optimize=True)


def find_pair(folder: Path, file: Path) -> Path | None:
    """Return the picture of the same name in another domain's folder."""
    return next((other for other in folder.iterdir() if other.stem == file.stem), None)


def open_picture(file: Path, size: int) -> Image.Image:
    """Return a file's picture at `size` pixels."""
    with Image.open(file) as picture:
        return picture.convert("RGB").resize((size, size), Image.Resampling.BOX)
