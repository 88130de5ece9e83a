"""Translations beside their nearest training pictures of the target domain, by the feature network of the metrics."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from markupsafe import Markup
from pydantic import BaseModel, ValidationError
from torch import Tensor

from unpaired.data import counter_rng
from unpaired.data.batches import EvaluationItem, iterate_items
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.data.split import DomainSplits
from unpaired.devices import isolate_rng
from unpaired.file_names import shorten_name
from unpaired.media.image import image_io
from unpaired.media.image.image_rows import join_images
from unpaired.media.image.image_tensors import from_tensor
from unpaired.media.image.measurement import RouteFeatures
from unpaired.media.image.metrics import REAL
from unpaired.media.image.route_evaluation import EvaluationItems, MethodEvaluator
from unpaired.media.image.settings import ImageEvaluateOptions, image_statistics
from unpaired.media.interface import EvaluationRequest
from unpaired.media.pictures import embed_image
from unpaired.metrics import features as feature_net
from unpaired.metrics.base import DOING_NOTHING, RouteEvaluation
from unpaired.metrics.memorization import add_nearest_ratios
from unpaired.metrics.nearest import compute_ratio, find_nearest
from unpaired.report.templating import render
from unpaired.routes import Route
from unpaired.runs.files import build_item_transform
from unpaired.runs.folder import RunFolder

MAX_TRAINING_ITEMS = 500
"""Maximum number of training pictures of a domain that are searched; of more, a fixed random sample."""
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


class NearestImageFinder:
    """Search of the training pictures that are nearest to translations; the features of a domain are computed once."""

    def __init__(self, request: EvaluationRequest, training: Sequence[DomainSplits], items: EvaluationItems) -> None:
        self.request, self.training, self.config = request, training, request.model.config
        self.method, self.items = request.model.method, items
        self.transform = build_item_transform(self.config)
        self.extract = feature_net.EfficientNetFeatures(request.device)
        self._training_features: dict[str, TrainingFeatures] = {}
        self.rows: list[NearestPicture] = []

    def measure_route(self, route: Route, evaluation: RouteEvaluation, features: RouteFeatures) -> RouteEvaluation:
        """Return the evaluation of a route with the ratio of distances, and write the rows of pictures.

        `features` are those of the items that were measured, in their order.
        """
        library = self._get_training_features(route.target)
        if not len(library.features):
            return evaluation
        nearest = find_nearest(features.translations, library.features)
        real, inputs = (find_nearest(x, library.features).distances for x in (features.targets, features.sources))
        order = nearest.distances.argsort(stable=True)[:SHOWN_ITEMS]
        indices = [library.indices[i] for i in nearest.indices[order].tolist()]
        self._write_rows(route, order.tolist(), nearest.distances[order].tolist(), indices)
        ratio = compute_ratio(nearest.distances, real)
        return add_nearest_ratios(evaluation, ratio, {DOING_NOTHING: compute_ratio(inputs, real)}, REAL)

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

    def _load_training_items(self, key: str, index: int) -> Iterator[EvaluationItem]:
        """Yield the training picture with this index in the list of a domain; nothing if it cannot be read."""
        position = DOMAIN_KEYS.index(key)
        return iterate_items(self.training[position].train, self.config.domains[position], self.transform, [index])

    def _write_rows(
        self, route: Route, items: Sequence[int], distances: Sequence[float], training_indices: Sequence[int]
    ) -> None:
        """Write a picture of input, translation and nearest training picture for each of some measured items."""
        name = self.config.format_route(route)
        color = any(image_statistics(self.config.get_domain(key)).color for key in (route.source, route.target))
        folder = self.request.folder.nearest_items
        folder.mkdir(parents=True, exist_ok=True)
        for row, (i, distance, index) in enumerate(zip(items, distances, training_indices, strict=True)):
            item = self.items.get_source(route.source, i)
            with torch.no_grad(), isolate_rng():
                x = item.tensor[None].to(self.request.device)
                translation = self.method.translate(x, route.source, route.target)[0].float().cpu()
            for training_item in self._load_training_items(route.target, index):
                images = torch.stack([item.tensor, translation, training_item.tensor])
                file = shorten_name(f"{name.replace(' -> ', '-')}-{row}.png")
                image_io.write_image(folder / file, from_tensor(join_images(images), 0.0, 255.0, color))
                self.rows.append(
                    NearestPicture(
                        route=name, input=item.name, nearest=training_item.name, distance=distance, file=file
                    )
                )


def compare_with_training(
    request: EvaluationRequest, routes: Sequence[RouteEvaluation], evaluator: MethodEvaluator
) -> tuple[RouteEvaluation, ...]:
    """Add the distance to training pictures to the evaluations of routes, and write the rows of the report.

    `evaluator` measured the routes. The rows of an earlier evaluation are removed. Without the feature network or the
    lists of training files, or if it is not requested, the evaluations are unchanged.
    """
    assert isinstance(request.options, ImageEvaluateOptions)
    shutil.rmtree(request.folder.nearest_items, ignore_errors=True)
    is_possible = request.options.nearest and feature_net.is_available()
    training = request.load_training_splits() if is_possible else None
    if training is None:
        return tuple(routes)
    finder = NearestImageFinder(request, training, evaluator.items)
    routes_by_name = {request.model.config.format_route(route): route for route in request.model.method.routes}
    measured = tuple(
        finder.measure_route(routes_by_name[r.route], r, evaluator.features[r.route])
        if r.route in evaluator.features
        else r
        for r in routes
    )
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
