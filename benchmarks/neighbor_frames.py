"""Flicker of runs that train on clips, without and with the temporal loss between neighboring frames.

    python -m benchmarks.neighbor_frames --out runs/neighbors

Pans and zooms over the sample avatars with black and with blond hair are the clips of the two domains. Two runs differ
in `--temporal-weight` alone; their evaluations measure the warping error of the test clips, and KID. A row goes to
results.jsonl. Needs `unpaired[video]`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

import unpaired
from benchmarks.results import append_row
from unpaired.media.demo import SAMPLES

DOMAINS = ("black", "blond")
SIDE, FRAMES, CLIPS, SEED = 64, 12, 40, 0
SETTINGS: dict[str, Any] = {
    "preset": "tiny",
    "size": 32,
    "frames_per_second": 6,
    "evaluate_every": 0,
    "sample_every": 0,
    "threads": 1,
}

MEASURES = ("warping_error", "kid", "kid_alexnet", "feature_similarity", "edge_similarity")


def write_pan(picture: Path, clip: Path, draws: np.random.Generator) -> None:
    """Write a lossless clip that pans over a picture and zooms slowly."""
    image = Image.open(picture).convert("RGB")
    zoom, (across, down) = draws.uniform(-0.015, 0.015), draws.uniform(-1, 1, 2)
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "bgr0"
        for t in range(FRAMES):
            side = 50 * (1 + zoom * t)
            left, top = (max(0.0, (SIDE - side) / 2 + 0.8 * way * (t - FRAMES / 2)) for way in (across, down))
            box = (left, top, min(SIDE, left + side), min(SIDE, top + side))
            view = image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(view), format="rgb24")))
        out.mux(stream.encode(None))


def main() -> None:
    """Write the clips, train, and append a row with the figures of both runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--weight", type=float, default=10.0)
    args = parser.parse_args()
    draws = np.random.default_rng(SEED)
    folders = [args.out / "clips" / name for name in DOMAINS]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(sorted((SAMPLES / "avatars" / folder.name / "train").iterdir())[:CLIPS]):
            write_pan(picture, folder / f"{number:02}.mkv", draws)
    figures: dict[str, Any] = {"steps": args.steps}
    for weight in (0.0, args.weight):
        run = args.out / f"w{weight:g}"
        unpaired.train(*folders, out=run, steps=args.steps, seed=SEED, temporal_weight=weight, **SETTINGS)
        evaluation = json.loads((run / "evaluation.json").read_text("utf-8"))
        figures[f"weight {weight:g}"] = {
            route["route"]: {measure: round(route["values"][measure], 3) for measure in MEASURES}
            for route in evaluation["routes"]
        }
    print(append_row("neighbor_frames", figures, SEED))


if __name__ == "__main__":
    main()
