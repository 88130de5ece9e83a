"""Which routes are measured where a method has many."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.methods.base import Route

MAX_ROUTES = 12
"""Routes that are measured, those of four domains; of more, so many are taken, every domain's alike."""


def select_evenly(routes: Sequence[Route], limit: int = MAX_ROUTES) -> list[Route]:
    """Return all routes, or `limit` of them, spread evenly."""
    return [routes[i * len(routes) // limit] for i in range(limit)] if len(routes) > limit else list(routes)
