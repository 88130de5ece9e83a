"""From where to where, and how: what a translation is asked to do, and what that means for one model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from unpaired.data.domain import Domain
from unpaired.errors import UsageError
from unpaired.methods import METHODS
from unpaired.methods.game import Method, Route
from unpaired.methods.kinds import Labelled
from unpaired.runs.config import RunConfig
from unpaired.translate.wish import Wish, wished

Mode = Literal["target", "input"]
Scale = Literal["trained", "native"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Options:
    """How items are translated: all but `labels` is of pictures alone.

    `mode` "target" gives the target's colour (a gray photo becomes a coloured painting), "input" keeps the input's:
    gray stays gray (palettes become RGB in both). `scale` "trained" shows the networks pictures framed as in training,
    "native" at their own scale. `source_range` and `target_range` are the raw values that stand for -1 and 1, instead
    of those that training measured. `labels` is a table of what the inputs' labels are, for methods that are told them.
    Raises UsageError for other values.
    """

    mode: Mode = "target"
    scale: Scale = "trained"
    source_range: Range | None = None
    target_range: Range | None = None
    labels: Path | None = None

    def __post_init__(self) -> None:
        for name, given, known in (("mode", self.mode, get_args(Mode)), ("scale", self.scale, get_args(Scale))):
            if given not in known:
                raise UsageError(f"{name} '{given}'; expected {' or '.join(known)}")
        for name, span in (("source", self.source_range), ("target", self.target_range)):
            if span is not None and not (np.isfinite(span).all() and span[0] < span[1]):
                raise UsageError(f"{name} range {span[0]:g},{span[1]:g}; expected two numbers, the lower first")

    @property
    def of_pictures(self) -> tuple[str, ...]:
        """The flags of those that were set and mean something for pictures alone."""
        names = ("mode", "scale", "source_range", "target_range")
        return tuple(f"--{n.replace('_', '-')}" for n in names if getattr(self, n) != getattr(Options, n))


@dataclass(frozen=True)
class Way:
    """A route of a model, with what was asked beside it.

    `guessed` says that the source was not named where several lead to the target: then `source` is the first of them.
    """

    route: Route
    source: Domain
    target: Domain
    options: Options
    wish: Wish | None = None
    guessed: bool = False


def find_way(
    config: RunConfig, method: Method, to: str | None = None, source: str | None = None, options: Options | None = None
) -> Way:
    """The one translation to domain `to`, from `source`; what is left out must follow from the other or the routes.

    Raises UsageError for an unknown domain (lists the known) and where there is no such route or several (lists them).
    """
    options = options or Options()
    if isinstance(method, Labelled) and to is not None:
        return _labelled_way(config, method, to, source, options)
    if options.labels is not None:
        raise UsageError("--labels: this run's method is not told by labels")
    if to is not None and set(to) & {"=", ","}:
        told = ", ".join(name for name, row in METHODS.items() if issubclass(row.cls, Labelled))
        raise UsageError(f"--to {to}: {config.method} is not told labels, and so makes one domain; {told} are")
    to_key, source_key = (None if name is None else config.key(name) for name in (to, source))
    fitting = [r for r in method.routes if to_key in (None, r.target) and source_key in (None, r.source)]
    if len(fitting) != 1:
        offered = fitting or method.routes
        listed = ", ".join(config.words(r, " to ") for r in offered)
        asked = (f" from '{source}'" if source else "") + (f" to '{to}'" if to else "")
        if not fitting:
            raise UsageError(f"this run cannot translate{asked}; it translates {listed}")
        flags = "--from DOMAIN" if to else "--to DOMAIN" if source else "--to DOMAIN, and --from DOMAIN if need be"
        raise UsageError(f"this run translates {listed}; say which: {flags}")
    return _way(config, fitting[0], options)


def _labelled_way(config: RunConfig, method: Labelled, to: str, source: str | None, options: Options) -> Way:
    """The way to all that `to` asks for; its route is one to the first domain of it."""
    wish = wished(config, method.labels, to, source, options.labels)
    first = to.split(",", maxsplit=1)[0].partition("=")[0].strip()
    routes = [r for r in method.routes if r.target == config.key(first)]
    chosen = next((r for r in routes if source is not None and r.source == config.key(source)), routes[0])
    return replace(_way(config, chosen, options), wish=wish, guessed=source is None and len(routes) > 1)


def _way(config: RunConfig, route: Route, options: Options) -> Way:
    return Way(route, config.domain(route.source), config.domain(route.target), options)
