"""Pages of the server itself: login and documentation of the API, without scripts."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    loader = PackageLoader("unpaired.serve")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def render_page(name: str, **values: Any) -> str:
    """Render the template `name`."""
    return _environment().get_template(f"{name}.html.j2").render(**values)
