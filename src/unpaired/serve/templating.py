"""Pages of the server itself: login and documentation of the API, without scripts."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape


@cache
def _environment() -> Environment:
    loader = PackageLoader("unpaired.serve")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["mark_code"] = mark_code
    return environment


def mark_code(text: str) -> Markup:
    """Return a text as HTML with the parts between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def render_page(name: str, **values: Any) -> str:
    """Render the template `name`."""
    return _environment().get_template(f"{name}.html.j2").render(**values)
