"""Evaluation of a run: metrics of its routes on held-out items."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unpaired.atomic import atomic_write
from unpaired.config.run_config import RunConfig
from unpaired.config.validation import validate
from unpaired.console import ProgressCallback, ignore_progress
from unpaired.data.pairs import require_pairs
from unpaired.data.split import DomainSplits, choose_evaluation_split
from unpaired.devices import pick_device
from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.evaluation.test_sets import load_own_sets, load_sets
from unpaired.hub.download import locate_run
from unpaired.media import MEDIA, Medium
from unpaired.media.interface import EvaluateOptions, EvaluationRequest
from unpaired.metrics.base import Evaluation, RouteEvaluation
from unpaired.runs.folder import Checkpoint, RunFolder, load_model, require_writable


def evaluate(
    run: str | os.PathLike[str],
    data: Iterable[Path | str] = (),
    *,
    pairs: bool | None = None,
    checkpoint: Checkpoint | None = None,
    limit: int | None = None,
    baselines: Sequence[RouteEvaluation] = (),
    device: str = "auto",
    progress: ProgressCallback = ignore_progress,
    **options: Any,
) -> Evaluation:
    """Measure a run on its test items, or on `data` (folders with the run's domains), and write `evaluation.json`.

    `run` is a folder, or a shared run (`hf:user/name`), whose results are written beside its downloaded files.
    `pairs`: items with equal names are true pairs (None: as in training). `limit` is the maximum number of items per
    domain. By default it is 500 pictures (fewer for many routes), or 60 recordings (20 with `judges`). `baselines` are
    routes of an earlier evaluation of the same items with the same options, whose baselines are reused. `options`
    are those of the run's medium: `fid` for pictures, `judges` and `texts` for recordings. `progress` is called with
    the number of finished parts and their total. `routes` of the result has for each direction `values`, `errors` and
    `baselines` by the name of the metric, as in evaluation.json; `text()` is the table.

    Raises UsageError for an unsuitable run, data or option, WorkError if there are no items to measure.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}: expected a number of items per domain, 1 or more")
    folder = RunFolder(locate_run(run))
    model = load_model(folder.path, checkpoint)
    config, medium = model.config, model.config.get_medium()
    require_writable(folder.path)
    parsed = parse_evaluate_options(medium, options)
    medium.check_evaluate_options(parsed)
    sets, description = load_sets(config, folder, run, data := list(data), "evaluate")
    split = choose_evaluation_split(sets)
    if split is None:
        command = shlex.join(("unpaired", "evaluate", os.fspath(run)))
        raise WorkError(f"{run}: no items are held out (too few files); give a folder with items: {command} DATA")
    use_pairs = config.pairs if pairs is None else pairs
    unpaired_domains = require_pairs(sets, config.labels) if pairs else []
    empty_domains = [part.name for part in sets if not len(part.get_paths(split))]
    details = f", none of {', '.join(empty_domains)}" if empty_domains else ""
    details += f", no pairs of {'; '.join(unpaired_domains)}" if unpaired_domains else ""
    measured = medium.evaluate(
        EvaluationRequest(
            folder=folder,
            model=model,
            splits=sets,
            split=split,
            pairs=use_pairs,
            limit=limit,
            options=parsed,
            device=pick_device(device),
            progress=progress,
            load_training_splits=lambda: _load_training_sets(config, folder),
            known_baselines=baselines,
        )
    )
    evaluation = Evaluation(
        run=str(folder.path),
        medium=config.medium,
        items=f"{description} ({split} items{details})",
        checkpoint=model.checkpoint,
        step=model.step,
        is_own_data=not data,
        pairs=use_pairs,
        limit=measured.limit,
        options=dict(measured.options),
        routes=measured.routes,
    )
    with atomic_write(folder.evaluation) as temporary:
        temporary.write_text(json.dumps(evaluation.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    return evaluation


def parse_evaluate_options(medium: Medium, values: Mapping[str, Any]) -> EvaluateOptions:
    """Validate the options of a medium; None selects the default.

    Raises UsageError for invalid values and for options of another medium.
    """
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in medium.evaluate_options_model.model_fields:
            other = next((m for m in MEDIA.values() if name in m.evaluate_options_model.model_fields), None)
            if other is not None:
                flag = f"--{name.replace('_', '-')}"
                raise UsageError(f"{flag}: for {other.files_noun} only, but these items are {medium.files_noun}")
    return validate(medium.evaluate_options_model, given, "option")


def _load_training_sets(config: RunConfig, folder: RunFolder) -> list[DomainSplits] | None:
    """Return the run's own splits; None if the lists of files are missing, as in a partial copy of a run."""
    try:
        return load_own_sets(config, folder)
    except UnpairedError:
        return None
