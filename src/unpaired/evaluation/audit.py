"""Steganography audit of a run: how much of their inputs its translations hide in imperceptible signal."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import torch

from unpaired.atomic import atomic_write
from unpaired.console import ProgressCallback, ignore_progress
from unpaired.data.batches import BatchLoader
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.data.split import choose_evaluation_split, split_files
from unpaired.devices import isolate_rng, pick_device
from unpaired.errors import UsageError, WorkError
from unpaired.evaluation.audit_figure import draw_audit_image
from unpaired.evaluation.audit_results import Audit
from unpaired.evaluation.route_auditor import HEADLINE_PERTURBATION, RouteAuditor
from unpaired.evaluation.test_sets import load_sets
from unpaired.hub.download import locate_run
from unpaired.media.pictures import save_pixels
from unpaired.metrics.route_selection import select_evenly
from unpaired.runs.files import build_item_transform
from unpaired.runs.folder import Checkpoint, RunFolder, load_model, require_writable

MAX_ROUTES = 4
"""Maximum number of audited routes; more routes are subsampled evenly."""
PROBE_STEPS = 150
"""Default number of training steps of each probe."""


def audit(
    run: str | os.PathLike[str],
    data: Iterable[Path | str] = (),
    *,
    checkpoint: Checkpoint | None = None,
    to: str | None = None,
    limit: int = 100,
    inverse_steps: int = PROBE_STEPS,
    device: str = "auto",
    seed: int = 0,
    progress: ProgressCallback = ignore_progress,
) -> Audit:
    """Measure hidden information on a run's held-out items; write `audit.json` and `audit.png` into its folder.

    `run` is a folder or a shared run (`hf:user/name`); `data` are folders with the run's domains to use instead,
    divided as for training: the probes learn from the training items.
    The result's `hidden` contains a fraction in [0, 1] for each route, `mean_hidden` their mean. Fractions of different
    methods are comparable on the same data (see `steganography.hidden_fraction`). `to` restricts the audit to routes to
    one domain, `limit` the number of items. Two probes per route are trained for `inverse_steps` steps each. If the
    method has no reverse route, an inverse is first trained for twice as many steps. With few steps the fraction may be
    too large (information that a probe has not learned to read counts as hidden), or too small for a trained inverse.
    The run's weights and torch's random state do not change.

    Raises UsageError for an unsuitable run or option, WorkError if no items are held out.
    """
    for name, value in (("limit", limit), ("inverse-steps", inverse_steps)):
        if value < 2:
            raise UsageError(f"--{name} {value}: expected 2 or more")
    folder = RunFolder(locate_run(run))
    with torch.random.fork_rng(devices=[]):  # building the networks draws random weights
        model = load_model(folder.path, checkpoint)
    config, method = model.config, model.method
    require_writable(folder.path)
    if reason := config.get_medium().explain_audit_refusal(config):
        raise UsageError(f"{run}: {reason}; to measure this run: unpaired evaluate {run}")
    routes = [r for r in method.routes if to is None or config.get_domain(r.target).name == to]
    if not routes:
        names = sorted({config.get_domain(r.target).name for r in method.routes})
        raise UsageError(f"--to {to}: this run translates to {' and '.join(names)}")
    divide = partial(split_files, holdout_fraction=config.data.holdout_fraction, seed=config.split_seed)
    sets, set_description = load_sets(config, folder, run, list(data), "audit", divide)
    split = choose_evaluation_split(sets)
    empty_domains = {
        key for key, part in zip(DOMAIN_KEYS, sets, strict=False) if split is None or not len(part.get_paths(split))
    }
    routes = select_evenly([r for r in routes if not {r.source, r.target} & empty_domains], MAX_ROUTES)
    if split is None or not routes:
        raise WorkError(
            f"{run}: no items are held out (too few files), so the run cannot be audited; train with more files, or "
            "give folders of at least 10"
        )
    batches = BatchLoader(config.domains, sets, build_item_transform(config), config.split_seed, workers=0)
    auditor = RouteAuditor(config, method.to(pick_device(device)), batches, split, limit, inverse_steps, seed)
    total = sum(auditor.count_steps(route) for route in routes)
    done = iter(range(1, total + 1))
    route_audits = []
    for route in routes:
        with isolate_rng(seed):
            route_audits.append(auditor.audit_route(route, lambda: progress(next(done), total)))
    result = Audit(
        run=str(folder.path),
        set=f"{set_description} ({split} items)",
        checkpoint=model.checkpoint,
        step=model.step,
        seed=seed,
        perturbation=HEADLINE_PERTURBATION,
        steganography_defences=dict(method.steganography_defences),
        settings={
            name: value
            for name, value in config.method_settings.model_dump().items()
            if name in method.steganography_defences
        },
        routes=tuple(route_audit for route_audit, _ in route_audits),
    )
    save_pixels(folder.audit_image, draw_audit_image([images for _, images in route_audits]))
    with atomic_write(folder.audit) as temporary:
        temporary.write_text(json.dumps(result.model_dump(), indent=2) + "\n", encoding="utf-8")
    return result
