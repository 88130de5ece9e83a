"""Avatars: measure whether translations have the requested hair color and are otherwise unchanged.

    python -m benchmarks.avatars $DATA/avatars --method stargan --size 64 --minutes 10

Trains on four folders, one per hair color (every flag of `unpaired train` may follow), then translates every test
avatar to every other color. Classifiers trained on the real training avatars predict the hair color and the glasses
(file names contain the label of the glasses). The ground truth of PSNR is the same identity in the target color. The
baselines are the accuracy on real test avatars and the PSNR of the untranslated input. `--run RUN` measures an existing
run instead of training one.

Three identities are excluded, because they look the same in two colors.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from benchmarks.results import append_row
from unpaired import Translator
from unpaired.cli.main import main as unpaired
from unpaired.metrics.paired import psnr
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History

COLORS = ("black", "blond", "brown", "red")
EQUAL_IDENTITIES = ("0659", "0731", "0737")
STEPS, BATCH = 600, 64


def load(root: Path, part: str, color: str) -> tuple[Tensor, Tensor]:
    """Load avatars (N, 3, 64, 64) in [-1, 1], sorted by name, and their labels (N,): 1 with glasses, else 0."""
    files = [path for path in sorted((root / part / color).iterdir()) if path.name[:4] not in EQUAL_IDENTITIES]
    images = [np.asarray(Image.open(path).convert("RGB"), np.float32) / 127.5 - 1 for path in files]
    glasses = torch.tensor([int("glasses" in path.name) for path in files])
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), glasses


def train_classifier(images: Tensor, labels: Tensor, classes: int, seed: int) -> nn.Module:
    """Train a small image classifier with random horizontal flips."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        *(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU()),
        *(nn.Conv2d(64, 96, 3, 2, 1), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(384, classes)),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / STEPS)
        indices = torch.randint(len(images), (BATCH,))
        x = images[indices]
        x = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, x.flip(3), x)
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels[indices]).backward()
        optimizer.step()
    return net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor | int) -> float:
    """Return the percentage of images that `net` classifies as `labels`."""
    return float(100 * (net(images).argmax(1) == labels).double().mean())


def mean_psnr(x: Tensor, y: Tensor) -> float:
    """Return the mean PSNR in dB of images in [-1, 1]."""
    return float(psnr((x + 1) / 2, (y + 1) / 2).mean())


def measure_routes(translator: Translator, root: Path, seed: int) -> dict[str, dict[str, float]]:
    """Return the measures of every route, and of real avatars under "real"."""
    train_sets = [load(root, "train", color) for color in COLORS]
    images_of_all = torch.cat([images for images, _ in train_sets])
    colors = torch.cat([torch.full((len(images),), i) for i, (images, _) in enumerate(train_sets)])
    color_classifier = train_classifier(images_of_all, colors, len(COLORS), seed)
    glasses_classifier = train_classifier(images_of_all, torch.cat([glasses for _, glasses in train_sets]), 2, seed)
    test_sets = [load(root, "test", color) for color in COLORS]
    out: dict[str, dict[str, float]] = {}
    for a, (x, glasses) in enumerate(test_sets):
        for b, (truth, _) in enumerate(test_sets):
            if a == b:
                continue
            parts = [translator(part, to=COLORS[b], source=COLORS[a]) for part in x.split(50)]
            y = torch.cat(parts)
            out[f"{COLORS[a]} -> {COLORS[b]}"] = {
                "color": accuracy(color_classifier, y, b),
                "glasses": accuracy(glasses_classifier, y, glasses),
                "psnr": mean_psnr(y, truth),
                "psnr_baseline": mean_psnr(x, truth),
            }
    real = [
        (accuracy(color_classifier, x, i), accuracy(glasses_classifier, x, glasses))
        for i, (x, glasses) in enumerate(test_sets)
    ]
    out["real"] = {"color": sum(c for c, _ in real) / 4, "glasses": sum(g for _, g in real) / 4}
    return {route: {name: round(value, 2) for name, value in row.items()} for route, row in out.items()}


def main(argv: list[str]) -> int:
    """Train or load a run, measure it and append a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.avatars", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args, flags = parser.parse_known_args(argv)
    run = args.run or Path(tempfile.mkdtemp()) / "run"
    if args.run is None:
        code = unpaired(["train", str(args.data), "--seed", str(args.seed), "--out", str(run), *flags])
        if code:
            return code
    translator = Translator.load(run)
    results = measure_routes(translator, args.data, args.seed)
    routes = [row for route, row in results.items() if route != "real"]
    last = History(RunFolder(run).history).read("losses")[-1]
    figures = {
        "method": translator.config.method,
        "preset": translator.config.preset,
        "steps": last["step"],
        "seconds": round(last["spent_s"]),
        "mean": {name: round(sum(row[name] for row in routes) / len(routes), 2) for name in routes[0]},
        "routes": results,
    }
    append_row("avatars", figures, args.seed)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
