"""Alignment of the colors of domains: measured before training, recorded in the configuration, applied by networks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch

from unpaired.config.settings import Auto
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.errors import UsageError
from unpaired.media.image.picture_samples import PictureSample
from unpaired.media.image.settings import image_statistics
from unpaired.methods import METHODS
from unpaired.metrics.color_transfer import ColorStatistics, fit_color_transfer, measure_colors
from unpaired.networks.color_alignment import ColorAlignment


def require_alignment(match: bool | Auto, method: str, *, has_labels: bool) -> None:
    """Raise UsageError if colors cannot be matched.

    Not every method's generators have aligned inputs. Domains that are values of a label are not known when colors are
    measured; "auto" then does not match them.
    """
    if match is True and has_labels:
        raise UsageError(
            "match_colors: needs a folder for each domain, but the domains are values of a label; leave it out "
            "(--match-colors false)"
        )
    if match and not METHODS[method].cls.aligns_inputs:
        able = ", ".join(name for name, info in METHODS.items() if info.cls.aligns_inputs)
        raise UsageError(
            f"match_colors: {method} does not support it, only {able}; leave it out (--match-colors false)"
        )


def record_colors(domains: Sequence[Domain], samples: Sequence[PictureSample]) -> tuple[Domain, ...]:
    """Return the domains with mean and covariance of the colors of their pictures."""
    return tuple(
        _record_domain(domain, measure_colors([sample.pixels])) for domain, sample in zip(domains, samples, strict=True)
    )


def _record_domain(domain: Domain, colors: ColorStatistics) -> Domain:
    measured = {
        "color_mean": tuple(colors.mean.tolist()),
        "color_covariance": tuple(tuple(row) for row in colors.covariance.tolist()),
    }
    return domain.model_copy(update={"statistics": image_statistics(domain).model_copy(update=measured)})


def create_color_alignments(domains: Sequence[Domain]) -> dict[tuple[str, str], ColorAlignment]:
    """Return the alignment for each ordered pair of domains; none if their colors were not measured."""
    colors = {
        key: (torch.tensor(statistics.color_mean).double(), torch.tensor(statistics.color_covariance).double())
        for key, statistics in zip(DOMAIN_KEYS, map(image_statistics, domains), strict=False)
        if statistics.color_mean is not None and statistics.color_covariance is not None
    }
    alignments = {}
    for source, target in itertools.permutations(colors, 2):
        transfer = fit_color_transfer(ColorStatistics(*colors[source]), ColorStatistics(*colors[target]))
        alignments[source, target] = ColorAlignment(transfer.matrix, transfer.offset)
    return alignments
