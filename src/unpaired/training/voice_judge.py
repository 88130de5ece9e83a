"""What looks at a run on recordings while it trains: how far translations are from the target, and pictures of them."""

from __future__ import annotations

from torch import Tensor

from unpaired.data.batches import Batches
from unpaired.evaluation import frames
from unpaired.evaluation.measure import RouteMeasures
from unpaired.evaluation.routes import some
from unpaired.methods.game import Method, Route
from unpaired.runs.config import RunConfig
from unpaired.runs.folder import RunFolder
from unpaired.training.conclude import conclude
from unpaired.training.looks import grid, shown
from unpaired.training.record import Record

MOST = 30
"""Held-back recordings of a domain that are looked at."""
FEWEST = 500
"""Places of held-back recordings below which their distance is too rough to choose the best checkpoint by."""


class VoiceJudge:
    """The first rank's judge of the averaged networks; it changes no weight.

    Measures stand where KID does, since they are its formula on frames: see `evaluation.frames`.
    """

    def __init__(self, config: RunConfig, folder: RunFolder, method: Method, batches: Batches, record: Record) -> None:
        self.config, self.folder, self.method = config, folder, method
        self.batches, self.record = batches, record
        self.device = next(method.parameters()).device
        self.held = {key: [item.tensor for item in batches.items(key, "validation", MOST)] for key in batches.keys}
        self.chooses = all(held and len(frames.places(held)) >= FEWEST for held in self.held.values())
        if not self.chooses:
            words = "too little is held back of a domain to choose a best checkpoint by; the last is used"
            record.notice(0, words)

    def evaluate(self, step: int, spent_s: float, best_kid: float | None) -> float | None:
        """Measure on held-back recordings and record it; returns the mean distance, where it is fit to choose by."""
        self.method.eval()
        measures = [self._measured(route) for route in some(self.method.routes) if self._heard(route)]
        distances = [m.kid for m in measures if m.kid is not None]
        mean = sum(distances) / len(distances) if distances and self.chooses else None
        best = self.record.evaluation(step, spent_s, measures, mean, best_kid)
        for m in measures:
            self.record.measures(step, {f"frames/{m.route}": m.kid or 0.0})
        if measures:
            self.record.say(f"step {step}: {'; '.join(map(in_words, measures))}{' (best so far)' if best else ''}")
        return mean

    def _heard(self, route: Route) -> bool:
        return bool(self.held[route.source] and self.held[route.target])

    def _measured(self, route: Route) -> RouteMeasures:
        sources, targets = self.held[route.source], self.held[route.target]
        made = [self._translated(x, route) for x in sources]
        return RouteMeasures(
            route=self.config.words(route),
            features=frames.NAME,
            sources=len(sources),
            targets=len(targets),
            kid=frames.distance(targets, made),
            kid_nothing=frames.distance(targets, sources),
        )

    def _translated(self, x: Tensor, route: Route) -> Tensor:
        return self.method.translate(x[None].to(self.device), route.source, route.target)[0].float().cpu()

    def samples(self, step: int) -> None:
        """Record a grid per route, coefficients from below: the first held-back items, or training items."""
        self.method.eval()
        for route in some(self.method.routes):
            most = self.config.voice.frames if self.config.voice is not None else 0
            items = [item[..., :most] for item in shown(self.batches, route.source)]
            rows = grid(self.method, route, items, scale=1 / 3)
            self.record.samples(step, self.config.words(route, "-"), rows)

    def conclude(self, step: int) -> None:
        """What is to be said after the last step."""
        conclude(self.config, self.folder, self.record, step, self.device, "the distance of frames", ".wav")


def in_words(m: RouteMeasures) -> str:
    """One route's distance, beside what scaling alone comes to."""
    assert m.kid is not None and m.kid_nothing is not None
    return f"{m.route}: distance of frames {m.kid:.1f} (the affine baseline {m.kid_nothing:.1f})"
