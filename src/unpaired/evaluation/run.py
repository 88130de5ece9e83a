"""The evaluation of a run: its routes measured on items held back from training."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unpaired.atomic import atomic_write
from unpaired.config.run_config import RunConfig
from unpaired.console import ProgressCallback, ignore_progress
from unpaired.data.batches import BatchLoader, require_pairs
from unpaired.data.split import DomainSplits, SplitName, choose_evaluation_split
from unpaired.devices import pick_device
from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.evaluation.provenance import Provenance
from unpaired.evaluation.test_sets import load_given_sets, load_own_sets
from unpaired.media.image.measurement import RouteMeasures
from unpaired.media.image.route_evaluation import MethodEvaluator, select_evenly
from unpaired.media.image.text_table import format_definitions, format_table
from unpaired.media.voice.metrics.judges import parse_kinds
from unpaired.media.voice.metrics.measurement import VoiceMeasures
from unpaired.media.voice.transcripts import read_transcripts, require_recordings
from unpaired.runs.files import build_item_transform
from unpaired.runs.folder import Checkpoint, RunFolder, TrainedModel, load_model, require_writable

if TYPE_CHECKING:
    from unpaired.media.voice.evaluation import VoiceEvaluation

MAX_ITEMS = 500
"""Items of a domain that are measured where there are two routes; of many routes fewer, as all take their time."""


@dataclass(frozen=True)
class Evaluation:
    """The measures of every route of a run."""

    provenance: Provenance
    routes: tuple[RouteMeasures, ...]

    def json(self) -> dict[str, Any]:
        """As `evaluation.json` holds it."""
        return asdict(self.provenance) | {"routes": [measures.model_dump() for measures in self.routes]}

    def text(self) -> str:
        """As a person reads it."""
        return f"{self.provenance.text()}\n\n{format_table(self.routes)}\n\n{format_definitions(self.routes)}"


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
    baselines: Sequence[VoiceMeasures] = (),
    device: str = "auto",
    progress: ProgressCallback = ignore_progress,
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
    judge_kinds = parse_kinds(judges)
    folder = RunFolder(Path(run))
    model = load_model(folder.path, checkpoint)
    config = model.config
    require_writable(folder.path)
    require_recordings(judges, judge_kinds, (config.medium == "voice"))
    sets, description = load_given_sets(config, data) if (data := list(data)) else load_own_sets(config, folder)
    split = choose_evaluation_split(sets)
    empty_domains = [part.name for part in sets if split is not None and not len(part.get_paths(split))]
    if split is None or (empty_domains and (config.medium == "voice")):
        raise WorkError(
            f"{run}: no items were held back (too few files); give some: unpaired evaluate {shlex.quote(str(run))} DATA"
        )
    use_pairs = config.pairs if pairs is None else pairs
    unpaired_domains = require_pairs(sets, config.labels) if pairs else []
    details = f", none of {', '.join(empty_domains)}" if empty_domains else ""
    details += f", no pairs of {'; '.join(unpaired_domains)}" if unpaired_domains else ""
    transcripts = read_transcripts(texts, (config.medium == "voice"), judge_kinds) if texts is not None else None
    details += f", texts of {transcripts.path}" if transcripts is not None else ""
    provenance = Provenance(
        str(folder.path), f"{description} ({split} items{details})", model.checkpoint, model.step, is_own_data=not data
    )
    evaluation: Evaluation | VoiceEvaluation
    if config.medium == "image":
        evaluation = _evaluate_images(
            model, sets, split, provenance, use_pairs, fid, limit, pick_device(device), progress
        )
    elif fid:
        raise UsageError("--fid: for pictures only, but this run's items are recordings")
    else:
        from unpaired.media.voice.evaluation import evaluate_recordings  # noqa: PLC0415 - with optional packages

        training = _load_training_sets(config, folder)
        evaluation = evaluate_recordings(
            folder,
            model,
            (sets, training),
            split,
            provenance,
            use_pairs,
            limit,
            judge_kinds,
            pick_device(device),
            transcripts,
            baselines,
        )
    with atomic_write(folder.evaluation) as temporary:
        temporary.write_text(json.dumps(evaluation.json(), indent=2) + "\n", encoding="utf-8")
    return evaluation


def _evaluate_images(
    model: TrainedModel,
    sets: Sequence[DomainSplits],
    split: SplitName,
    provenance: Provenance,
    use_pairs: bool,
    fid: bool,
    limit: int | None,
    device: torch.device,
    progress: ProgressCallback,
) -> Evaluation:
    config = model.config
    batches = BatchLoader(config.domains, sets, build_item_transform(config), config.training.seed, workers=0)
    limit = limit or min(MAX_ITEMS, 2 * MAX_ITEMS // len(select_evenly(model.method.routes)))
    pair_limit = limit if use_pairs else 0
    routes = MethodEvaluator(
        config, model.method.to(device), batches, split, limit=limit, device=device, pairs=pair_limit, with_fid=fid
    )
    return Evaluation(provenance, routes.measure(progress))


def _load_training_sets(config: RunConfig, folder: RunFolder) -> list[DomainSplits] | None:
    """The run's own files; None where their lists are gone, as in a run that was copied without them."""
    try:
        return load_own_sets(config, folder)[0]
    except UnpairedError:
        return None
