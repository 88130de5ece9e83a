"""Values of settings as text, as on a command line. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin


def get_value_form(annotation: Any) -> Literal["switch", "list", "value"]:
    """Return the form of a setting's values as text: true or false ("switch"), a list, or a single value."""
    if annotation is bool:
        return "switch"
    return "list" if get_origin(annotation) is tuple or "tuple" in str(annotation) else "value"


def format_value(value: Any) -> str:
    """Format a setting's value as on a command line."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def parse_value(text: Any, annotation: Any) -> Any:
    """Parse a value for a setting of this type: lists are split, `none` is None (or an empty list)."""
    is_list, is_optional = get_value_form(annotation) == "list", type(None) in get_args(annotation)
    if text == "none" and "none" not in get_args(annotation) and (is_list or is_optional):
        return None if is_optional else ()
    return tuple(text.split(",")) if is_list and text != "auto" else text
