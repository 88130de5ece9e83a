"""Every method's translations of the same pictures, and how long they took."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from unpaired.comparison.folder import ComparisonFolder
from unpaired.data.batches import Batches
from unpaired.data.split import Sets
from unpaired.devices import own_random_numbers
from unpaired.media import image
from unpaired.runs.config import RunConfig
from unpaired.runs.files import framing_of
from unpaired.translate import Translator

SHOWN = 8
"""Pictures in a row."""
MOST_DIRECTIONS = 12
"""Directions that are pictured."""
SLOW_S = 2.0
"""A translation that takes longer is timed once, others are warmed up and timed three times."""
INPUTS, TRUTH = "inputs", "truth"
GAP = 2


class Looks:
    """The same inputs of each direction for every method, drawn once from the seed; rows of pictures as PNG files."""

    def __init__(self, folder: ComparisonFolder, config: RunConfig, sets: Sequence[Sets], pairs: bool) -> None:
        self.folder, self.config, self.pairs = folder, config, pairs
        self.batches = Batches(config.domains, sets, framing_of(config), config.training.seed, workers=0)
        self.inputs: dict[tuple[str, str], Tensor] = {}

    def show(self, method: str, translator: Translator) -> float | None:
        """Translate the inputs of every direction and write the rows; returns seconds per item, the mean over them."""
        times = []
        for source, target in translator.routes[:MOST_DIRECTIONS]:
            x = self._inputs_of(source, target)
            if not len(x):
                continue
            y, seconds = timed(translator, x, source, target)
            times.append(seconds / len(x))
            self._write(self.folder.pictures(source, target) / f"{method}.png", y, target)
        return sum(times) / len(times) if times else None

    def _inputs_of(self, source: str, target: str) -> Tensor:
        """The inputs (N, C, H, W) of a direction; their row (and that of the truth) is written when first asked for."""
        if (source, target) not in self.inputs:
            x, truth = self._drawn(source, target)
            self.inputs[source, target] = x
            place = self.folder.pictures(source, target)
            if len(x):
                self._write(place / f"{INPUTS}.png", x, source)
            if truth is not None:
                self._write(place / f"{TRUTH}.png", truth, target)
        return self.inputs[source, target]

    def _drawn(self, source: str, target: str) -> tuple[Tensor, Tensor | None]:
        """Test items, with their truth where there are pairs; else held-back, else training items."""
        ours, theirs = self.config.key(source), self.config.key(target)
        if self.pairs and (known := list(self.batches.pairs(ours, theirs, limit=SHOWN))):
            return torch.stack([x for _, x, _ in known]), torch.stack([y for _, _, y in known])
        for which in ("test", "validation", "train"):
            if items := [item.tensor for item in self.batches.items(ours, which, SHOWN)]:
                return torch.stack(items), None
        return torch.empty(0, self.config.channels, 1, 1), None

    def _write(self, path: Path, pictures: Tensor, domain: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        color = self.config.domain(self.config.key(domain)).color
        image.write(path, image.from_tensor(row(pictures), 0.0, 255.0, color))


def row(pictures: Tensor) -> Tensor:
    """Pictures (N, C, H, W) side by side, white between them: (C, H, W')."""
    white = pictures.new_ones(*pictures.shape[1:3], GAP)
    return torch.cat([piece for picture in pictures.cpu() for piece in (picture, white)][:-1], dim=2)


def timed(translator: Translator, x: Tensor, source: str, target: str) -> tuple[Tensor, float]:
    """The translation of `x` and the seconds that it took."""

    def once() -> tuple[Tensor, float]:
        begun = time.perf_counter()
        with own_random_numbers():
            y = translator(x, to=target, source=source)
        return y, time.perf_counter() - begun

    y, seconds = once()
    if seconds < SLOW_S:
        seconds = min(once()[1] for _ in range(3))
    return y, seconds
