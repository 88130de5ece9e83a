"""Translations beside their nearest training pictures of the target domain, by the features of the judge network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from markupsafe import Markup
from pydantic import BaseModel, ValidationError
from torch import Tensor

from unpaired.data import counter_rng
from unpaired.data.batches import BatchLoader, EvaluationItem, iterate_items
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.data.split import DomainSplits
from unpaired.devices import isolate_rng
from unpaired.file_names import shorten_name
from unpaired.media.base import EvaluationRequest
from unpaired.media.image import image_io
from unpaired.media.image.image_rows import join_images
from unpaired.media.image.image_tensors import from_tensor
from unpaired.media.image.metrics import REAL
from unpaired.media.image.settings import image_statistics
from unpaired.media.pictures import embed_image
from unpaired.metrics import features as feature_net
from unpaired.metrics.base import DO_NOTHING, RouteEvaluation
from unpaired.metrics.memorization import add_nearest_ratios
from unpaired.metrics.nearest import compute_ratio, find_nearest
from unpaired.report.templating import render
from unpaired.routes import Route
from unpaired.runs.files import build_item_transform
from unpaired.runs.folder import RunFolder

MAX_TRAINING_ITEMS = 500
"""Maximum number of training pictures of a domain that are searched; of more, a fixed random sample."""
MAX_TEST_ITEMS = 100
"""Maximum number of translations, and of real test pictures, whose nearest training pictures are searched."""
SHOWN_ITEMS = 4
"""Number of rows of pictures per route."""
CHUNK_SIZE = 16


class NearestPicture(BaseModel):
    """Row of a report: a translation and its nearest training picture. `file` has input, translation and it."""

    route: str
    input: str
    nearest: str
    distance: float
    file: str


class NearestPictures(BaseModel):
    """Content of `nearest/nearest.json`: the rows, and how many pictures were searched."""

    rows: tuple[NearestPicture, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TrainingFeatures:
    """Features (M, D) of training pictures of a domain, their indices in its list, and the number of all."""

    features: Tensor
    indices: Sequence[int]
    available: int


class _Candidate(NamedTuple):
    """Translation of the measured item `item`, with the index of its nearest training picture and the distance."""

    distance: float
    item: int
    translation: Tensor
    nearest: int


class NearestImageFinder:
    """Search of the training pictures that are nearest to translations; the features of a domain are computed once."""

    def __init__(self, request: EvaluationRequest, training: Sequence[DomainSplits]) -> None:
        self.request, self.training, self.config = request, training, request.model.config
        self.method = request.model.method
        self.transform = build_item_transform(self.config)
        self.batches = BatchLoader(
            self.config.domains, request.splits, self.transform, self.config.split_seed, workers=0
        )
        self.extract = feature_net.EfficientNetFeatures(request.device)
        self.limit = min(MAX_TEST_ITEMS, request.limit or MAX_TEST_ITEMS)
        self._training_features: dict[str, TrainingFeatures] = {}
        self._real_distances: dict[str, Tensor] = {}
        self.rows: list[NearestPicture] = []

    def measure_route(self, route: Route, evaluation: RouteEvaluation) -> RouteEvaluation:
        """Return the evaluation of a route with the ratio of distances, and write the rows of pictures."""
        library = self._get_training_features(route.target)
        if not len(library.features):
            return evaluation
        items = list(self.batches.iterate_items(route.source, self.request.split, self.limit))
        distances, input_distances = [], []
        candidates: list[_Candidate] = []
        for start in range(0, len(items), CHUNK_SIZE):
            x = torch.stack([item.tensor for item in items[start : start + CHUNK_SIZE]])
            with torch.no_grad(), isolate_rng():
                y = self.method.translate(x.to(self.request.device), route.source, route.target).float().cpu()
            nearest = find_nearest(self.extract(y), library.features)
            distances.append(nearest.distances)
            input_distances.append(find_nearest(self.extract(x), library.features).distances)
            found = zip(nearest.distances.tolist(), nearest.indices.tolist(), strict=True)
            candidates += [_Candidate(d, start + i, y[i], library.indices[k]) for i, (d, k) in enumerate(found)]
            candidates = sorted(candidates, key=lambda candidate: (candidate.distance, candidate.item))[:SHOWN_ITEMS]
        if not distances:
            return evaluation
        real = self._get_real_distances(route.target)
        self._write_rows(route, items, candidates)
        ratios = {
            name: compute_ratio(torch.cat(values), real)
            for name, values in (("", distances), (DO_NOTHING, input_distances))
        }
        return add_nearest_ratios(evaluation, ratios[""], {DO_NOTHING: ratios[DO_NOTHING]}, REAL)

    def describe_search(self) -> tuple[str, ...]:
        """Describe for each target domain how many training pictures were searched."""
        return tuple(
            f"{self.config.get_domain(key).name}: searched {len(library.features):,}"
            + (f", a fixed random sample of {library.available:,}" if len(library.features) < library.available else "")
            + " training pictures."
            for key, library in self._training_features.items()
        )

    def _get_training_features(self, key: str) -> TrainingFeatures:
        if key not in self._training_features:
            count = len(self.training[DOMAIN_KEYS.index(key)].train)
            order = counter_rng.generate_permutation(count, self.config.split_seed)[:MAX_TRAINING_ITEMS]
            features, kept, chunk = [torch.empty(0, self.extract.dimensions)], [], []
            for index in np.sort(order).tolist():
                for item in self._load_training_items(key, index):
                    kept.append(index)
                    chunk.append(item.tensor)
                if len(chunk) == CHUNK_SIZE:
                    features.append(self.extract(torch.stack(chunk)))
                    chunk.clear()
            features += [self.extract(torch.stack(chunk))] if chunk else []
            self._training_features[key] = TrainingFeatures(torch.cat(features), kept, count)
        return self._training_features[key]

    def _get_real_distances(self, key: str) -> Tensor:
        """Return the distances of real test pictures of a domain to their nearest training pictures."""
        if key not in self._real_distances:
            images = [item.tensor for item in self.batches.iterate_items(key, self.request.split, self.limit)]
            chunks = [torch.stack(images[i : i + CHUNK_SIZE]) for i in range(0, len(images), CHUNK_SIZE)]
            features = torch.cat([torch.empty(0, self.extract.dimensions), *map(self.extract, chunks)])
            self._real_distances[key] = find_nearest(features, self._training_features[key].features).distances
        return self._real_distances[key]

    def _load_training_items(self, key: str, index: int) -> Iterator[EvaluationItem]:
        """Yield the training picture with this index in the list of a domain; nothing if it cannot be read."""
        position = DOMAIN_KEYS.index(key)
        return iterate_items(self.training[position].train, self.config.domains[position], self.transform, [index])

    def _write_rows(self, route: Route, items: Sequence[EvaluationItem], candidates: Sequence[_Candidate]) -> None:
        """Write a picture of input, translation and nearest training picture for each candidate."""
        name = self.config.format_route(route)
        color = any(image_statistics(self.config.get_domain(key)).color for key in (route.source, route.target))
        folder = self.request.folder.nearest_items
        folder.mkdir(parents=True, exist_ok=True)
        for row, candidate in enumerate(candidates):
            item = items[candidate.item]
            for training_item in self._load_training_items(route.target, candidate.nearest):
                images = torch.stack([item.tensor, candidate.translation, training_item.tensor])
                file = shorten_name(f"{name.replace(' -> ', '-')}-{row}.png")
                image_io.write_image(folder / file, from_tensor(join_images(images), 0.0, 255.0, color))
                self.rows.append(
                    NearestPicture(
                        route=name,
                        input=item.name,
                        nearest=training_item.name,
                        distance=candidate.distance,
                        file=file,
                    )
                )


def compare_with_training(
    request: EvaluationRequest, routes: Sequence[RouteEvaluation], is_requested: bool
) -> tuple[RouteEvaluation, ...]:
    """Add the distance to training pictures to the evaluations of routes, and write the rows of the report.

    The rows of an earlier evaluation are removed. Without the feature network or the lists of training files, or if it
    is not requested, the evaluations are unchanged.
    """
    shutil.rmtree(request.folder.nearest_items, ignore_errors=True)
    training = request.load_training_splits() if is_requested and feature_net.is_available() else None
    if training is None:
        return tuple(routes)
    finder = NearestImageFinder(request, training)
    routes_by_name = {request.model.config.format_route(route): route for route in request.model.method.routes}
    measured = tuple(finder.measure_route(routes_by_name[r.route], r) for r in routes)
    if finder.rows:
        content = NearestPictures(rows=tuple(finder.rows), notes=finder.describe_search())
        path = request.folder.nearest_items / "nearest.json"
        path.write_text(json.dumps(content.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    return measured


def render_nearest(folder: RunFolder) -> list[Markup]:
    """Render the section of the report with the rows of the last evaluation; empty if there are none."""
    try:
        text = (folder.nearest_items / "nearest.json").read_text(encoding="utf-8")
        content = NearestPictures.model_validate_json(text)
    except (OSError, UnicodeDecodeError, ValidationError):
        return []
    rows = [(row, embed_image(folder.nearest_items / Path(row.file).name)) for row in content.rows]
    shown = [(row, picture) for row, picture in rows if picture is not None]
    routes = [
        {"route": route, "rows": [(row, picture) for row, picture in shown if row.route == route]}
        for route in dict.fromkeys(row.route for row, _ in shown)
    ]
    return [render("image_nearest", routes=routes, notes=content.notes)] if routes else []
