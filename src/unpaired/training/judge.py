"""What looks at a run while it trains: measures on held-back items, and grids of samples."""

from __future__ import annotations

from unpaired.data.batches import Batches
from unpaired.evaluation import features
from unpaired.evaluation.measure import RouteMeasures, mean_kid
from unpaired.evaluation.routes import PAIRS_WHILE_TRAINING, Routes, some
from unpaired.methods.game import Method
from unpaired.runs.config import RunConfig
from unpaired.runs.folder import RunFolder
from unpaired.training.conclude import conclude
from unpaired.training.looks import grid, shown
from unpaired.training.record import Record

VALIDATED, MOST, LEAST = 200, 100, 20
"""Held-back items that are translated at each evaluation: over all routes, of each at most and at least."""
FEWEST_TO_CHOOSE = 10
"""Held-back items of a domain below which KID is too rough to choose the best checkpoint by."""


class RunJudge:
    """The first rank's judge of the averaged networks; it changes no weight."""

    def __init__(self, config: RunConfig, folder: RunFolder, method: Method, batches: Batches, record: Record) -> None:
        self.config, self.folder, self.method = config, folder, method
        self.batches, self.record = batches, record
        self.device = next(method.parameters()).device
        self.routes: Routes | None = None
        if not features.available():
            record.notice(0, "no KID and no best checkpoint: pip install 'unpaired[features]' adds the feature network")
        elif any(
            len(list(batches.items(key, "validation", FEWEST_TO_CHOOSE))) < FEWEST_TO_CHOOSE for key in batches.keys
        ):
            words = (
                f"fewer than {FEWEST_TO_CHOOSE} items of a domain are held back, too few to choose a best checkpoint by"
            )
            record.notice(0, f"{words}; the last is used")

    def evaluate(self, step: int, spent_s: float, best_kid: float | None) -> float | None:
        """Measure on held-back items and record it; returns the mean KID over the routes, where there is one."""
        if self.routes is None:
            limit = min(MOST, max(LEAST, VALIDATED // len(some(self.method.routes))))
            pairs = PAIRS_WHILE_TRAINING if self.config.pairs else 0
            self.routes = Routes(
                self.config, self.method, self.batches, "validation", limit=limit, device=self.device, pairs=pairs
            )
        measures = self.routes.measure()
        kid = mean_kid(measures) if all(m.sources >= FEWEST_TO_CHOOSE for m in measures) else None
        best = self.record.evaluation(step, spent_s, measures, kid, best_kid)
        for m in measures:
            figures = {name: value for name, value in m.model_dump().items() if isinstance(value, float)}
            self.record.measures(step, {f"{name}/{m.route}": value for name, value in figures.items()})
        if measures:
            self.record.say(f"step {step}: {'; '.join(map(in_words, measures))}{' (best so far)' if best else ''}")
        return kid

    def samples(self, step: int) -> None:
        """Record a grid per route: the first held-back items, or training items where none are held back."""
        self.method.eval()
        for route in some(self.method.routes):
            self.record.samples(
                step, self.config.words(route, "-"), grid(self.method, route, shown(self.batches, route.source))
            )

    def conclude(self, step: int) -> None:
        """What is to be said after the last step."""
        conclude(self.config, self.folder, self.record, step, self.device, "KID x1000", "")


def in_words(m: RouteMeasures) -> str:
    """One route's measures, short."""
    parts = []
    if m.kid is not None:
        nothing = "" if m.kid_nothing is None else f" (doing nothing {m.kid_nothing:.0f})"
        parts.append(f"KID {m.kid:.0f}{nothing}")
    if m.l1 is not None:
        parts.append(f"L1 {m.l1:.3f}")
    if m.ssim is not None:
        parts.append(f"SSIM {m.ssim:.2f}")
    if m.kept_edges is not None:
        parts.append(f"edges kept {m.kept_edges:.2f}")
    return f"{m.route}: {', '.join(parts)}"
