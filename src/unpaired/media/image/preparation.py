"""Inspection of pictures before training, and the decision of every image setting that is "auto"."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from unpaired.config.settings import NetworkSettings
from unpaired.console import LogCallback
from unpaired.data.batches import iterate_items
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.data.split import DomainSplits
from unpaired.media.base import Inspection
from unpaired.media.image.color_alignment import create_color_alignments, record_colors, require_alignment
from unpaired.media.image.inspection import inspect_images
from unpaired.media.image.inspection_report import ImageDataReport
from unpaired.media.image.settings import ImageSettings, image_statistics
from unpaired.media.image.transform import ImageTransform
from unpaired.networks.image_settings import ImageNetworkSettings

if TYPE_CHECKING:
    from unpaired.config.resolve import Settings
    from unpaired.training.listing import DataListing

MAX_DECODED_FILES = 1000
"""Maximum number of files that `train` decodes before it begins; `check` decodes all."""
SMALL_DATASET_FILES = 2000
"""Number of training files below which "auto" augments the discriminators' input."""
RESIDUAL_MAX_DISTANCE = 0.15
"""Intensity distance of two domains, as a fraction of the range, below which "auto" enables residual generators."""


def inspect_image_data(
    settings: Settings,
    listing: DataListing,
    log: LogCallback,
    inspect: Callable[..., ImageDataReport] = inspect_images,
    create_transform: Callable[[ImageSettings], ImageTransform] = ImageTransform,
) -> Inspection:
    """Decode a sample of the pictures and decide the image settings; raises WorkError if they cannot be used.

    `inspect` has the parameters of `inspect_images`; `create_transform` returns the transform of training.
    """
    assert isinstance(settings.medium_settings, ImageSettings)
    assert isinstance(settings.networks, ImageNetworkSettings)
    networks = settings.networks
    if networks.match_colors:
        require_alignment(settings.method)
    report = inspect(listing.files, MAX_DECODED_FILES, settings.split_seed, settings=settings.medium_settings)
    for note in report.list_stack_notes():
        log(note)
    report.log_files(log)
    report.require_usable()
    limited = limit_size(settings.medium_settings, report, "size" in settings.given, log)
    for warning in report.list_warnings(limited):
        log(f"note: {warning}")
    resolved = report.resolve(limited)
    log(f"pictures: {resolved.size} px, --resize-mode {resolved.resize_mode}, {resolved.num_channels} channels")
    splits = report.split_files(settings.data.holdout_fraction, settings.split_seed)

    distances: list[float] = []

    def measure_distance(domains: Sequence[Domain], splits: Sequence[DomainSplits]) -> float:
        """Measure the distance of the run's domains at the first call; several settings depend on it."""
        if not distances:
            distances.append(measure_value_distance(domains, create_transform(resolved), splits))
        return distances[0]

    def decide_networks(domains: Sequence[Domain], splits: Sequence[DomainSplits]) -> NetworkSettings:
        smallest = min(len(split.train) for split in splits)
        return decide_network_settings(networks, smallest, partial(measure_distance, domains, splits), log)

    created_domains = report.create_domains(resolved.num_channels, resolved.value_range, resolved.percentile_range)
    if networks.match_colors:
        created_domains = record_colors(created_domains, splits, create_transform(resolved))
    for domain in created_domains:
        log_value_range(domain, resolved, log)
    return Inspection(resolved, created_domains, splits, decide_networks, measure_distance=measure_distance)


def log_value_range(domain: Domain, settings: ImageSettings, log: LogCallback) -> None:
    """Log which raw values of a domain of more than 8 bits are black and white, and how they were chosen."""
    statistics = image_statistics(domain)
    if statistics.bits == 8:
        return
    reason = "measured without outliers; --value-range or --percentile-range sets it"
    if settings.value_range is not None:
        reason = "--value-range"
    elif settings.percentile_range is not None:
        low, high = settings.percentile_range
        reason = f"percentiles {low:g} and {high:g}"
    log(f"{domain.name}: raw values {statistics.low:g} to {statistics.high:g} are black to white ({reason})")


def limit_size(
    settings: ImageSettings, report: ImageDataReport, is_size_explicit: bool, log: LogCallback
) -> ImageSettings:
    """Limit the preset's size to that of the pictures; a size that the user gave is not changed."""
    sides = np.concatenate([report.shorter_sides for report in report.domains])
    max_size = max(16, int(np.median(sides)) // 16 * 16)
    if is_size_explicit or max_size >= settings.size:
        return settings
    log(f"size: {max_size} px, since the pictures are no larger (use --size to change this)")
    return settings.model_copy(update={"size": max_size})


def decide_network_settings(
    networks: ImageNetworkSettings, smallest_count: int, measure_distance: Callable[[], float], log: LogCallback
) -> ImageNetworkSettings:
    """Decide network settings that are "auto".

    Augmentation depends on the number of files in the smallest domain, residual generators on the distance of the
    domains' intensities.
    """
    changes: dict[str, Any] = {}
    if networks.augment == "auto":
        changes["augment"] = policies = ("translation",) if smallest_count < SMALL_DATASET_FILES else ()
        policy_names = ", ".join(policies) or "none"
        log(f"discriminator augmentation: {policy_names} ({smallest_count:,} files in the smaller domain)")
    if networks.residual == "auto":
        value_distance = measure_distance()
        changes["residual"] = value_distance < RESIDUAL_MAX_DISTANCE
        state = "on" if changes["residual"] else "off"
        log(f"residual generators: {state} (the domains' intensities differ by {value_distance:.0%} of the range)")
    return networks.model_copy(update=changes)


def measure_value_distance(
    domains: Sequence[Domain], transform: ImageTransform, splits: Sequence[DomainSplits], max_items: int = 100
) -> float:
    """Return the Wasserstein distance of the domains' intensity histograms, as a fraction of the range.

    It is the mean over channels, from the first `max_items` training items of each domain; of all ordered pairs of
    domains, the largest. Where generators get aligned inputs, it is the distance that remains after the alignment.
    """
    pictures = {}
    for key, domain, domain_split in zip(DOMAIN_KEYS, domains, splits, strict=False):
        indices = range(min(max_items, len(domain_split.train)))
        pictures[key] = torch.stack([i.tensor for i in iterate_items(domain_split.train, domain, transform, indices)])
    alignments = create_color_alignments(domains)

    def measure(source: str, target: str) -> float:
        aligned = alignments[source, target](pictures[source]) if alignments else pictures[source]
        one, other = (
            np.quantile(x.transpose(0, 1).flatten(1).numpy(), np.linspace(0.005, 0.995, 100), axis=1)
            for x in (aligned, pictures[target])
        )
        return float(np.abs(one - other).mean()) / 2

    return max(measure(source, target) for source, target in itertools.permutations(pictures, 2))
