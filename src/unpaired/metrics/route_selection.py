"""Selection of the routes to measure for methods with many domains."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.routes import Route

MAX_ROUTES = 12
"""Default maximum number of measured routes: all routes between four domains."""


def select_evenly(routes: Sequence[Route], limit: int = MAX_ROUTES) -> list[Route]:
    """Return all routes, or `limit` of them at even intervals if there are more."""
    return [routes[i * len(routes) // limit] for i in range(limit)] if len(routes) > limit else list(routes)
