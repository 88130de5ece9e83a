"""The routes of a method, measured on items that are read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from unpaired.data.batches import Batches
from unpaired.data.split import Which
from unpaired.evaluation import features as feature_net
from unpaired.evaluation.measure import Evaluator, RouteMeasures
from unpaired.methods.game import Method, Route
from unpaired.runs.config import RunConfig
from unpaired.terminal import Advance, unseen

CHUNK = 16
"""Items that are translated at once."""
REFERENCES = 300
"""Real items of the target that translations are compared with while training: those held back first."""
PAIRS_WHILE_TRAINING = 100
MOST_ROUTES = 12
"""Routes that are measured, those of four domains; of more, so many are drawn, every domain's alike."""


class Held:
    """The items that routes are measured on, in batches: each domain's are read once."""

    def __init__(self, batches: Batches, which: Which, limit: int) -> None:
        self.batches, self.which, self.limit = batches, which, limit
        self._sources: dict[str, list[Tensor]] = {}
        self._targets: dict[str, list[Tensor]] = {}

    def sources(self, key: str) -> list[Tensor]:
        """What is translated."""
        if key not in self._sources:
            self._sources[key] = chunks([item.tensor for item in self.batches.items(key, self.which, self.limit)])
        return self._sources[key]

    def targets(self, key: str) -> list[Tensor]:
        """What translations are compared with: while training, items to train on beside the few that are held back."""
        if key not in self._targets:
            more = REFERENCES - sum(map(len, self.sources(key))) if self.which == "validation" else 0
            extra = [item.tensor for item in self.batches.items(key, "train", more)] if more > 0 else []
            self._targets[key] = self.sources(key) + chunks(extra)
        return self._targets[key]


class Remembering:
    """A feature network that knows again the batches it has seen, for a domain's items are part of many routes."""

    def __init__(self, net: feature_net.Features) -> None:
        self.name, self.dimensions = net.name, net.dimensions
        self._net = net
        self._seen: dict[int, tuple[Tensor, Tensor]] | None = {}

    def __call__(self, x: Tensor) -> Tensor:
        """As the network: (B, C, H, W) in [-1, 1] -> (B, dimensions)."""
        if self._seen is None:
            return self._net(x)
        if id(x) not in self._seen:
            self._seen[id(x)] = x, self._net(x)
        return self._seen[id(x)][1]

    def forget(self) -> None:
        """Remember nothing more: what comes from here on is seen once."""
        self._seen = None


class Routes:
    """The routes of a method, each with an evaluator of its items; measuring again costs the translations only."""

    def __init__(
        self,
        config: RunConfig,
        method: Method,
        batches: Batches,
        which: Which,
        *,
        limit: int,
        device: torch.device,
        pairs: int = 0,
        want_fid: bool = False,
    ) -> None:
        self.method = method
        self.device = device
        net = Remembering(feature_net.Features(device)) if feature_net.available() else None
        self.parts: list[tuple[Route, Evaluator]] = []
        self.pairs = 0
        items = Held(batches, which, limit)
        for route in some([r for r in method.routes if all(batches.count(key, which) for key in (r.source, r.target))]):
            sources, targets = items.sources(route.source), items.targets(route.target)
            known = [(x, y) for _, x, y in batches.pairs(route.source, route.target, limit=pairs)] if pairs else []
            if not sources or not targets:
                continue
            self.pairs += len(known)
            truths = [(a, b) for a, b in zip(chunks([x for x, _ in known]), chunks([y for _, y in known]), strict=True)]
            evaluator = Evaluator(sources, targets, truths, net, route=config.words(route), want_fid=want_fid)
            self.parts.append((route, evaluator))
        if net is not None:
            net.forget()

    def measure(self, progress: Advance = unseen) -> tuple[RouteMeasures, ...]:
        """Measure every route with the method's present weights, which stay as they are."""
        self.method.eval()
        total = sum(evaluator.batches for _, evaluator in self.parts)
        done = iter(range(1, total + 1))
        return tuple(self._measure(route, part, lambda: progress(next(done), total)) for route, part in self.parts)

    def _measure(self, route: Route, evaluator: Evaluator, one: Callable[[], None]) -> RouteMeasures:
        back = self.method.restores and self.method.route(route.target, route.source) is not None

        def there(x: Tensor) -> Tensor:
            one()
            return self.method.translate(x.to(self.device), route.source, route.target).float().cpu()

        def home(y: Tensor) -> Tensor:
            return self.method.translate(y.to(self.device), route.target, route.source).float().cpu()

        return evaluator.measure(there, home if back else None)


def some(routes: Sequence[Route], most: int = MOST_ROUTES) -> list[Route]:
    """All routes, or `most` of them, spread evenly."""
    return [routes[i * len(routes) // most] for i in range(most)] if len(routes) > most else list(routes)


def chunks(items: Sequence[Tensor]) -> list[Tensor]:
    """Items (C, H, W) as batches."""
    return [torch.stack(list(items[i : i + CHUNK])) for i in range(0, len(items), CHUNK)]
