"""From where to where, and how: what a translation is asked to do, and what that means for one model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from unpaired.data.domain import Domain
from unpaired.errors import UsageError
from unpaired.media.image import Picture
from unpaired.methods.game import Labelled, Method, Route
from unpaired.runs.config import RunConfig
from unpaired.translate.kinds import TOP
from unpaired.translate.wish import Wish, wished

Mode = Literal["target", "input"]
Scale = Literal["trained", "native"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Options:
    """How pictures are translated.

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


@dataclass(frozen=True)
class Way:
    """A route of a model with the options resolved.

    Networks see pictures with their shorter side `size`, without `shrink` only enlarged to it; None: as they are.
    """

    route: Route
    source: Domain
    target: Domain
    colored: bool
    size: int | None
    shrink: bool
    options: Options
    wish: Wish | None = None

    def color(self, holds: bool) -> bool:
        """Whether the result has colour, for an input whose mode `holds` colour or not."""
        return holds if self.options.mode == "input" else self.colored

    def source_range(self, picture: Picture) -> Range:
        """The raw values of `picture` that become -1 and 1; raises UsageError where they cannot be known."""
        span = range_of(self.options.source_range, self.source, picture.bits)
        if self.options.source_range is None and picture.bits == 32 != self.source.bits:
            known = picture.pixels[np.isfinite(picture.pixels)]
            if known.size and (known.min() < 0 or known.max() > 1):
                raise UsageError(
                    f"its values go from {known.min():g} to {known.max():g}, but '{self.source.name}' was learned from "
                    f"{self.source.bits}-bit pictures; expected 0 to 1, or the values of black and white "
                    "(--source-range LOW,HIGH)"
                )
        return span

    def target_range(self, bits: int) -> Range:
        """The raw values that -1 and 1 become in a result of `bits`."""
        return range_of(self.options.target_range, self.target, bits)


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
    to_key, source_key = (None if name is None else config.key(name) for name in (to, source))
    fitting = [r for r in method.routes if to_key in (None, r.target) and source_key in (None, r.source)]
    if len(fitting) != 1:
        listed = ", ".join(f"{config.domain(r.source).name} to {config.domain(r.target).name}" for r in method.routes)
        asked = (f" from '{source}'" if source else "") + (f" to '{to}'" if to else "")
        if not fitting:
            raise UsageError(f"this run cannot translate{asked}; it translates {listed}")
        raise UsageError(
            f"this run translates {listed}; say which: --to DOMAIN, and --from DOMAIN where that is not enough"
        )
    return _way(config, fitting[0], options)


def _labelled_way(config: RunConfig, method: Labelled, to: str, source: str | None, options: Options) -> Way:
    """The way to all that `to` asks for; its route is one to the first domain of it."""
    wish = wished(config, method.labels, to, source, options.labels)
    first = to.split(",", maxsplit=1)[0].partition("=")[0].strip()
    routes = [r for r in method.routes if r.target == config.key(first)]
    chosen = next((r for r in routes if source is not None and r.source == config.key(source)), routes[0])
    return replace(_way(config, chosen, options), wish=wish)


def _way(config: RunConfig, route: Route, options: Options) -> Way:
    target = config.domain(route.target)
    size = config.data.size if options.scale == "trained" else None
    shrink = config.data.framing == "scale"
    colored = target.color and config.channels == 3
    return Way(route, config.domain(route.source), target, colored, size, shrink, options)


def range_of(given: Range | None, domain: Domain, bits: int) -> Range:
    """The override; else the domain's own range where the bits are its own; else all of the bits' range."""
    if given is not None:
        return given
    return (domain.low, domain.high) if bits == domain.bits else (0.0, TOP[bits])
