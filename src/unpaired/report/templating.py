"""HTML templates of reports and comparisons (`report/templates/`), with automatic escaping."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from unpaired.report.charts import render_swatch
from unpaired.report.style import STYLE

CONTENT_SECURITY_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
"""Content security policy of the pages: no external resources and no scripts."""


def render(template: str, **context: Any) -> Markup:
    """Render the template `report/templates/{template}.html.j2`."""
    return Markup(_create_environment().get_template(f"{template}.html.j2").render(**context))


def format_route(route: str) -> str:
    """Format a route for a page, with an arrow character."""
    return route.replace(" -> ", " → ")


def format_setting(value: Any) -> str:
    """Format the value of a setting for a page."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)


@cache
def _create_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("unpaired", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "route": format_route,
        "setting": format_setting,
        "command": _format_command,
        "number": _format_count,
    }
    environment.filters.update(filters)
    environment.globals.update(
        base_style=Markup(STYLE),
        content_security_policy=CONTENT_SECURITY_POLICY,
        swatch=render_swatch,
    )
    return environment


def _format_command(words: Sequence[str]) -> str:
    return shlex.join(words)


def _format_count(count: int) -> str:
    return f"{count:,}"
