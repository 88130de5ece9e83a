"""From where to where, and how: what a translation is asked to do, and what that means for one model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from unpaired.config.run_config import RunConfig
from unpaired.data.domain import Domain
from unpaired.errors import UsageError
from unpaired.methods import METHODS
from unpaired.methods.base import Method, Route
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.translate.label_request import LabelRequest, parse_label_request

ColorMode = Literal["target", "input"]
Scale = Literal["trained", "native"]
ValueRange = tuple[float, float]


@dataclass(frozen=True)
class Options:
    """How items are translated: all but `labels` is of pictures alone.

    `mode` "target" gives the target's colour (a gray photo becomes a coloured painting), "input" keeps the input's:
    gray stays gray (palettes become RGB in both). `scale` "trained" shows the networks pictures framed as in training,
    "native" at their own scale. `source_range` and `target_range` are the raw values that stand for -1 and 1, instead
    of those that training measured. `labels` is a table of what the inputs' labels are, for methods that are told them.
    Raises UsageError for other values.
    """

    mode: ColorMode = "target"
    scale: Scale = "trained"
    source_range: ValueRange | None = None
    target_range: ValueRange | None = None
    labels: Path | None = None

    def __post_init__(self) -> None:
        for name, value, choices in (("mode", self.mode, get_args(ColorMode)), ("scale", self.scale, get_args(Scale))):
            if value not in choices:
                raise UsageError(f"{name} '{value}'; expected {' or '.join(choices)}")
        for name, value_range in (("source", self.source_range), ("target", self.target_range)):
            if value_range is not None and not (np.isfinite(value_range).all() and value_range[0] < value_range[1]):
                raise UsageError(
                    f"{name} range {value_range[0]:g},{value_range[1]:g}; expected two numbers, the lower first"
                )

    @property
    def image_only_flags(self) -> tuple[str, ...]:
        """The flags of those that were set and mean something for pictures alone."""
        names = ("mode", "scale", "source_range", "target_range")
        return tuple(f"--{n.replace('_', '-')}" for n in names if getattr(self, n) != getattr(Options, n))


@dataclass(frozen=True)
class TranslationRequest:
    """A route of a model, with what was asked beside it.

    `guessed` says that the source was not named where several lead to the target: then `source` is the first of them.
    """

    route: Route
    source: Domain
    target: Domain
    options: Options
    label_request: LabelRequest | None = None
    is_source_ambiguous: bool = False


def resolve_request(
    config: RunConfig, method: Method, to: str | None = None, source: str | None = None, options: Options | None = None
) -> TranslationRequest:
    """The one translation to domain `to`, from `source`; what is left out must follow from the other or the routes.

    Raises UsageError for an unknown domain (lists the known) and where there is no such route or several (lists them).
    """
    options = options or Options()
    if isinstance(method, LabelConditionedMethod) and to is not None:
        return _resolve_labelled_request(config, method, to, source, options)
    if options.labels is not None:
        raise UsageError("--labels: this run's method is not told by labels")
    if to is not None and set(to) & {"=", ","}:
        label_methods = ", ".join(name for name, row in METHODS.items() if issubclass(row.cls, LabelConditionedMethod))
        raise UsageError(f"--to {to}: {config.method} is not told labels, and so makes one domain; {label_methods} are")
    to_key, source_key = (None if name is None else config.find_key(name) for name in (to, source))
    matching_routes = [r for r in method.routes if to_key in (None, r.target) and source_key in (None, r.source)]
    if len(matching_routes) != 1:
        listed_routes = matching_routes or method.routes
        route_text = ", ".join(config.format_route(r, " to ") for r in listed_routes)
        request_text = (f" from '{source}'" if source else "") + (f" to '{to}'" if to else "")
        if not matching_routes:
            raise UsageError(f"this run cannot translate{request_text}; it translates {route_text}")
        flags = "--from DOMAIN" if to else "--to DOMAIN" if source else "--to DOMAIN, and --from DOMAIN if need be"
        raise UsageError(f"this run translates {route_text}; say which: {flags}")
    return _create_request(config, matching_routes[0], options)


def _resolve_labelled_request(
    config: RunConfig, method: LabelConditionedMethod, to: str, source: str | None, options: Options
) -> TranslationRequest:
    """The way to all that `to` asks for; its route is one to the first domain of it."""
    label_request = parse_label_request(config, method.labels, to, source, options.labels)
    first_name = to.split(",", maxsplit=1)[0].partition("=")[0].strip()
    routes = [r for r in method.routes if r.target == config.find_key(first_name)]
    route = next((r for r in routes if source is not None and r.source == config.find_key(source)), routes[0])
    return replace(
        _create_request(config, route, options),
        label_request=label_request,
        is_source_ambiguous=source is None and len(routes) > 1,
    )


def _create_request(config: RunConfig, route: Route, options: Options) -> TranslationRequest:
    return TranslationRequest(route, config.get_domain(route.source), config.get_domain(route.target), options)
