"""Avatars: is the hair of a translation of the colour that was asked for, and everything else as it was?

    python -m benchmarks.avatars $DATA/avatars --method stargan --size 64 --minutes 10

Trains on four folders, a hair colour each (every flag of `unpaired train` may follow), then translates every test
avatar to every other colour. Classifiers that learned from the real training avatars tell the colour and the glasses
(file names say who wears them); the same identity in the other colour is the truth that PSNR is taken to. Their shares
on real test avatars, and doing nothing, stand beside. `--run RUN` measures a run that is there.

Three identities look alike in two colours, so that doing nothing would be right: they are left out.
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

COLOURS = ("black", "blond", "brown", "red")
ALIKE = ("0659", "0731", "0737")
STEPS, BATCH = 600, 64


def load(root: Path, part: str, colour: str) -> tuple[Tensor, Tensor]:
    """Avatars (N, 3, 64, 64) in [-1, 1] in the order of their names, and whether each wears glasses (N,)."""
    files = [path for path in sorted((root / part / colour).iterdir()) if path.name[:4] not in ALIKE]
    images = [np.asarray(Image.open(path).convert("RGB"), np.float32) / 127.5 - 1 for path in files]
    glasses = torch.tensor([int("glasses" in path.name) for path in files])
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(), glasses


def learned(images: Tensor, labels: Tensor, classes: int, seed: int) -> nn.Module:
    """A small classifier of images; mirrored ones are shown too."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        *(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU()),
        *(nn.Conv2d(64, 96, 3, 2, 1), nn.ReLU(), nn.AdaptiveMaxPool2d(2), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(384, classes)),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - step / STEPS)
        chosen = torch.randint(len(images), (BATCH,))
        x = images[chosen]
        x = torch.where(torch.rand(BATCH, 1, 1, 1) < 0.5, x.flip(3), x)
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels[chosen]).backward()
        optimizer.step()
    return net.eval()


@torch.no_grad()
def share(net: nn.Module, images: Tensor, labels: Tensor | int) -> float:
    """The share in percent of images that are told as `labels`."""
    return float(100 * (net(images).argmax(1) == labels).double().mean())


def closeness(x: Tensor, y: Tensor) -> float:
    """The mean PSNR in dB of images in [-1, 1]."""
    return float(psnr((x + 1) / 2, (y + 1) / 2).mean())


def measured(translator: Translator, root: Path, seed: int) -> dict[str, dict[str, float]]:
    """The figures of every direction, and of real avatars under "real"."""
    lessons = [load(root, "train", colour) for colour in COLOURS]
    every = torch.cat([images for images, _ in lessons])
    colours = torch.cat([torch.full((len(images),), i) for i, (images, _) in enumerate(lessons)])
    tell_colour = learned(every, colours, len(COLOURS), seed)
    tell_glasses = learned(every, torch.cat([glasses for _, glasses in lessons]), 2, seed)
    tests = [load(root, "test", colour) for colour in COLOURS]
    out: dict[str, dict[str, float]] = {}
    for a, (x, glasses) in enumerate(tests):
        for b, (truth, _) in enumerate(tests):
            if a == b:
                continue
            parts = [translator(part, to=COLOURS[b], source=COLOURS[a]) for part in x.split(50)]
            y = torch.cat(parts)
            out[f"{COLOURS[a]} -> {COLOURS[b]}"] = {
                "colour": share(tell_colour, y, b),
                "glasses": share(tell_glasses, y, glasses),
                "psnr": closeness(y, truth),
                "psnr_baseline": closeness(x, truth),
            }
    real = [(share(tell_colour, x, i), share(tell_glasses, x, glasses)) for i, (x, glasses) in enumerate(tests)]
    out["real"] = {"colour": sum(c for c, _ in real) / 4, "glasses": sum(g for _, g in real) / 4}
    return {route: {name: round(value, 2) for name, value in row.items()} for route, row in out.items()}


def main(words: list[str]) -> int:
    """Train (or take a run), measure, append a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.avatars", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    asked, flags = parser.parse_known_args(words)
    run = asked.run or Path(tempfile.mkdtemp()) / "run"
    if asked.run is None:
        code = unpaired(["train", str(asked.data), "--seed", str(asked.seed), "--out", str(run), *flags])
        if code:
            return code
    translator = Translator.load(run)
    found = measured(translator, asked.data, asked.seed)
    routes = [row for route, row in found.items() if route != "real"]
    last = History(RunFolder(run).history).read("losses")[-1]
    figures = {
        "method": translator.config.method,
        "preset": translator.config.preset,
        "steps": last["step"],
        "seconds": round(last["spent_s"]),
        "mean": {name: round(sum(row[name] for row in routes) / len(routes), 2) for name in routes[0]},
        "routes": found,
    }
    append_row("avatars", figures, asked.seed)
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
