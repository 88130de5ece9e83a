"""Flicker of translated clips and what lowers it: warping error against KID.

    python -m benchmarks.flicker --data $DATA --out runs/flicker --clips FOLDER
    python -m benchmarks.flicker --data $DATA --out runs/flicker --bases vangogh=RUN --tasks vangogh    # from this run

For each task, a run of the default recipe at 64 px is trained, and two runs continue from its weights, without and with
the temporal loss. The clips are pans and zooms over the test pictures of the source, whose flow is exact, and those in
FOLDER (for vangogh), whose flow is estimated. Each variant translates the same clips. The warping error is relative to
that of the clip. KID compares the last frame of each pan with the test pictures of the target. Rows go to
results.jsonl; runs that exist are not trained again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from benchmarks.moving_clips import View, make_clip
from benchmarks.race import PUBLIC
from benchmarks.results import append_row
from unpaired import Translator
from unpaired.media.image.image_io import FloatArray
from unpaired.media.image.tiled_pass import TiledPass
from unpaired.media.video.deflicker import to_frame, translate_shots
from unpaired.media.video.flow import FlowEstimator, Frame, Motion
from unpaired.media.video.flow_filter import FlowFilter
from unpaired.media.video.pipeline import ClipPipeline
from unpaired.media.video.warping_error import WarpingError, measure_warping_error
from unpaired.metrics import features
from unpaired.metrics.kid import kid_estimate

SIZE, SEED = 64, 0
PANS = "pans"
PAN_FRAMES, MARGIN = 8, 16
"""Frames of a pan, and pixels around the first window that its motion may need."""
CLIP_FRAMES = 30
"""First frames of a clip of FOLDER that are measured."""
FLAGS = {"method": "cyclegan", "preset": "small", "size": SIZE, "seed": SEED, "threads": 1, "precision": "fp32"}
QUIET = {"evaluate-every": 0, "sample-every": 0}
CONTINUED = {"lr": 2e-4, "lr-d": 2e-4, "ema-decay": 0.99}
"""Flags of all trainings, and of those that continue: their EMA must follow in a few hundred steps."""
VARIANTS = {
    "frame by frame": (False, "none"),
    "statistics": (False, "statistics"),
    "filter": (False, "filter"),
    "temporal loss": (True, "none"),
    "temporal loss, filter": (True, "filter"),
}
"""Variant -> whether training had the temporal loss, and the value of --deflicker."""


@dataclass(frozen=True)
class Clip:
    """Frames (H, W, 3), and the motions between them; clips of one `kind` are measured together."""

    kind: str
    frames: Sequence[Frame]
    motions: Sequence[Motion]


def train(domains: Sequence[Path], run: Path, flags: dict[str, Any]) -> None:
    """Train a run with one thread unless it exists; raises RuntimeError."""
    if (run / "model.safetensors").exists():
        return
    words = [str(word) for name, value in {**FLAGS, **QUIET, **flags}.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "unpaired", "train", *map(str, domains), *words, "--out", str(run)]
    env = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def read_pictures(folder: Path, count: int, size: int | None = None) -> list[Frame]:
    """Read the first pictures of a folder as RGB, resized to `size` x `size` if it is given."""
    pictures = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())[:count]]
    return [np.asarray(picture if size is None else picture.resize((size, size))) for picture in pictures]


def to_values(frame: Frame) -> FloatArray:
    """Convert a frame (H, W, 3) to the networks' input (3, H, W) in [-1, 1]."""
    return np.asarray(frame.transpose(2, 0, 1) / 127.5 - 1, np.float32)


def make_pans(pictures: Sequence[Frame]) -> Iterator[Clip]:
    """Yield a clip of each picture: a pan at 0.5 to 2 pixels per frame in a random direction, and a slow zoom."""
    draws = np.random.default_rng(SEED)
    for picture in pictures:
        height, width = picture.shape[:2]
        scale = max(1.0, min(height, width) / (SIZE + 2 * MARGIN))
        padded = np.pad(picture, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), "edge")
        angle, speed, zoom = draws.uniform(0, 2 * np.pi), draws.uniform(0.5, 2), draws.uniform(-0.01, 0.01)
        views = [
            View(
                width / 2 + MARGIN + scale * speed * np.cos(angle) * (t - PAN_FRAMES / 2),
                height / 2 + MARGIN + scale * speed * np.sin(angle) * (t - PAN_FRAMES / 2),
                scale * (1 + zoom) ** (t - PAN_FRAMES / 2),
            )
            for t in range(PAN_FRAMES)
        ]
        clip = make_clip(padded, views, SIZE)
        yield Clip(PANS, clip.frames, clip.motions)


def read_clip(path: Path) -> Clip:
    """Read the first frames of a clip, with the shorter side resized to SIZE and the other to a multiple of 4."""
    capture = cv2.VideoCapture(str(path))
    frames: list[Frame] = []
    while len(frames) < CLIP_FRAMES and (found := capture.read())[0]:
        height, width = found[1].shape[:2]
        sides = tuple(round(side * SIZE / min(height, width) / 4) * 4 for side in (width, height))
        frames.append(np.asarray(cv2.resize(found[1], sides, interpolation=cv2.INTER_AREA)[..., ::-1], np.uint8))
    estimator = FlowEstimator()
    return Clip(path.stem, frames, [estimator.estimate_motion(b, a) for a, b in pairwise(frames)])


def open_pass(run: Path, target: str) -> TiledPass:
    """Load a run's networks for the route to `target`."""
    translator = Translator.load(run, "last", "cpu")
    pipeline = translator.create_pipeline(translator.resolve_request(target))
    assert isinstance(pipeline, ClipPipeline)
    tiled_pass = pipeline.pictures.network_pass.as_tiled()
    assert tiled_pass is not None
    return tiled_pass


def translate(network_pass: TiledPass, clip: Clip, deflicker: str) -> list[FloatArray]:
    """Translate a clip to frames (3, H, W) in [-1, 1]."""
    values = [to_values(frame) for frame in clip.frames]
    if deflicker == "none":
        return list(network_pass.apply(np.stack(values), True, None))
    flow_filter = FlowFilter() if deflicker == "filter" else None
    shots = translate_shots(network_pass, values, lambda x: x, flow_filter, full_precision=True)
    return [y for _, y in shots]


def measure_ratio(errors: Sequence[WarpingError]) -> float:
    """Return the warping error of translations relative to that of their clips, over all pairs of frames."""
    clip, translation = (sum(getattr(e, name) * e.pairs for e in errors) for name in ("clip", "translation"))
    return float(translation / clip)


def embed(images: Sequence[FloatArray]) -> dict[str, torch.Tensor]:
    """Return the features of images (3, H, W) in [-1, 1] by each feature network of the metrics."""
    batch = torch.from_numpy(np.stack(images))
    with torch.no_grad():
        return {name: network(batch) for name, network in load_judges().items()}


@cache
def load_judges() -> dict[str, Any]:
    """Load the feature networks of the metrics, by the name of their KID."""
    return {"kid": features.EfficientNetFeatures(), "kid_alexnet": features.AlexNetFeatures()}


def measure_task(task: str, runs: dict[bool, Path], data: Path, count: int, clips: Sequence[Clip]) -> dict[str, Any]:
    """Translate the clips by all variants; returns the figures by variant."""
    folder, source, target = PUBLIC[task]
    pans = list(make_pans(read_pictures(data / folder / "test" / source, count)))
    real = read_pictures(data / folder / "test" / target, count, SIZE)
    real_features = embed([to_values(frame) for frame in real])
    figures: dict[str, Any] = {}
    for variant, (is_temporal, deflicker) in VARIANTS.items():
        network_pass = open_pass(runs[is_temporal], target)
        errors: dict[str, list[WarpingError]] = {}
        last_frames: list[FloatArray] = []
        for clip in [*pans, *clips]:
            translations = translate(network_pass, clip, deflicker)
            error = measure_warping_error(clip.frames, [to_frame(y) for y in translations], clip.motions)
            errors.setdefault(clip.kind, []).append(error)
            last_frames += [translations[-1]] if clip.kind == PANS else []
        row: dict[str, Any] = {f"ratio {kind}": round(measure_ratio(found), 3) for kind, found in errors.items()}
        for name, fake in embed(last_frames).items():
            estimate = kid_estimate(real_features[name], fake)
            row |= {name: round(1000 * estimate.value, 2), f"{name}_error": round(1000 * estimate.error, 2)}
        figures[variant] = row
        print(f"{task:8} {variant:26} {row}", flush=True)
    return figures


def main() -> None:
    """Train what is missing, measure, and append a row per task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", default="vangogh,emoji")
    parser.add_argument("--bases", default="", help="TASK=RUN,...: trained runs to continue from")
    parser.add_argument("--base-steps", type=int, default=1500)
    parser.add_argument("--steps", type=int, default=200, help="steps of the runs that continue")
    parser.add_argument("--weight", type=float, default=10.0, help="temporal weight")
    parser.add_argument("--pictures", type=int, default=100, help="pans, and pictures of the target")
    parser.add_argument("--clips", type=Path, help="folder with clips")
    args = parser.parse_args()
    torch.set_num_threads(1)
    bases = dict(word.split("=") for word in args.bases.split(",") if word)
    for task in args.tasks.split(","):
        folder, *names = PUBLIC[task]
        domains = [args.data / folder / "train" / name for name in names]
        base = Path(bases.get(task, args.out / f"{task}-base"))
        if task not in bases:
            train(domains, base, {"steps": args.base_steps})
        runs = {True: args.out / f"{task}-w{args.weight:g}", False: args.out / f"{task}-w0"}
        for is_temporal, run in runs.items():
            flags = {"init": base, "steps": args.steps, "temporal-weight": args.weight if is_temporal else 0}
            train(domains, run, {**CONTINUED, **flags})
        paths = sorted(args.clips.glob("*.mp4")) if args.clips and task == "vangogh" else []
        figures = measure_task(task, runs, args.data, args.pictures, [read_clip(path) for path in paths])
        append_row("flicker", {"task": task, "weight": args.weight, "steps": args.steps, "variants": figures}, SEED)


if __name__ == "__main__":
    main()
