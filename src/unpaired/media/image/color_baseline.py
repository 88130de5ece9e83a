"""Linear color transfers between the domains of a run, the baseline that a translator must beat."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from torch import Tensor

from unpaired.data.batches import BatchLoader
from unpaired.metrics.color_transfer import ColorStatistics, ColorTransfer, fit_color_transfer, measure_colors
from unpaired.routes import Route

MAX_COLOR_ITEMS = 200
"""Maximum number of training pictures per domain that the transfer is fitted on."""


class ColorTransferFitter:
    """Fitter of color transfers: on training pictures of `training`, or on the measured ones if it is None.

    The colors of each domain are measured once.
    """

    def __init__(self, training: BatchLoader | None) -> None:
        self._training = training
        self._statistics: dict[str, ColorStatistics | None] = {}

    def fit(
        self, route: Route, sources: Iterable[Tensor], targets: Iterable[Tensor]
    ) -> tuple[ColorTransfer | None, str]:
        """Return the transfer of a route, and a note on the pictures that it was fitted on.

        `sources` and `targets` are the measured batches (B, C, H, W), used if a domain has no readable training
        pictures. None if the domains have different numbers of channels.
        """
        source, target = (self._measure_training(key) for key in (route.source, route.target))
        if source is not None and target is not None:
            low, high = sorted((source.num_pictures, target.num_pictures))  # equal in both directions: one note
            counts = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            note = f"linear color transfer: fitted on {counts} training pictures per domain"
        else:
            source, target = measure_colors(sources), measure_colors(targets)
            note = "linear color transfer: fitted on the measured pictures, since no training pictures can be read"
        return (fit_color_transfer(source, target) if len(source.mean) == len(target.mean) else None), note

    def _measure_training(self, key: str) -> ColorStatistics | None:
        """Return the colors of a domain's training pictures; None if there are none."""
        if self._training is None:
            return None
        if key not in self._statistics:
            pictures = (item.tensor[None] for item in self._training.iterate_items(key, "train", MAX_COLOR_ITEMS))
            first = next(pictures, None)
            self._statistics[key] = None if first is None else measure_colors(chain([first], pictures))
        return self._statistics[key]
