"""The audit of a run: what its translations carry of their inputs in signal that eyes do not see."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from unpaired.atomic import whole
from unpaired.data.batches import Batches
from unpaired.data.domain import KEYS
from unpaired.data.split import Which, held_back
from unpaired.devices import own_random_numbers, pick_device
from unpaired.errors import Diverged, UsageError, WorkError
from unpaired.evaluation import hidden
from unpaired.evaluation.audit_picture import Looks, draw
from unpaired.evaluation.audited import Audit, PassageRow, RouteAudit
from unpaired.evaluation.items import own_sets
from unpaired.evaluation.readers import Back, Fitting, taught
from unpaired.evaluation.routes import some
from unpaired.media import image
from unpaired.methods.game import Method, Route
from unpaired.runs.config import RunConfig, build_inverse
from unpaired.runs.files import framing_of
from unpaired.runs.folder import Checkpoint, RunFolder, load_model, require_writable
from unpaired.terminal import Advance, unseen

CHUNK = 16
FAINT = "noise .02, JPEG 75"
"""The passage of the headline, by its name in `hidden.PASSAGES`."""
SHOWN = 4
"""Items in the picture, of each route."""
MOST_ROUTES = 4
"""Of more routes so many are audited, spread evenly."""
STEPS = 150
INVERSE_RATE = 1e-3


def audit(
    run: Path | str,
    *,
    checkpoint: Checkpoint | None = None,
    to: str | None = None,
    limit: int = 100,
    inverse_steps: int = STEPS,
    device: str = "auto",
    seed: int = 0,
    progress: Advance = unseen,
) -> Audit:
    """Measure hidden information on a run's held-out items, and write `audit.json` and `audit.png` into its folder.

    The result's `headline` is its one number, `hidden` that of each route; both are shares in [0, 1] that compare
    between methods on the same data (see `hidden.hidden_share`). `to` audits the routes to one domain only, `limit`
    bounds the items, `inverse_steps` the teaching of each reader: two a route, and as much again to train an inverse
    where the method has no way back. With few steps the number may be too large (what a reader did not learn to see
    counts as hidden), and of a trained inverse too small. The run's weights stay, and so do torch's random numbers.

    Raises UsageError where the run or the options do not fit, WorkError where nothing was held out.
    """
    for name, value in (("limit", limit), ("inverse-steps", inverse_steps)):
        if value < 2:
            raise UsageError(f"--{name} {value}: expected 2 or more")
    folder = RunFolder(Path(run))
    with torch.random.fork_rng(devices=[]):  # networks are drawn before they are loaded
        model = load_model(folder.path, checkpoint)
    config, method = model.config, model.method
    require_writable(folder.path)
    if config.voice is not None:
        raise UsageError(
            f"{run}: an audit reads pictures, but this run's items are recordings, which are synthesised anew from "
            "what the networks make of them; what is kept of a voice and its words: unpaired evaluate"
        )
    routes = [r for r in method.routes if to is None or config.domain(r.target).name == to]
    if not routes:
        names = sorted({config.domain(r.target).name for r in method.routes})
        raise UsageError(f"--to {to}: this run translates to {' and '.join(names)}")
    sets, words = own_sets(config, folder)
    which = held_back(sets)
    lacking = {key for key, part in zip(KEYS, sets, strict=False) if which is None or not len(part.of(which))}
    routes = some([r for r in routes if not {r.source, r.target} & lacking], MOST_ROUTES)
    if which is None or not routes:
        raise WorkError(f"{run}: no items were held back (too few files), so there is nothing to audit it on")
    batches = Batches(config.domains, sets, framing_of(config), config.training.seed, workers=0)
    auditor = Auditor(config, method.to(pick_device(device)), batches, which, limit, inverse_steps, seed)
    total = sum(auditor.cost(route) for route in routes)
    done = iter(range(1, total + 1))
    found = []
    for route in routes:
        with own_random_numbers(seed):
            found.append(auditor.route(route, lambda: progress(next(done), total)))
    result = Audit(
        run=str(folder.path),
        set=f"{words} ({which} items)",
        checkpoint=model.checkpoint,
        step=model.step,
        seed=seed,
        passage=FAINT,
        defences=dict(method.defences),
        settings={name: config.method_settings[name] for name in method.defences if name in config.method_settings},
        routes=tuple(part for part, _ in found),
    )
    image.write(folder.audit_picture, draw([looks for _, looks in found]))
    with whole(folder.audit) as part:
        part.write_text(json.dumps(result.model_dump(), indent=2) + "\n", encoding="utf-8")
    return result


class Auditor:
    """Audits the routes of a method, which stays as it is, on the items of `batches`."""

    def __init__(
        self, config: RunConfig, method: Method, batches: Batches, which: Which, limit: int, steps: int, seed: int
    ) -> None:
        self.config, self.method, self.batches, self.which = config, method.eval(), batches, which
        self.limit, self.steps, self.seed = limit, steps, seed
        self.device = next((p.device for p in method.parameters()), torch.device("cpu"))
        pixels = config.data.size**2
        self.batch = max(2, min(8, 2**16 // pixels))
        self.most = max(16, min(512, 2**25 // pixels))

    def back(self, route: Route) -> Route | None:
        """The method's own way back, where it has one that means to give the input again."""
        return self.method.route(route.target, route.source) if self.method.restores else None

    def cost(self, route: Route) -> int:
        """Steps of teaching that a route takes."""
        return self.steps * (2 if self.back(route) is not None else 4)

    def route(self, route: Route, tell: Callable[[], None]) -> tuple[RouteAudit, Looks]:
        """The audit of one route, and the pictures to look at."""
        start = time.perf_counter()
        known_x, x = self.items(route.source, "train", self.most), self.items(route.source, self.which, self.limit)
        targets = self.items(route.target, self.which, self.limit)
        known_y, y = self.translated(known_x, route), self.translated(x, route)
        reader = self.reader(route, known_y, known_x, tell)
        faint = hidden.PASSAGES[FAINT]
        plain, marred = (self.taught(reader, known_y, known_x, p, tell) for p in (hidden.as_it_is, faint))
        average = known_x.mean(0)
        nothing = hidden.squared(average.expand_as(x), x)
        if not nothing.sum() > 0:
            raise WorkError(
                f"{self.config.words(route)}: all inputs are equal, so translations have nothing to tell of them"
            )
        honest = hidden.honest_loss([targets], targets.mean(0), faint)
        passed = faint(y)
        errors = hidden.squared(read(plain, y), x), hidden.squared(read(marred, passed), x)
        share = hidden.hidden_share(*errors, nothing, honest)
        pairs = self.pairs(route)
        found = RouteAudit(
            route=self.config.words(route),
            items=len(x),
            pairs=len(pairs[0]) if pairs is not None else 0,
            own_way_back=self.back(route) is not None,
            steps=self.steps,
            taught_on=len(known_x),
            told=hidden.told(errors[0], nothing),
            told_marred=hidden.told(errors[1], nothing),
            honest_loss=honest,
            hidden=share.value,
            hidden_error=share.error,
            passages=tuple(
                _row(name, passage, reader, y, x, average, targets, pairs) for name, passage in hidden.PASSAGES.items()
            ),
            seconds=time.perf_counter() - start,
        )
        n = min(SHOWN, len(x), len(targets))
        looks = Looks(
            found.route,
            {
                "input": x[:n],
                "translation": y[:n],
                "its faint signal": hidden.amplified(y[:n]),
                "a real target": targets[:n],
                "its faint signal ": hidden.amplified(targets[:n]),
                "way back": read(reader, y[:n]),
                "after noise .02": read(reader, hidden.PASSAGES["noise .02"](y[:n])),
                "after JPEG 75": read(reader, hidden.PASSAGES["JPEG 75"](y[:n])),
                "taught, after both": read(marred, passed[:n]),
            },
        )
        return found, looks

    def reader(self, route: Route, known_y: Tensor, known_x: Tensor, tell: Callable[[], None]) -> nn.Module:
        """The method's own way back; where there is none, a small inverse trained here."""
        back = self.back(route)
        if back is not None:
            return Back(self.method, back).eval()
        net, stride = build_inverse(self.config)
        fresh = Fitting(net, stride).to(self.device)
        return taught(
            fresh,
            known_y,
            known_x,
            hidden.as_it_is,
            2 * self.steps,
            batch=self.batch,
            rate=INVERSE_RATE,
            seed=self.seed,
            tell=tell,
        )

    def taught(self, reader: nn.Module, y: Tensor, x: Tensor, p: hidden.Passage, tell: Callable[[], None]) -> nn.Module:
        """A copy of the reader taught on translations `y` of `x` after the passage `p`."""
        return taught(reader, y, x, p, self.steps, batch=self.batch, seed=self.seed, tell=tell)

    def items(self, key: str, which: Which, limit: int) -> Tensor:
        """Items of a domain, (N, C, H, W)."""
        return self.stacked([item.tensor for item in self.batches.items(key, which, limit)])

    def pairs(self, route: Route) -> tuple[Tensor, Tensor] | None:
        """True pairs among the test items, where the run knows of some."""
        if not self.config.pairs:
            return None
        known = list(self.batches.pairs(route.source, route.target, limit=self.limit))
        return (self.stacked([x for _, x, _ in known]), self.stacked([y for _, _, y in known])) if known else None

    def stacked(self, tensors: Sequence[Tensor]) -> Tensor:
        """Items together, where the method is."""
        if not tensors:
            raise WorkError("none of a domain's items can be read any more, so there is nothing to audit the run on")
        return torch.stack(list(tensors)).to(self.device)

    @torch.no_grad()
    def translated(self, x: Tensor, route: Route) -> Tensor:
        """The translations of (N, C, H, W), in [-1, 1]."""
        parts = [self.method.translate(part, route.source, route.target).float() for part in x.split(CHUNK)]
        y = torch.cat(parts)
        if not torch.isfinite(y).all():
            raise Diverged(f"{self.config.words(route)}: the translation holds values that are not finite")
        return y.clamp(-1, 1)


@torch.no_grad()
def read(reader: nn.Module, y: Tensor) -> Tensor:
    """What a reader makes of (N, C, H, W), in [-1, 1]."""
    return torch.cat([reader(part).float() for part in y.split(CHUNK)]).clamp(-1, 1)


def _row(
    name: str,
    passage: hidden.Passage,
    reader: nn.Module,
    y: Tensor,
    x: Tensor,
    average: Tensor,
    targets: Tensor,
    pairs: tuple[Tensor, Tensor] | None,
) -> PassageRow:
    passed = passage(y)
    made = read(reader, passed)
    change = hidden.squared(passed, y).mean().item()

    def told(made: Tensor, x: Tensor) -> float:
        return hidden.told(hidden.squared(made, x), hidden.squared(average.expand_as(x), x))

    return PassageRow(
        passage=name,
        db=min(100.0, 10 * math.log10(4 / change)) if change else 100.0,
        error=(made - x).abs().mean().item() / 2,
        told=told(made, x),
        reaction=hidden.reaction(lambda part: read(reader, part), [targets], passage),
        told_truth=told(read(reader, passage(pairs[1])), pairs[0]) if pairs is not None else None,
    )
