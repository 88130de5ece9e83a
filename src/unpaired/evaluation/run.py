"""The evaluation of a run: its routes measured on items held back from training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unpaired.atomic import whole
from unpaired.data.batches import Batches
from unpaired.data.folders import discover
from unpaired.data.split import Sets, Which, read_files
from unpaired.devices import pick_device
from unpaired.errors import UsageError, WorkError
from unpaired.evaluation import features as feature_net
from unpaired.evaluation.measure import Evaluator, RouteMeasures
from unpaired.evaluation.table import definitions, table
from unpaired.methods.game import Method, Route
from unpaired.runs.config import RunConfig
from unpaired.runs.folder import RunFolder, load_model
from unpaired.runs.folder import Which as Checkpoint

CHUNK = 16
"""Items that are translated at once."""
REFERENCES = 300
"""Real items of the target that translations are compared with while training: those held back first."""
PAIRS_WHILE_TRAINING = 100


@dataclass(frozen=True)
class Evaluation:
    """The measures of every route of a run, with what they were measured on."""

    run: str
    set: str
    checkpoint: str
    step: int
    routes: tuple[RouteMeasures, ...]

    def json(self) -> dict[str, Any]:
        """As `evaluation.json` holds it."""
        return {
            "run": self.run,
            "set": self.set,
            "checkpoint": self.checkpoint,
            "step": self.step,
            "routes": [measures.model_dump() for measures in self.routes],
        }

    def text(self) -> str:
        """As a person reads it."""
        head = f"{self.run}, the {self.checkpoint} checkpoint (step {self.step}), on {self.set}"
        return f"{head}\n\n{table(self.routes)}\n\n{definitions(self.routes)}"


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
        net = feature_net.Features(device) if feature_net.available() else None
        self.parts: list[tuple[Route, Evaluator]] = []
        self.pairs = 0
        for route in method.routes:
            sources = [item.tensor for item in batches.items(route.source, which, limit)]
            targets = [item.tensor for item in batches.items(route.target, which, limit)]
            if which == "validation":
                more = max(0, REFERENCES - len(targets))
                targets += [item.tensor for item in batches.items(route.target, "train", more)] if more else []
            known = [(x, y) for _, x, y in islice(batches.pairs(route.source, route.target), pairs)] if pairs else []
            if not sources or not targets:
                continue
            self.pairs += len(known)
            words = f"{config.domain(route.source).name} -> {config.domain(route.target).name}"
            truths = [(a, b) for a, b in zip(chunks([x for x, _ in known]), chunks([y for _, y in known]), strict=True)]
            evaluator = Evaluator(chunks(sources), chunks(targets), truths, net, route=words, want_fid=want_fid)
            self.parts.append((route, evaluator))

    def measure(self) -> tuple[RouteMeasures, ...]:
        """Measure every route with the method's present weights, which stay as they are."""
        self.method.eval()
        return tuple(self._measure(route, evaluator) for route, evaluator in self.parts)

    def _measure(self, route: Route, evaluator: Evaluator) -> RouteMeasures:
        back = self.method.restores and self.method.route(route.target, route.source) is not None

        def there(x: Tensor) -> Tensor:
            return self.method.translate(x.to(self.device), route.source, route.target).float().cpu()

        def home(y: Tensor) -> Tensor:
            return self.method.translate(y.to(self.device), route.target, route.source).float().cpu()

        return evaluator.measure(there, home if back else None)


def chunks(items: Sequence[Tensor]) -> list[Tensor]:
    """Items (C, H, W) as batches."""
    return [torch.stack(list(items[i : i + CHUNK])) for i in range(0, len(items), CHUNK)]


def evaluate(
    run: Path | str,
    data: Iterable[Path | str] = (),
    *,
    pairs: bool | None = None,
    fid: bool = False,
    checkpoint: Checkpoint | None = None,
    limit: int = 500,
    device: str = "auto",
) -> Evaluation:
    """Measure a run on its test items, or on `data` (folders with the run's domains), and write `evaluation.json`.

    `pairs` says that equal names are true pairs (None: as training was told). `limit` bounds the items of each domain.
    Raises UsageError where the run or the data do not fit, WorkError where there is nothing to measure on.
    """
    if limit < 1:
        raise UsageError(f"limit {limit}: expected the number of items of each domain, 1 or more")
    folder = RunFolder(Path(run))
    model = load_model(folder.path, checkpoint)
    config = model.config
    sets, words = given_sets(config, data) if (data := list(data)) else own_sets(config, folder)
    which: Which = "test" if all(len(part.test) for part in sets) else "validation"
    if not all(len(part.of(which)) for part in sets):
        raise WorkError(f"{run}: no items were held back (too few files); give some: unpaired evaluate {run} DATA")
    paired = config.pairs if pairs is None else pairs
    target = pick_device(device)
    batches = Batches(config.domains, sets, config.data, config.channels, config.training.seed, workers=0)
    counted = limit if paired else 0
    routes = Routes(
        config, model.method.to(target), batches, which, limit=limit, device=target, pairs=counted, want_fid=fid
    )
    if pairs and not routes.pairs:
        raise UsageError("--pairs: no file of one domain's test items has the name of one of the other's")
    kind = "best" if folder.model("best").exists() and checkpoint != "last" else "last"
    found = Evaluation(str(folder.path), f"{words} ({which} items)", kind, model.step, routes.measure())
    with whole(folder.evaluation) as part:
        part.write_text(json.dumps(found.json(), indent=2) + "\n", encoding="utf-8")
    return found


def own_sets(config: RunConfig, folder: RunFolder) -> tuple[list[Sets], str]:
    """The run's own files by use."""
    sets = [read_files(folder.list_of(d.name), d.name, d.sources) for d in config.domains]
    return sets, "the run's own data"


def given_sets(config: RunConfig, data: Sequence[Path | str]) -> tuple[list[Sets], str]:
    """The files of other folders, all of them to test on (or those of their test folders)."""
    found = {files.name: files for files in discover([Path(d) for d in data])}
    missing = [d.name for d in config.domains if d.name not in found]
    if missing:
        names = " and ".join(found)
        raise UsageError(f"{', '.join(map(str, data))}: no domain '{missing[0]}', which the run knows; found: {names}")
    sets = []
    for d in config.domains:
        files = found[d.name]
        none = files.train.take([])
        test = files.train if files.test is None else files.test
        sets.append(Sets(d.name, none, none, test, none, none, files.test is not None))
    return sets, ", ".join(map(str, data))
