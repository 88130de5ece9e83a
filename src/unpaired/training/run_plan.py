"""Before a run begins: settings resolved, data looked into, everything "auto" decided, and said."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unpaired import __version__
from unpaired.config.presets import Preset
from unpaired.config.resolve import Settings, SettingsRequest, read_settings, resolve_settings
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import DataSettings, Medium, NetworkSettings, TrainingSettings
from unpaired.console import LogCallback
from unpaired.cores import count_cores
from unpaired.data.batches import iterate_items, require_pairs
from unpaired.data.collections import DataListing, build_domains, list_data
from unpaired.data.domain import Domain
from unpaired.data.item_transform import ImageTransform, ItemTransform
from unpaired.data.split import DomainSplits, split_files
from unpaired.devices import pick_device
from unpaired.errors import UsageError
from unpaired.media.image.inspection import inspect_images
from unpaired.media.image.inspection_report import ImageDataReport
from unpaired.media.suffixes import FILE_TYPES
from unpaired.media.voice.run_settings import ResolvedData, setup_voice_data
from unpaired.methods import METHODS
from unpaired.runs.files import RunFiles

MAX_DECODED_FILES = 1000
"""Files that `train` decodes before it begins; `check` decodes all."""
SMALL_DATASET_FILES = 2000
"""Below so many training files in a domain, critics see augmented images unless the settings say otherwise."""
RESIDUAL_MAX_DISTANCE = 0.15
"""Distance of two domains' values, a share of the range, below which the input is a good first guess of the output."""
PAPER_EPOCHS = 200
"""CycleGAN's budget, where a preset leaves it open."""


@dataclass(frozen=True)
class RunPlan:
    """A run that could begin: its configuration and its files by use."""

    config: RunConfig
    files: RunFiles


def choose_device(request: SettingsRequest) -> str:
    """The kind of device asked for, or the best that there is; raises UsageError where it is not there."""
    device = pick_device(resolve_settings(request, "small").training.device)
    if device.index is not None:
        raise UsageError(f"device '{device}': give the kind, {device.type}; CUDA_VISIBLE_DEVICES says which of them")
    return device.type


def choose_default_preset(device: torch.device) -> Preset:
    """The preset where none is asked for."""
    return "small" if device.type == "cpu" else "paper"


def plan_run(
    sources: list[Path], request: SettingsRequest, pairs: bool, device: torch.device, world_size: int, log: LogCallback
) -> RunPlan:
    """Look into the data and resolve every setting but the precision, saying what was decided and why."""
    preset = choose_default_preset(device)
    preliminary = resolve_settings(request, preset)
    listing = list_data(sources, preliminary.method, preliminary.data.attributes)
    medium = listing.files[0].medium
    settings = resolve_settings(request, preset, medium)
    require_medium_support(settings.method, medium)
    require_feasible(settings, device, world_size)
    resolved_data = (setup_voice_data if medium == "voice" else setup_image_data)(
        settings, listing, is_size_explicit(request), log
    )
    domains, files = build_domains(listing, resolved_data.domains, resolved_data.splits)
    if pairs:
        for names in require_pairs(files.splits, listing.labels):
            log(f"note: --pairs: no test items of {names} have equal names, so no truth is known between these")
    for domain_split in files.collection_splits:
        log(describe_split(domain_split))
    if files.labelled_datasets:
        log(f"domains: {describe_domains(files)}")
    largest_count = max(
        resolved_data.crop_counts or [len(domain_split.train) for domain_split in files.collection_splits]
    )
    config = RunConfig(
        unpaired_version=__version__,
        method=settings.method,
        preset=settings.preset,
        method_settings=settings.method_settings,
        domains=domains,
        sources=resolved_data.domains if files.labelled_datasets else (),
        labels=listing.labels,
        channels=resolved_data.channels,
        pairs=pairs,
        pretrained=dict(resolved_data.pretrained),
        data=resolved_data.data,
        voice=resolved_data.voice,
        networks=resolved_data.resolve_networks(domains, files.splits),
        training=decide_training_settings(settings, largest_count, device, world_size, log),
    )
    return RunPlan(config, files)


def require_medium_support(method: str, medium: Medium) -> None:
    """Refuse a method that does not learn from files of this medium, saying why."""
    method_info = METHODS[method]
    if medium not in method_info.media:
        supported = ", ".join(name for name, other in METHODS.items() if medium in other.media)
        raise UsageError(
            f"{method} does not learn from {FILE_TYPES[medium][0]}: {method_info.unsupported_reason}. Methods that do: {supported}"
        )


def setup_image_data(
    settings: Settings, listing: DataListing, is_size_explicit: bool, log: LogCallback
) -> ResolvedData:
    """Look into pictures; raises WorkError where they cannot be used."""
    report = inspect_images(listing.files, MAX_DECODED_FILES, settings.training.seed)
    for path, reason in report.unreadable.items():
        log(f"skipped: {path}: {reason}")
    report.require_usable()
    data = limit_size(settings.data, report, is_size_explicit, log)
    for warning in report.list_warnings(data):
        log(f"note: {warning}")
    resolved = report.resolve(data)
    log(f"framing: {resolved.data.resize_mode}, {resolved.data.size} px, {resolved.channels} channels")
    splits = [
        split_files(files, data.holdout_fraction, settings.training.seed, report.unreadable) for files in listing.files
    ]

    def decide_networks(domains: Sequence[Domain], splits: Sequence[DomainSplits]) -> NetworkSettings:
        smallest = min(len(domain_split.train) for domain_split in splits)
        transform = ImageTransform(resolved.data, resolved.channels)
        return decide_network_settings(
            settings.networks, smallest, partial(measure_value_distance, domains, transform, splits), log
        )

    return ResolvedData(resolved.data, resolved.channels, resolved.domains, splits, decide_networks)


def require_feasible(settings: Settings, device: torch.device, world_size: int) -> None:
    """Refuse what this device or number of ranks cannot do, before time is spent."""
    training, networks = settings.training, settings.networks
    if training.precision == "fp16-mixed" and device.type != "cuda":
        raise UsageError("precision fp16-mixed needs a CUDA device; use fp32 or bf16-mixed")
    if training.batch_size % (world_size * training.grad_accumulation):
        raise UsageError(
            f"batch {training.batch_size}: must be a multiple of ranks x micro-batches, {world_size} x {training.grad_accumulation}"
        )
    if reason := explain_small_batch(settings, world_size):
        raise UsageError(reason)
    if networks.norm == "batch" and training.ema_decay:
        raise UsageError(
            "norm batch: its statistics are those of the networks as they train, and wrong for their running average; "
            "add --ema-decay 0, or take --norm instance or group"
        )


def explain_small_batch(settings: Settings, world_size: int = 1) -> str:
    """Why a method that takes its labels from a batch cannot learn with these settings; empty where it can."""
    shards = world_size * settings.training.grad_accumulation
    if METHODS[settings.method].cls.batch_kind != "labelled" or settings.training.batch_size >= 2 * shards:
        return ""
    return (
        f"batch {settings.training.batch_size}: {settings.method} takes the labels to ask for from the other items of a "
        f"micro-batch, so it needs two or more in each: --batch-size {2 * shards}"
    )


def is_size_explicit(request: SettingsRequest) -> bool:
    """Whether a size was asked for, rather than left to the preset."""
    file_settings = read_settings(request.file).get("data") or {} if request.file else {}
    return "size" in request.settings or "size" in file_settings


def limit_size(data: DataSettings, report: ImageDataReport, is_size_explicit: bool, log: LogCallback) -> DataSettings:
    """The size that was asked for, or the preset's, but not above that of the pictures."""
    sides = np.concatenate([report.shorter_sides for report in report.domains])
    max_size = max(16, int(np.median(sides)) // 16 * 16)
    if is_size_explicit or max_size >= data.size:
        return data
    log(f"size: {max_size} px, since the pictures are no larger (--size to change)")
    return data.model_copy(update={"size": max_size})


def describe_split(domain_split: DomainSplits) -> str:
    """How a domain's files are used, in words."""
    test_source = "its test folder" if domain_split.has_test_folder else "held back to test"
    return (
        f"{domain_split.name}: {len(domain_split.train):,} files to train on, {len(domain_split.validation):,} held back to choose the best, "
        f"{len(domain_split.test):,} {test_source}"
    )


def describe_domains(files: RunFiles) -> str:
    """The domains that labels make, with their numbers of files, in words."""
    return ", ".join(f"{domain_split.name} ({len(domain_split.train):,})" for domain_split in files.splits)


def decide_network_settings(
    networks: NetworkSettings, smallest_count: int, measure_distance: Callable[[], float], log: LogCallback
) -> NetworkSettings:
    """Network settings with what was "auto" decided: augmentation by the size of the smaller collection, and whether
    networks add a change to their input by the distance of the domains' values.
    """
    changes: dict[str, Any] = {}
    if networks.augment == "auto":
        changes["augment"] = policies = ("translation",) if smallest_count < SMALL_DATASET_FILES else ()
        policy_names = ", ".join(policies) or "none"
        log(f"augmentation of what critics see: {policy_names} ({smallest_count:,} files in the smaller domain)")
    if networks.residual == "auto":
        value_distance = measure_distance()
        changes["residual"] = value_distance < RESIDUAL_MAX_DISTANCE
        behavior = "add a change to their input" if value_distance < RESIDUAL_MAX_DISTANCE else "make their output anew"
        reason = f"the domains' values differ by {value_distance:.0%} of the range"
        log(f"networks that translate {behavior}: {reason} (--residual to choose)")
    return networks.model_copy(update=changes)


def measure_value_distance(
    domains: Sequence[Domain], transform: ItemTransform, splits: Sequence[DomainSplits], max_items: int = 100
) -> float:
    """How far domains' values are apart: the Wasserstein distance of their histograms, as a share of the range.

    The mean over channels, from the first `most` training items of each; of many domains, between those furthest apart.
    """
    quantiles = []
    for domain, domain_split in zip(domains, splits, strict=True):
        indices = range(min(max_items, len(domain_split.train)))
        tensors = [item.tensor for item in iterate_items(domain_split.train, domain, transform, indices)]
        values = torch.stack(tensors).transpose(0, 1).flatten(1).numpy()
        quantiles.append(np.quantile(values, np.linspace(0.005, 0.995, 100), axis=1))
    return max(float(np.abs(one - other).mean()) / 2 for one, other in itertools.combinations(quantiles, 2))


def decide_training_settings(
    settings: Settings, largest_count: int, device: torch.device, world_size: int, log: LogCallback
) -> TrainingSettings:
    """Training settings with the budget, threads and device decided."""
    training = settings.training
    changes: dict[str, Any] = {"device": device.type}
    if training.steps is None and training.minutes is None:
        changes["steps"] = PAPER_EPOCHS * -(-largest_count // training.batch_size)
    if device.type == "cpu":
        changes["threads"] = training.threads or max(1, count_cores() // world_size)
        changes["workers"] = 1 if training.workers is None else training.workers
    resolved = training.model_copy(update=changes)
    budget = f"{resolved.steps} steps" if resolved.steps else f"{resolved.minutes:g} minutes"
    log(f"method {settings.method}, preset {settings.preset}, {budget}, batch {resolved.batch_size}, on {device}")
    return resolved
