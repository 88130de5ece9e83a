"""The evaluation of a run: its routes measured on items held back from training."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from unpaired.atomic import whole
from unpaired.data.attributes import discover_labelled, domain_sets, labelled
from unpaired.data.batches import Batches, require_pairs
from unpaired.data.folders import DomainFiles, discover
from unpaired.data.split import Sets, Which, held_back
from unpaired.devices import pick_device
from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.evaluation import features as feature_net
from unpaired.evaluation.measure import Evaluator, RouteMeasures
from unpaired.evaluation.measured import Measured
from unpaired.evaluation.table import definitions, table
from unpaired.evaluation.texts import asked_texts
from unpaired.evaluation.voice.judges import KINDS, parse_kinds
from unpaired.evaluation.voice.measure import VoiceMeasures
from unpaired.methods.game import Method, Route
from unpaired.runs.config import RunConfig
from unpaired.runs.files import framing_of, read_lists
from unpaired.runs.folder import Model, RunFolder, load_model
from unpaired.runs.folder import Which as Checkpoint

if TYPE_CHECKING:
    from unpaired.evaluation.recordings import VoiceEvaluation

CHUNK = 16
"""Items that are translated at once."""
REFERENCES = 300
"""Real items of the target that translations are compared with while training: those held back first."""
PAIRS_WHILE_TRAINING = 100


MOST_ITEMS = 500
"""Items of a domain that are measured where there are two routes; of many routes fewer, as all take their time."""
MOST_ROUTES = 12
"""Routes that are measured, those of four domains; of more, so many are drawn, every domain's alike."""
T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """The measures of every route of a run."""

    about: Measured
    routes: tuple[RouteMeasures, ...]

    def json(self) -> dict[str, Any]:
        """As `evaluation.json` holds it."""
        return asdict(self.about) | {"routes": [measures.model_dump() for measures in self.routes]}

    def text(self) -> str:
        """As a person reads it."""
        return f"{self.about.text()}\n\n{table(self.routes)}\n\n{definitions(self.routes)}"


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
            words = f"{config.domain(route.source).name} -> {config.domain(route.target).name}"
            truths = [(a, b) for a, b in zip(chunks([x for x, _ in known]), chunks([y for _, y in known]), strict=True)]
            evaluator = Evaluator(sources, targets, truths, net, route=words, want_fid=want_fid)
            self.parts.append((route, evaluator))
        if net is not None:
            net.forget()

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


def some(routes: Sequence[Route], most: int = MOST_ROUTES) -> list[Route]:
    """All routes, or `most` of them, spread evenly."""
    return [routes[i * len(routes) // most] for i in range(most)] if len(routes) > most else list(routes)


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
    limit: int | None = None,
    judges: str | Iterable[str] = KINDS,
    texts: Path | str | None = None,
    beside: Sequence[VoiceMeasures] = (),
    device: str = "auto",
) -> Evaluation | VoiceEvaluation:
    """Measure a run on its test items, or on `data` (folders with the run's domains), and write `evaluation.json`.

    `pairs` says that equal names are true pairs (None: as training was told). `limit` bounds the items of each
    domain; None: 500, fewer where routes are many, and of recordings some ten. Recordings are judged by networks too,
    as far as they are installed: `judges` are "all", "none" (quickly, by signals alone), or some of speakers, words and
    naturalness, as a collection or joined by commas. `texts` is a table of what they say (see `Texts`), which words are
    compared with. `beside` are the measures of what stands beside the run (see `measure_conversion`), where another
    run's evaluation took them of the same recordings in the same way: they are not taken again.

    Raises UsageError where the run or the data do not fit, WorkError where there is nothing to measure on.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: expected the number of items of each domain, 1 or more")
    kinds = parse_kinds(judges)
    folder = RunFolder(Path(run))
    model = load_model(folder.path, checkpoint)
    config = model.config
    sets, words = given_sets(config, data) if (data := list(data)) else own_sets(config, folder)
    which = held_back(sets)
    lacking = [part.name for part in sets if which is not None and not len(part.of(which))]
    if which is None or (lacking and config.voice is not None):
        raise WorkError(f"{run}: no items were held back (too few files); give some: unpaired evaluate {run} DATA")
    paired = config.pairs if pairs is None else pairs
    alone = require_pairs(sets, config.labels) if pairs else []
    kind = "best" if folder.model("best").exists() and checkpoint != "last" else "last"
    none = f", none of {', '.join(lacking)}" if lacking else ""
    none += f", no pairs of {'; '.join(alone)}" if alone else ""
    said = asked_texts(texts, config.voice is not None, kinds) if texts is not None else None
    none += f", texts of {said.path}" if said is not None else ""
    about = Measured(str(folder.path), f"{words} ({which} items{none})", kind, model.step)
    found: Evaluation | VoiceEvaluation
    if config.voice is None:
        found = _pictures(model, sets, which, about, paired, fid, limit, pick_device(device))
    elif fid:
        raise UsageError("--fid: is of pictures, but this run's items are recordings")
    else:
        from unpaired.evaluation.recordings import evaluate_recordings  # noqa: PLC0415 - with optional packages

        training = _training(config, folder)
        found = evaluate_recordings(
            folder, model, (sets, training), which, about, paired, limit, kinds, pick_device(device), said, beside
        )
    with whole(folder.evaluation) as part:
        part.write_text(json.dumps(found.json(), indent=2) + "\n", encoding="utf-8")
    return found


def _pictures(
    model: Model,
    sets: Sequence[Sets],
    which: Which,
    about: Measured,
    paired: bool,
    fid: bool,
    limit: int | None,
    device: torch.device,
) -> Evaluation:
    config = model.config
    batches = Batches(config.domains, sets, framing_of(config), config.training.seed, workers=0)
    limit = limit or min(MOST_ITEMS, 2 * MOST_ITEMS // len(some(model.method.routes)))
    counted = limit if paired else 0
    routes = Routes(
        config, model.method.to(device), batches, which, limit=limit, device=device, pairs=counted, want_fid=fid
    )
    return Evaluation(about, routes.measure())


def _training(config: RunConfig, folder: RunFolder) -> list[Sets] | None:
    """The run's own files; None where their lists are gone, as in a run that was copied without them."""
    try:
        return own_sets(config, folder)[0]
    except UnpairedError:
        return None


def own_sets(config: RunConfig, folder: RunFolder) -> tuple[list[Sets], str]:
    """The run's own files by use; raises UsageError where it has none."""
    if config.imported is not None:
        command = shlex.join(["unpaired", "evaluate", str(folder.path), *(f"{d.name}/" for d in config.domains)])
        raise UsageError(
            f"{folder.path}: an imported run has no data of its own; it can be measured on others, in folders "
            f"named as its domains: {command}"
        )
    return list(read_lists(folder, config).sets), "the run's own data"


def given_sets(config: RunConfig, data: Sequence[Path | str]) -> tuple[list[Sets], str]:
    """The files of other folders, all of them to test on (or those of their test folders)."""
    words = ", ".join(map(str, data))
    if config.labels is not None and config.sources:
        listed, tables, _ = discover_labelled([Path(d) for d in data], config.data.attributes)
        found = {files.name: (files, table) for files, table in zip(listed, tables, strict=True)}
        parts = [_known(found, d.name, words) for d in config.sources]
        whole = [labelled(_to_test(files), table, config.labels, i) for i, (files, table) in enumerate(parts)]
        return [part for _, part in domain_sets(whole, config.labels)], words
    folders = {files.name: files for files in discover([Path(d) for d in data])}
    return [_to_test(_known(folders, d.name, words)) for d in config.domains], words


def _known(found: Mapping[str, T], name: str, words: str) -> T:
    if name not in found:
        raise UsageError(f"{words}: no domain '{name}', which the run knows; found: {' and '.join(found)}")
    return found[name]


def _to_test(files: DomainFiles) -> Sets:
    none = files.train.take([])
    test = files.train if files.test is None else files.test
    return Sets(files.name, none, none, test, none, none, files.test is not None)
