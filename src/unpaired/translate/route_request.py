"""Requests for a translation: a route through a model, and options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unpaired.config.model_description import ModelDescription
from unpaired.config.validation import validate
from unpaired.data.domain import Domain
from unpaired.errors import UsageError, suggest_name
from unpaired.labels import Labels
from unpaired.media import MEDIA, Medium
from unpaired.media.interface import TranslateOptions
from unpaired.routes import Route
from unpaired.translate.label_request import LabelRequest, parse_label_request
from unpaired.translate.network import TranslationNetwork


@dataclass(frozen=True)
class TranslationRequest:
    """A route of a model, with options and labels.

    `is_source_ambiguous`: no source was given although several lead to the target, or any item may be the source;
    `source` is the first of them.
    """

    route: Route
    source: Domain
    target: Domain
    options: TranslateOptions
    label_request: LabelRequest | None = None
    is_source_ambiguous: bool = False


def parse_options(medium: Medium, values: Mapping[str, Any]) -> TranslateOptions:
    """Validate options of a medium; raises UsageError for wrong values and for options of another medium."""
    for name in values:
        if name not in medium.translate_options_model.model_fields:
            other = next((m for m in MEDIA.values() if name in m.translate_options_model.model_fields), None)
            flag = f"--{name.replace('_', '-')}"
            if other is not None:
                raise UsageError(f"{flag}: for {other.files_noun} only, but this run translates {medium.files_noun}")
            known = {*medium.translate_options_model.model_fields, "labels"}
            raise UsageError(f"option '{name}': {suggest_name(name, known)}")
    return validate(medium.translate_options_model, values, "option")


def resolve_request(
    config: ModelDescription,
    network: TranslationNetwork,
    to: str | None = None,
    source: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> TranslationRequest:
    """Find the translation from `source` to domain `to`; either may be omitted if only one route matches.

    `options` are those of the run's medium, and `labels`: a table of the inputs' labels, for label-conditioned methods.
    Raises UsageError for an unknown domain (lists the known ones), for no matching route or several (lists them), and
    for wrong options.
    """
    values = dict(options or {})
    labels = values.pop("labels", None)
    parsed = parse_options(config.get_medium(), values)
    if network.labels is not None and to is not None:
        return _resolve_labelled_request(config, network, network.labels, to, source, labels, parsed)
    if labels is not None:
        raise UsageError(f"--labels: needs a label-conditioned method; this run's is {config.method}")
    if to is not None and set(to) & {"=", ","}:
        raise UsageError(
            f"--to {to}: {config.method} takes one domain; lists and amounts need a run of a label-conditioned method"
        )
    to_key, source_key = (None if name is None else config.find_key(name) for name in (to, source))
    matching_routes = [r for r in network.routes if to_key in (None, r.target) and source_key in (None, r.source)]
    is_any_source = network.takes_any_source and source is None and to is not None
    if is_any_source:
        matching_routes = matching_routes[:1]
    if len(matching_routes) != 1:
        listed_routes = matching_routes or network.routes
        route_text = ", ".join(config.format_route(r, " to ") for r in listed_routes)
        request_text = (f" from '{source}'" if source else "") + (f" to '{to}'" if to else "")
        if not matching_routes:
            raise UsageError(f"this run cannot translate{request_text}; it translates {route_text}")
        flags = "--from DOMAIN" if to else "--to DOMAIN" if source else "--to DOMAIN, and --from DOMAIN if necessary"
        raise UsageError(f"this run translates {route_text}; choose one with {flags}")
    return replace(_create_request(config, matching_routes[0], parsed), is_source_ambiguous=is_any_source)


def _resolve_labelled_request(
    config: ModelDescription,
    network: TranslationNetwork,
    labels: Labels,
    to: str,
    source: str | None,
    table: Path | None,
    options: TranslateOptions,
) -> TranslationRequest:
    """Resolve a request for labels such as `blond,glasses`; its route leads to the first of them."""
    label_request = parse_label_request(config, labels, to, source, table)
    first_name = to.split(",", maxsplit=1)[0].partition("=")[0].strip()
    routes = [r for r in network.routes if r.target == config.find_key(first_name)]
    route = next((r for r in routes if source is not None and r.source == config.find_key(source)), routes[0])
    return replace(
        _create_request(config, route, options),
        label_request=label_request,
        is_source_ambiguous=source is None and len(routes) > 1,
    )


def _create_request(config: ModelDescription, route: Route, options: TranslateOptions) -> TranslationRequest:
    return TranslationRequest(route, config.get_domain(route.source), config.get_domain(route.target), options)
