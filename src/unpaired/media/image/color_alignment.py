"""Alignment of the colors of domains: measured before training, recorded in the configuration, applied by networks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from unpaired.data.batches import iterate_items
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.data.split import DomainSplits
from unpaired.errors import UsageError
from unpaired.media.image.settings import image_statistics
from unpaired.media.image.transform import ImageTransform
from unpaired.methods import METHODS
from unpaired.metrics.color_transfer import ColorStatistics, fit_color_transfer, measure_colors
from unpaired.networks.color_alignment import ColorAlignment

MAX_ITEMS = 200
"""Maximum number of training pictures per domain that are measured."""


def require_alignment(method: str) -> None:
    """Raise UsageError if the method's generators have no aligned inputs."""
    if not METHODS[method].cls.aligns_inputs:
        able = ", ".join(name for name, info in METHODS.items() if info.cls.aligns_inputs)
        raise UsageError(
            f"match_colors: {method} does not support it, only {able}; leave it out (--match-colors false)"
        )


def record_colors(
    domains: Sequence[Domain], splits: Sequence[DomainSplits], transform: ImageTransform
) -> tuple[Domain, ...]:
    """Return the domains with mean and covariance of the colors of their first training pictures."""
    return tuple(_record_domain(domain, split, transform) for domain, split in zip(domains, splits, strict=True))


def _record_domain(domain: Domain, split: DomainSplits, transform: ImageTransform) -> Domain:
    indices = range(min(MAX_ITEMS, len(split.train)))
    colors = measure_colors(item.tensor[None] for item in iterate_items(split.train, domain, transform, indices))
    measured = {
        "color_mean": tuple(colors.mean.tolist()),
        "color_covariance": tuple(map(tuple, colors.covariance.tolist())),
    }
    return domain.model_copy(update={"statistics": image_statistics(domain).model_copy(update=measured)})


def create_color_alignments(domains: Sequence[Domain]) -> dict[tuple[str, str], ColorAlignment]:
    """Return the alignment for each ordered pair of domains; none if their colors were not measured."""
    colors = {
        key: ColorStatistics(torch.tensor(s.color_mean).double(), torch.tensor(s.color_covariance).double(), MAX_ITEMS)
        for key, s in zip(DOMAIN_KEYS, map(image_statistics, domains), strict=False)
        if s.color_mean is not None and s.color_covariance is not None
    }
    transfers = {pair: fit_color_transfer(*(colors[key] for key in pair)) for pair in itertools.permutations(colors, 2)}
    return {pair: ColorAlignment(transfer.matrix, transfer.offset) for pair, transfer in transfers.items()}
