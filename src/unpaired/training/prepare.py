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
from unpaired.cores import cores
from unpaired.data.batches import items, require_pairs
from unpaired.data.check import check
from unpaired.data.domain import Domain
from unpaired.data.framing import Framing, Pictures
from unpaired.data.report import CheckReport
from unpaired.data.split import Sets, split
from unpaired.devices import pick_device
from unpaired.errors import UsageError
from unpaired.media.suffixes import KINDS
from unpaired.methods import METHODS
from unpaired.presets import Preset
from unpaired.runs.config import RunConfig
from unpaired.runs.files import Files
from unpaired.settings import DataSettings, Medium, NetworkSettings, TrainingSettings
from unpaired.terminal import Say
from unpaired.training.collect import Found, collected, find
from unpaired.training.listen import Looked, listen
from unpaired.training.resolve import Asked, Settings, read_settings, resolve

DECODED = 1000
"""Files that `train` decodes before it begins; `check` decodes all."""
SMALL_COLLECTION = 2000
"""Below so many training files in a domain, critics see augmented images unless the settings say otherwise."""
ALIKE = 0.15
"""Distance of two domains' values, a share of the range, below which the input is a good first guess of the output."""
PAPER_EPOCHS = 200
"""CycleGAN's budget, where a preset leaves it open."""


@dataclass(frozen=True)
class Prepared:
    """A run that could begin: its configuration and its files by use."""

    config: RunConfig
    files: Files


def choose_device(asked: Asked) -> str:
    """The kind of device asked for, or the best that there is; raises UsageError where it is not there."""
    device = pick_device(resolve(asked, "small").training.device)
    if device.index is not None:
        raise UsageError(f"device '{device}': give the kind, {device.type}; CUDA_VISIBLE_DEVICES says which of them")
    return device.type


def default_preset(device: torch.device) -> Preset:
    """The preset where none is asked for."""
    return "small" if device.type == "cpu" else "paper"


def prepare(sources: list[Path], asked: Asked, pairs: bool, device: torch.device, ranks: int, say: Say) -> Prepared:
    """Look into the data and resolve every setting but the precision, saying what was decided and why."""
    preset = default_preset(device)
    first = resolve(asked, preset)
    listing = find(sources, first.method, first.data.attributes)
    medium = listing.files[0].medium
    settings = resolve(asked, preset, medium)
    trains_on(settings.method, medium)
    possible(settings, device, ranks)
    looked = (listen if medium == "voice" else look)(settings, listing, explicit_size(asked), say)
    domains, files = collected(listing, looked.domains, looked.parts)
    if pairs:
        for names in require_pairs(files.sets, listing.labels):
            say(f"note: --pairs: no test items of {names} have equal names, so no truth is known between these")
    for part in files.whole:
        say(held_words(part))
    if files.data:
        say(f"domains: {domain_words(files)}")
    largest = max(looked.crops or [len(part.train) for part in files.whole])
    config = RunConfig(
        unpaired=__version__,
        method=settings.method,
        preset=settings.preset,
        method_settings=settings.method_settings,
        domains=domains,
        sources=looked.domains if files.data else (),
        labels=listing.labels,
        channels=looked.channels,
        pairs=pairs,
        pretrained=dict(looked.pretrained),
        data=looked.data,
        voice=looked.voice,
        networks=looked.networked(domains, files.sets),
        training=trained(settings, largest, device, ranks, say),
    )
    return Prepared(config, files)


def trains_on(method: str, medium: Medium) -> None:
    """Refuse a method that does not learn from files of this medium, saying why."""
    row = METHODS[method]
    if medium not in row.media:
        fit = ", ".join(name for name, other in METHODS.items() if medium in other.media)
        raise UsageError(f"{method} does not learn from {KINDS[medium][0]}: {row.why_not}. Methods that do: {fit}")


def look(settings: Settings, listing: Found, explicit: bool, say: Say) -> Looked:
    """Look into pictures; raises WorkError where they cannot be used."""
    found = check(listing.files, DECODED, settings.training.seed)
    for path, why in found.unreadable.items():
        say(f"skipped: {path}: {why}")
    found.require_usable()
    data = sized(settings.data, found, explicit, say)
    for warning in found.warnings(data):
        say(f"note: {warning}")
    resolved = found.resolve(data)
    say(f"framing: {resolved.data.framing}, {resolved.data.size} px, {resolved.channels} channels")
    parts = [split(files, data.held, settings.training.seed, found.unreadable) for files in listing.files]

    def decided(domains: Sequence[Domain], sets: Sequence[Sets]) -> NetworkSettings:
        smallest = min(len(part.train) for part in sets)
        framing = Pictures(resolved.data, resolved.channels)
        return networked(settings.networks, smallest, partial(distance, domains, framing, sets), say)

    return Looked(resolved.data, resolved.channels, resolved.domains, parts, decided)


def possible(settings: Settings, device: torch.device, ranks: int) -> None:
    """Refuse what this device or number of ranks cannot do, before time is spent."""
    training, networks = settings.training, settings.networks
    if training.precision == "fp16-mixed" and device.type != "cuda":
        raise UsageError("precision fp16-mixed needs a CUDA device; use fp32 or bf16-mixed")
    if training.batch % (ranks * training.accumulate):
        raise UsageError(
            f"batch {training.batch}: must be a multiple of ranks x micro-batches, {ranks} x {training.accumulate}"
        )
    if why := too_few(settings, ranks):
        raise UsageError(why)
    if networks.norm == "batch" and training.average:
        raise UsageError(
            "norm batch: its statistics are those of the networks as they train, and wrong for their running average; "
            "add --average 0, or take --norm instance or group"
        )


def too_few(settings: Settings, ranks: int = 1) -> str:
    """Why a method that takes its labels from a batch cannot learn with these settings; empty where it can."""
    shards = ranks * settings.training.accumulate
    if METHODS[settings.method].cls.draws != "labelled" or settings.training.batch >= 2 * shards:
        return ""
    return (
        f"batch {settings.training.batch}: {settings.method} takes the labels to ask for from the other items of a "
        f"micro-batch, so it needs two or more in each: --batch {2 * shards}"
    )


def explicit_size(asked: Asked) -> bool:
    """Whether a size was asked for, rather than left to the preset."""
    from_file = read_settings(asked.file).get("data") or {} if asked.file else {}
    return "size" in asked.settings or "size" in from_file


def sized(data: DataSettings, found: CheckReport, explicit: bool, say: Say) -> DataSettings:
    """The size that was asked for, or the preset's, but not above that of the pictures."""
    sides = np.concatenate([report.shorter for report in found.domains])
    own = max(16, int(np.median(sides)) // 16 * 16)
    if explicit or own >= data.size:
        return data
    say(f"size: {own} px, since the pictures are no larger (--size to change)")
    return data.model_copy(update={"size": own})


def held_words(sets: Sets) -> str:
    """How a domain's files are used, in words."""
    own = "its test folder" if sets.has_test_folder else "held back to test"
    return (
        f"{sets.name}: {len(sets.train):,} files to train on, {len(sets.validation):,} held back to choose the best, "
        f"{len(sets.test):,} {own}"
    )


def domain_words(files: Files) -> str:
    """The domains that labels make, with their numbers of files, in words."""
    return ", ".join(f"{part.name} ({len(part.train):,})" for part in files.sets)


def networked(networks: NetworkSettings, smallest: int, distance: Callable[[], float], say: Say) -> NetworkSettings:
    """Network settings with what was "auto" decided: augmentation by the size of the smaller collection, and whether
    networks add a change to their input by the distance of the domains' values.
    """
    changes: dict[str, Any] = {}
    if networks.augment == "auto":
        changes["augment"] = policies = ("translation",) if smallest < SMALL_COLLECTION else ()
        words = ", ".join(policies) or "none"
        say(f"augmentation of what critics see: {words} ({smallest:,} files in the smaller domain)")
    if networks.residual == "auto":
        apart = distance()
        changes["residual"] = apart < ALIKE
        how = "add a change to their input" if apart < ALIKE else "make their output anew"
        why = f"the domains' values differ by {apart:.0%} of the range"
        say(f"networks that translate {how}: {why} (--residual to choose)")
    return networks.model_copy(update=changes)


def distance(domains: Sequence[Domain], framing: Framing, sets: Sequence[Sets], most: int = 100) -> float:
    """How far domains' values are apart: the Wasserstein distance of their histograms, as a share of the range.

    The mean over channels, from the first `most` training items of each; of many domains, between those furthest apart.
    """
    levels = []
    for domain, part in zip(domains, sets, strict=True):
        chosen = range(min(most, len(part.train)))
        found = [item.tensor for item in items(part.train, domain, framing, chosen)]
        values = torch.stack(found).transpose(0, 1).flatten(1).numpy()
        levels.append(np.quantile(values, np.linspace(0.005, 0.995, 100), axis=1))
    return max(float(np.abs(one - other).mean()) / 2 for one, other in itertools.combinations(levels, 2))


def trained(settings: Settings, largest: int, device: torch.device, ranks: int, say: Say) -> TrainingSettings:
    """Training settings with the budget, threads and device decided."""
    training = settings.training
    changes: dict[str, Any] = {"device": device.type}
    if training.steps is None and training.minutes is None:
        changes["steps"] = PAPER_EPOCHS * -(-largest // training.batch)
    if device.type == "cpu":
        changes["threads"] = training.threads or max(1, cores() // ranks)
        changes["workers"] = 1 if training.workers is None else training.workers
    decided = training.model_copy(update=changes)
    budget = f"{decided.steps} steps" if decided.steps else f"{decided.minutes:g} minutes"
    say(f"method {settings.method}, preset {settings.preset}, {budget}, batch {decided.batch}, on {device}")
    return decided
