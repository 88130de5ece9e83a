"""Routes: the directions in which a model translates."""

from __future__ import annotations

from dataclasses import dataclass

CONTEXT = ".context"
"""Suffix of keys of a batch: "X.context" has, for the items "X", what losses of translations need besides them."""


@dataclass(frozen=True)
class Route:
    """A direction in which a method can translate, from a domain's key to another's, and the roles that it needs.

    These roles are saved in the model file, get an exponential moving average, and are used to translate.
    """

    source: str
    target: str
    roles: tuple[str, ...]
