"""Rows of pictures of a comparison: translations of the same inputs by every method, and their time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from markupsafe import Markup
from torch import Tensor

from unpaired.comparison import ranking
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.result import Comparison
from unpaired.config.run_config import RunConfig
from unpaired.data.batches import BatchLoader
from unpaired.data.split import DomainSplits
from unpaired.devices import isolate_rng
from unpaired.media.image import image_io
from unpaired.media.image.image_tensors import from_tensor
from unpaired.media.image.settings import image_settings, image_statistics
from unpaired.media.pictures import embed_image
from unpaired.report.templating import render
from unpaired.runs.files import build_item_transform
from unpaired.runs.folder import RunFolder
from unpaired.translate import Translator

IMAGES_PER_ROW = 8
"""Number of pictures in a row."""
MAX_DIRECTIONS = 12
"""Maximum number of directions with rows of pictures."""
SLOW_S = 2.0
"""Seconds above which a translation is timed once; faster ones are repeated three times after the first."""
INPUTS, TRUTH = "inputs", "truth"
GAP = 2
"""White pixels between two pictures of a row."""


class ImageRows:
    """Writer of a comparison's rows of pictures, one PNG file for each direction and method.

    The inputs of a direction are selected once, by the seed, and are the same for every method.
    """

    def __init__(self, folder: ComparisonFolder, config: RunConfig, sets: Sequence[DomainSplits], pairs: bool) -> None:
        self.folder, self.config, self.pairs = folder, config, pairs
        self.batches = BatchLoader(config.domains, sets, build_item_transform(config), config.split_seed, workers=0)
        self.inputs: dict[tuple[str, str], Tensor] = {}

    def demonstrate(self, method: str, translator: Translator, run: RunFolder) -> float | None:  # noqa: ARG002
        """Translate the inputs of every direction and write the rows; returns the mean seconds per item."""
        times = []
        for source, target in translator.routes[:MAX_DIRECTIONS]:
            x = self._get_inputs(source, target)
            if not len(x):
                continue
            y, seconds = time_translation(translator, x, source, target)
            times.append(seconds / len(x))
            self._write(self.folder.image_rows(source, target) / f"{method}.png", y, target)
        return sum(times) / len(times) if times else None

    def _get_inputs(self, source: str, target: str) -> Tensor:
        """Return the inputs (N, C, H, W) of a direction; the first call writes their row and that of the truth."""
        if (source, target) not in self.inputs:
            x, truth = self._select_inputs(source, target)
            self.inputs[source, target] = x
            folder = self.folder.image_rows(source, target)
            if len(x):
                self._write(folder / f"{INPUTS}.png", x, source)
            if truth is not None:
                self._write(folder / f"{TRUTH}.png", truth, target)
        return self.inputs[source, target]

    def _select_inputs(self, source: str, target: str) -> tuple[Tensor, Tensor | None]:
        """Return true pairs of the test split; without pairs, inputs of the test, validation or training split."""
        source_key, target_key = self.config.find_key(source), self.config.find_key(target)
        if self.pairs and (
            loaded_pairs := list(self.batches.iterate_pairs(source_key, target_key, limit=IMAGES_PER_ROW))
        ):
            return torch.stack([x for _, x, _ in loaded_pairs]), torch.stack([y for _, _, y in loaded_pairs])
        for split in ("test", "validation", "train"):
            if items := [item.tensor for item in self.batches.iterate_items(source_key, split, IMAGES_PER_ROW)]:
                return torch.stack(items), None
        return torch.empty(0, image_settings(self.config).num_channels, 1, 1), None

    def _write(self, path: Path, images: Tensor, domain: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        color = image_statistics(self.config.get_domain(self.config.find_key(domain))).color
        image_io.write_image(path, from_tensor(join_images(images), 0.0, 255.0, color))


def join_images(images: Tensor) -> Tensor:
    """Join images (N, C, H, W) side by side, white between them: (C, H, W')."""
    white = images.new_ones(*images.shape[1:3], GAP)
    return torch.cat([part for image_tensor in images.cpu() for part in (image_tensor, white)][:-1], dim=2)


def time_translation(translator: Translator, x: Tensor, source: str, target: str) -> tuple[Tensor, float]:
    """Translate `x` (N, C, H, W); returns the translations and the seconds for all of them."""

    def translate_once() -> tuple[Tensor, float]:
        start = time.perf_counter()
        with isolate_rng():
            y = translator(x, to=target, source=source)
        return y, time.perf_counter() - start

    y, seconds = translate_once()
    if seconds < SLOW_S:
        seconds = min(translate_once()[1] for _ in range(3))
    return y, seconds


def render_rows(folder: ComparisonFolder, comparison: Comparison) -> list[Markup]:
    """Render a section per direction, with rows of the inputs, the truth if it is known, and every method by rank."""
    names = comparison.domains
    directions = [(a, b) for a in names for b in names if a != b and folder.image_rows(a, b).is_dir()]
    sections = []
    for direction in directions[: MAX_DIRECTIONS * 2]:
        rows = list(_list_rows(folder, comparison, *direction))
        if len(rows) > 1:
            heading, body = f"Pictures: {' → '.join(direction)}", render("image_rows", rows=rows)
            sections.append(render("section", heading=heading, body=body, is_open=len(names) == 2))
    return sections


def _list_rows(folder: ComparisonFolder, comparison: Comparison, source: str, target: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of one direction for the template."""
    judges = ranking.choose_judges(comparison)
    order = [m.method for m in ranking.rank_direction(comparison.results, f"{source} -> {target}", judges)]
    labels = {INPUTS: source, TRUTH: f"true {target}"}
    for name in (INPUTS, TRUTH, *dict.fromkeys([*order, *(r.method for r in comparison.finished)])):
        path = folder.image_rows(source, target) / f"{name}.png"
        if path.is_file() and (picture := embed_image(path)) is not None:
            alt = f"{name}, {source} to {target}"
            yield {"label": labels.get(name, name), "is_given": name in labels, "picture": picture, "alt": alt}
