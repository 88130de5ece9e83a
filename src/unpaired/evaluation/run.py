"""The evaluation of a run: its routes measured on items held back from training."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unpaired.atomic import whole
from unpaired.data.batches import Batches, require_pairs
from unpaired.data.split import Sets, Which, held_back
from unpaired.devices import pick_device
from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.evaluation.items import given_sets, own_sets
from unpaired.evaluation.measure import RouteMeasures
from unpaired.evaluation.measured import Measured
from unpaired.evaluation.routes import Routes, some
from unpaired.evaluation.table import definitions, table
from unpaired.evaluation.texts import asked_texts, require_recordings
from unpaired.evaluation.voice.judges import parse_kinds
from unpaired.evaluation.voice.measure import VoiceMeasures
from unpaired.runs.config import RunConfig
from unpaired.runs.files import framing_of
from unpaired.runs.folder import Checkpoint, Model, RunFolder, load_model, require_writable
from unpaired.terminal import Advance, unseen

if TYPE_CHECKING:
    from unpaired.evaluation.recordings import VoiceEvaluation

MOST_ITEMS = 500
"""Items of a domain that are measured where there are two routes; of many routes fewer, as all take their time."""


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


def evaluate(
    run: Path | str,
    data: Iterable[Path | str] = (),
    *,
    pairs: bool | None = None,
    fid: bool = False,
    checkpoint: Checkpoint | None = None,
    limit: int | None = None,
    judges: str | Iterable[str] | None = None,
    texts: Path | str | None = None,
    beside: Sequence[VoiceMeasures] = (),
    device: str = "auto",
    progress: Advance = unseen,
) -> Evaluation | VoiceEvaluation:
    """Measure a run on its test items, or on `data` (folders with the run's domains), and write `evaluation.json`.

    `pairs` says that equal names are true pairs (None: as training was told). `limit` bounds the items of each
    domain; None: 500, fewer where routes are many, and of recordings some twenty, four without judges. Recordings
    are judged by networks too, as far as they are installed: `judges` are "all" (or None), "none" (quickly, by
    signals alone), or some of speakers, words and naturalness, as a collection or joined by commas. `texts` is a
    table of what they say (see `Texts`), which words are compared with. `beside` are the measures of what stands
    beside the run (see `measure_conversion`), where another run's evaluation took them of the same recordings in
    the same way: they are not taken again. `progress` is told how many batches of pictures are translated, and of
    how many.

    Raises UsageError where the run or the data do not fit, WorkError where there is nothing to measure on.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit}: expected the number of items of each domain, 1 or more")
    kinds = parse_kinds(judges)
    folder = RunFolder(Path(run))
    model = load_model(folder.path, checkpoint)
    config = model.config
    require_writable(folder.path)
    require_recordings(judges, kinds, config.voice is not None)
    sets, words = given_sets(config, data) if (data := list(data)) else own_sets(config, folder)
    which = held_back(sets)
    lacking = [part.name for part in sets if which is not None and not len(part.of(which))]
    if which is None or (lacking and config.voice is not None):
        raise WorkError(f"{run}: no items were held back (too few files); give some: unpaired evaluate {run} DATA")
    paired = config.pairs if pairs is None else pairs
    alone = require_pairs(sets, config.labels) if pairs else []
    none = f", none of {', '.join(lacking)}" if lacking else ""
    none += f", no pairs of {'; '.join(alone)}" if alone else ""
    said = asked_texts(texts, config.voice is not None, kinds) if texts is not None else None
    none += f", texts of {said.path}" if said is not None else ""
    about = Measured(str(folder.path), f"{words} ({which} items{none})", model.checkpoint, model.step, own=not data)
    found: Evaluation | VoiceEvaluation
    if config.voice is None:
        found = _pictures(model, sets, which, about, paired, fid, limit, pick_device(device), progress)
    elif fid:
        raise UsageError("--fid: for pictures only, but this run's items are recordings")
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
    progress: Advance,
) -> Evaluation:
    config = model.config
    batches = Batches(config.domains, sets, framing_of(config), config.training.seed, workers=0)
    limit = limit or min(MOST_ITEMS, 2 * MOST_ITEMS // len(some(model.method.routes)))
    counted = limit if paired else 0
    routes = Routes(
        config, model.method.to(device), batches, which, limit=limit, device=device, pairs=counted, want_fid=fid
    )
    return Evaluation(about, routes.measure(progress))


def _training(config: RunConfig, folder: RunFolder) -> list[Sets] | None:
    """The run's own files; None where their lists are gone, as in a run that was copied without them."""
    try:
        return own_sets(config, folder)[0]
    except UnpairedError:
        return None
