"""Routes: the directions in which a model translates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """A direction in which a method can translate, from a domain's key to another's, and the roles that it needs.

    These roles are saved in the model file, get an exponential moving average, and are used to translate.
    """

    source: str
    target: str
    roles: tuple[str, ...]
