"""Inspection of pictures before training, and the decision of every image setting that is "auto"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from unpaired.config.settings import NetworkSettings
from unpaired.console import LogCallback
from unpaired.data.domain import Domain
from unpaired.data.split import DomainSplits
from unpaired.media.image.color_alignment import record_colors, require_alignment
from unpaired.media.image.inspection import inspect_images
from unpaired.media.image.inspection_report import ImageDataReport
from unpaired.media.image.mirror_symmetry import find_sided_domains
from unpaired.media.image.picture_samples import PictureSample, measure_distance, sample_pictures
from unpaired.media.image.settings import ImageSettings, image_statistics
from unpaired.media.image.transform import ImageTransform
from unpaired.media.interface import Inspection
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
MATCH_MIN_DISTANCE, MATCH_MAX_REMAINDER = 0.25, 0.05
"""Intensity distance of two domains from which "auto" matches colors, and what the match may leave of it.

Where the domains are near anyway, matching does not help; where it leaves more, contrast may have to be inverted (MRI
T1 to T2), and it leads away from the truth.
"""


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
    require_alignment(networks.match_colors, settings.method, has_labels=listing.labels is not None)
    report = inspect(listing.files, MAX_DECODED_FILES, settings.split_seed, settings=settings.medium_settings)
    resolved = decide_conversion(report, settings, log)
    splits = report.split_files(settings.data.holdout_fraction, settings.split_seed)
    samples: dict[tuple[str, ...], list[PictureSample]] = {}

    def sample(domains: Sequence[Domain], splits: Sequence[DomainSplits]) -> list[PictureSample]:
        """Sample the pictures of domains at the first call; several settings depend on them."""
        names = tuple(domain.name for domain in domains)
        if names not in samples:
            samples[names] = sample_pictures(domains, splits, create_transform(resolved))
        return samples[names]

    def measure(domains: Sequence[Domain], splits: Sequence[DomainSplits]) -> float:
        return measure_distance(sample(domains, splits), after_transfer=bool(networks.match_colors))

    def decide_networks(domains: Sequence[Domain], splits: Sequence[DomainSplits]) -> NetworkSettings:
        return decide_network_settings(networks, count_smallest(splits), partial(sample, domains, splits), log)

    created_domains = report.create_domains(resolved.num_channels, resolved.value_range, resolved.percentile_range)
    for domain in created_domains:
        log_value_range(domain, resolved, log)
    listed = partial(sample, created_domains, splits)
    resolved = decide_mirroring(resolved, created_domains, count_smallest(splits), listed, log)
    networks = decide_color_matching(networks, listing.labels is not None, listed, log)
    if networks.match_colors:
        created_domains = record_colors(created_domains, listed())
    return Inspection(resolved, created_domains, splits, decide_networks, measure_distance=measure)


def count_smallest(splits: Sequence[DomainSplits]) -> int:
    """Return the number of training pictures of the smallest domain."""
    return min(len(split.train) for split in splits)


def decide_conversion(report: ImageDataReport, settings: Settings, log: LogCallback) -> ImageSettings:
    """Decide size, resize mode and channels, and log what is notable; raises WorkError if the pictures are unusable."""
    assert isinstance(settings.medium_settings, ImageSettings)
    for note in report.list_stack_notes():
        log(note)
    report.log_files(log)
    report.require_usable()
    limited = limit_size(settings.medium_settings, report, "size" in settings.given, log)
    for warning in report.list_warnings(limited):
        log(f"note: {warning}")
    resolved = report.resolve(limited)
    log(f"pictures: {resolved.size} px, --resize-mode {resolved.resize_mode}, {resolved.num_channels} channels")
    return resolved


def decide_mirroring(
    settings: ImageSettings,
    domains: Sequence[Domain],
    smallest_count: int,
    sample: Callable[[], Sequence[PictureSample]],
    log: LogCallback,
) -> ImageSettings:
    """Decide `flip` "auto": off if a domain's pictures have a preferred side and mirrored ones are not needed.

    `smallest_count` is the number of training pictures of the smallest domain.
    """
    if settings.flip != "auto":
        return settings
    sided = [domains[i].name for i in find_sided_domains([pictures.cells for pictures in sample()], smallest_count)]
    if sided:
        log(f"flip: false (the pictures of {', '.join(sided)} differ from their mirror images)")
    return settings.model_copy(update={"flip": not sided})


def decide_color_matching(
    networks: ImageNetworkSettings, has_labels: bool, sample: Callable[[], Sequence[PictureSample]], log: LogCallback
) -> ImageNetworkSettings:
    """Decide `match_colors` "auto": on where a linear color transfer removes a large distance of the domains.

    Off if the domains are values of a label: `sample` returns pictures of the listed folders.
    """
    if networks.match_colors != "auto":
        return networks
    if has_labels:
        return networks.model_copy(update={"match_colors": False})
    samples = sample()
    before = measure_distance(samples, after_transfer=False)
    if before < MATCH_MIN_DISTANCE:
        return networks.model_copy(update={"match_colors": False})
    remainder = measure_distance(samples, after_transfer=True)
    match = remainder < MATCH_MAX_REMAINDER
    log(
        f"match_colors: {str(match).lower()} (the domains' intensities differ by {before:.0%} of the range, after a "
        f"linear color transfer by {remainder:.0%})"
    )
    return networks.model_copy(update={"match_colors": match})


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
    log(f"size: {max_size} px, since half of the files are no larger (--size changes this)")
    return settings.model_copy(update={"size": max_size})


def decide_network_settings(
    networks: ImageNetworkSettings, smallest_count: int, sample: Callable[[], Sequence[PictureSample]], log: LogCallback
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
        value_distance = measure_distance(sample(), after_transfer=False)
        changes["residual"] = value_distance < RESIDUAL_MAX_DISTANCE
        state = "on" if changes["residual"] else "off"
        log(f"residual generators: {state} (the domains' intensities differ by {value_distance:.0%} of the range)")
    return networks.model_copy(update=changes)
