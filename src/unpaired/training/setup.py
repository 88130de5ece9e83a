"""Setup of a run before its first step: data, settings, networks and batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from unpaired import __version__
from unpaired.config.resolve import Settings, SettingsRequest, resolve_settings
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import Preset, StrictModel, TrainingSettings
from unpaired.console import LogCallback
from unpaired.cores import count_threads
from unpaired.data.batches import BatchLoader
from unpaired.data.pairs import require_pairs
from unpaired.data.split import DomainSplits, format_split_counts
from unpaired.devices import pick_device
from unpaired.errors import UnreadableFileError, UsageError
from unpaired.labels import BatchKind
from unpaired.methods import METHODS
from unpaired.methods.base import Method
from unpaired.runs.files import RunFiles, build_batch_sampler, build_item_transform
from unpaired.runs.folder import require_unused
from unpaired.runs.method_builder import build_method, collect_pretrained
from unpaired.training.distributed import Distributed, launch_distributed
from unpaired.training.experiment_loggers import require_logger
from unpaired.training.feasibility import require_feasible, require_method_support, require_validation
from unpaired.training.init_weights import init_from_run
from unpaired.training.listing import build_domains, list_data
from unpaired.training.memory_limits import fit_to_memory, repeat_within_memory
from unpaired.training.step_benchmark import choose_precision
from unpaired.training.teacher import add_teacher

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PAPER_EPOCHS = 200
"""Epochs of the largest domain in the budget if neither the user nor the preset gives one, as in CycleGAN."""


@dataclass(frozen=True)
class TrainingSetup:
    """Configuration, files, method, batches and ranks of a run that has no folder yet."""

    config: RunConfig
    files: RunFiles
    method: Method
    batches: BatchLoader
    distributed: Distributed
    log: LogCallback
    expected_step_s: float | None = None
    """Seconds per step, measured by the precision benchmark; None if it did not run."""


def setup_training(
    data: Sequence[Path | str],
    request: SettingsRequest,
    pairs: bool,
    teacher: Path | str | None,
    out: Path | str | None,
    log: LogCallback,
    init: Path | str | None = None,
) -> TrainingSetup:
    """List and inspect the data, resolve the settings, build the networks and the batches.

    Checks first that the folder `out` is unused. With several ranks, the first one reads the data and sends the result
    to the others. Raises UsageError and WorkError as `train` does.
    """
    early = request.early(TrainingSettings, "training", "device", "devices", "nodes")
    fabric, distributed = launch_distributed(choose_device(early.device), early.devices, early.nodes)
    log = log if distributed.is_first else discard_message
    if out is not None:
        distributed.run_on_first(partial(require_unused, Path(out)))  # reading the data may take minutes
    sources = [Path(d) for d in data]
    config, files = distributed.run_on_first(
        partial(configure_run, sources, request, pairs, fabric.device, distributed.world_size, log)
    )
    if teacher is not None:
        config = distributed.run_on_first(partial(add_teacher, Path(teacher), config))
        log(f"teacher: {teacher}")
    with distributed.report_errors_once():
        method = build_on_device(config, fabric)
        if init is not None:
            config = init_from_run(method, Path(init), config, log)
    config = config.model_copy(update={"pretrained": config.pretrained | collect_pretrained(method)})
    with distributed.report_errors_once():
        batches = build_batches(config, files, log)
    expected_step_s: float | None = None
    with distributed.report_errors_once():
        config = fit_to_memory(config, method, batches, distributed, log)
    if config.training.precision == "auto":
        config, expected_step_s = repeat_within_memory(
            lambda config: choose_precision(config, method, batches, distributed, log), config, method, distributed, log
        )
    return TrainingSetup(config, files, method, batches, distributed, log, expected_step_s)


def configure_run(
    sources: list[Path], request: SettingsRequest, pairs: bool, device: torch.device, world_size: int, log: LogCallback
) -> tuple[RunConfig, RunFiles]:
    """List and inspect the data and resolve every setting except the precision; `log` receives the decisions."""
    attributes = request.early_attributes()
    listing = list_data(sources, request.method, attributes)
    medium = listing.medium
    require_method_support(request.method, medium)
    settings = resolve_settings(request, medium, choose_default_preset(device))
    require_feasible(settings, device, world_size)
    require_logger(settings.training.logger)
    inspection = medium.inspect(settings, listing, log)
    domains, files = build_domains(listing, inspection.domains, inspection.splits)
    if pairs:
        for names in require_pairs(files.splits, listing.labels):
            log(f"note: --pairs: no test items of {names} have equal names, so these domains have no pairs")
    for split in files.collection_splits:
        log(describe_split(split))
    if files.labelled_datasets:
        log(f"domains: {describe_domains(files)}")
    require_validation(settings.training, medium, files.splits)
    measure = inspection.measure_distance
    method_settings = decide_method_settings(settings, measure and partial(measure, domains, files.splits), log)
    counts = inspection.item_counts or [len(split.train) for split in files.collection_splits]
    epoch_steps = count_epoch_steps(
        METHODS[settings.method].cls.batch_kind, counts, len(files.splits), settings.training.batch_size
    )
    config = RunConfig(
        unpaired_version=__version__,
        method=settings.method,
        preset=settings.preset,
        medium=medium.name,
        method_settings=method_settings,
        medium_settings=inspection.medium_settings,
        domains=domains,
        sources=inspection.domains if files.labelled_datasets else (),
        labels=listing.labels,
        pairs=pairs,
        pretrained=dict(inspection.pretrained),
        data=settings.data,
        networks=inspection.resolve_networks(domains, files.splits),
        training=decide_training_settings(settings, epoch_steps, device, world_size, log),
    )
    return config, files


def choose_device(name: str) -> str:
    """Return the type of device to train on; raises UsageError if it is not available or has an index."""
    device = pick_device(name)
    if device.index is not None:
        raise UsageError(
            f"device '{device}': give the type, {device.type}, and select the device with CUDA_VISIBLE_DEVICES"
        )
    return device.type


def choose_default_preset(device: torch.device) -> Preset:
    """Return the preset for a device if the user gives none."""
    return "small" if device.type == "cpu" else "paper"


def describe_split(split: DomainSplits) -> str:
    """Return the numbers of a domain's training, validation and test files as text."""
    counts = (len(split.train), len(split.validation), len(split.test))
    return f"{split.name}: {format_split_counts(*counts, split.has_test_folder)}"


def describe_domains(files: RunFiles) -> str:
    """Return the domains with their numbers of training files as text."""
    return ", ".join(f"{split.name} ({len(split.train):,})" for split in files.splits)


def decide_method_settings(
    settings: Settings, measure_distance: Callable[[], float] | None, log: LogCallback
) -> StrictModel:
    """Decide the method's settings that are "auto", and log each decision with the measured distance.

    A medium may have no distance of domains: then a preset's "auto" takes the domains as near.

    Raises UsageError if such an "auto" was given.
    """
    given = {name: getattr(settings.method_settings, name) for name in type(settings.method_settings).model_fields}
    distances: list[float] = []

    def measure() -> float:
        if measure_distance is None:
            name = next((name for name, value in given.items() if value == "auto" and name in settings.given), None)
            if name is None:
                return 0.0
            raise UsageError(f"setting '{name}': auto is not available for {settings.medium.files_noun}; give a number")
        distances.append(measure_distance())
        return distances[-1]

    decided = METHODS[settings.method].cls.resolve_settings(given, measure)
    changes = {name: value for name, value in decided.items() if value != given[name]}
    reason = f" (auto: the domains' intensities differ by {distances[0]:.0%} of the range)" if distances else ""
    for name, value in changes.items():
        log(f"{name}: {value:g}{reason}" if isinstance(value, float) else f"{name}: {value}{reason}")
    return settings.method_settings.model_copy(update=changes)


def count_epoch_steps(batch_kind: BatchKind, counts: Sequence[int], domain_count: int, batch_size: int) -> int:
    """Return the number of steps that go once through the training items of the largest collection (domain or table).

    `counts` are the numbers of items of the collections. A step has `batch_size` items of every domain, of two random
    domains ("pair"), or in total ("labelled"), where all collections have equal parts of the items.
    """
    items = max(counts)
    if batch_kind == "pair":
        return math.ceil(items * domain_count / (2 * batch_size))
    return math.ceil(items * (len(counts) if batch_kind == "labelled" else 1) / batch_size)


def decide_training_settings(
    settings: Settings, epoch_steps: int, device: torch.device, world_size: int, log: LogCallback
) -> TrainingSettings:
    """Return the training settings with budget, device, threads and workers set; `log` receives the summary.

    `epoch_steps` is the number of steps that go once through the largest domain, on which the default budget depends.
    """
    training = settings.training
    changes: dict[str, Any] = {"device": device.type}
    if training.steps is None and training.minutes is None:
        changes["steps"] = PAPER_EPOCHS * epoch_steps
    if device.type == "cpu":
        changes["threads"] = training.threads or count_threads(world_size)
        changes["workers"] = 1 if training.workers is None else training.workers
    decided = training.model_copy(update=changes)
    budget = f"{decided.steps} steps" if decided.steps else f"{decided.minutes:g} minutes"
    log(f"method {settings.method}, preset {settings.preset}, {budget}, batch size {decided.batch_size}, on {device}")
    return decided


def build_on_device(config: RunConfig, fabric: Fabric) -> Method:
    """Build the run's method with its seed and memory format on its device; compile it if the settings say so."""
    training = config.training
    if fabric.device.type == "cpu" and training.threads is not None:
        torch.set_num_threads(training.threads)
    torch.manual_seed(training.seed)
    method = build_method(config).to(fabric.device)
    if training.memory_format == "channels_last":
        method = method.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if training.compile:
        for role in {role for player in method.players.values() for role in player.roles}:
            method.get_submodule(role).compile()
    return method


def build_batches(config: RunConfig, files: RunFiles, log: LogCallback) -> BatchLoader:
    """Build the run's batch loader; it logs a file that became unreadable and loads the next one instead."""

    def log_replacement(error: UnreadableFileError) -> None:
        log(f"replaced by the next file: {error}")

    training, transform = config.training, build_item_transform(config)
    return BatchLoader(
        config.domains,
        files.splits,
        transform,
        training.seed,
        selection_seed=config.split_seed,
        batch_sampler=build_batch_sampler(config, files, transform),
        workers=training.workers,
        on_unreadable=log_replacement,
    )


def discard_message(message: str) -> None:
    """Discard a message; the log function of all ranks but the first."""
