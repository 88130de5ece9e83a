"""Warning that metrics of a few items prove little; shown by `evaluate`, by reports and by comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.metrics.base import RouteEvaluation

FEW_ITEMS = 20
"""Number of translated items, and of real items of the target, below which a warning is shown."""


def describe_few_items(routes: Sequence[RouteEvaluation]) -> str:
    """Return a warning with the smallest number of items of the routes; empty if all have enough, or without routes."""
    count = min((min(route.sources, route.targets) for route in routes), default=FEW_ITEMS)
    if count >= FEW_ITEMS:
        return ""
    items = "1 item" if count == 1 else f"{count} items"
    return (
        f"Measured on only {items} of a domain: so few prove little, and other items can give another result. Hold out "
        "more (--holdout-fraction, or more files), or evaluate on other folders (unpaired evaluate RUN FOLDERS)."
    )
