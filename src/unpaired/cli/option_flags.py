"""Command-line flags generated from the fields of a settings model. Imports no torch."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from unpaired.config.settings import Preset

DEST_PREFIX = "setting_"
COMMON_SETTINGS = ("size", "steps", "minutes", "seed", "device")
"""Settings that `--help` shows; `--help-all` shows all."""


def get_flag_type(annotation: Any) -> Literal["switch", "list", "value"]:
    """Return the form of the command-line flag of a setting: a switch, or one with a list or a single value."""
    if annotation is bool:
        return "switch"
    return "list" if get_origin(annotation) is tuple or "tuple" in str(annotation) else "value"


def format_flag(name: str) -> str:
    """Return the flag of a setting."""
    return f"--{name.replace('_', '-')}"


def add_option_flags(parser: argparse.ArgumentParser, models: Sequence[type[BaseModel]]) -> None:
    """Add a flag for each option of several media, without duplicates."""
    for model in models:
        add_flags(parser, model, {}, is_shown=True)


def add_flags(
    group: argparse._ActionsContainer,
    model: type[BaseModel],
    presets: Mapping[Preset, Mapping[str, Any]],
    is_shown: bool,
) -> None:
    """Add the missing flags of a model; flags that help does not show are accepted too."""
    for name, info in model.model_fields.items():
        if format_flag(name) not in group._option_string_actions:
            _add_flag(group, name, info, presets, is_shown or name in COMMON_SETTINGS)


def _add_flag(
    group: argparse._ActionsContainer,
    name: str,
    info: FieldInfo,
    presets: Mapping[Preset, Mapping[str, Any]],
    is_shown: bool,
) -> None:
    text = format_setting_help(name, info, presets).replace("%", "%%") if is_shown else argparse.SUPPRESS
    options: dict[str, Any] = {"dest": DEST_PREFIX + name, "default": argparse.SUPPRESS, "help": text}
    if get_flag_type(info.annotation) == "switch":
        group.add_argument(format_flag(name), action=argparse.BooleanOptionalAction, **options)
    else:
        choices = [str(c) for c in get_args(info.annotation) if isinstance(c, str)]
        group.add_argument(format_flag(name), metavar="|".join(choices) or "VALUE", **options)


def format_setting_help(name: str, info: FieldInfo, presets: Mapping[Preset, Mapping[str, Any]]) -> str:
    """Return a setting's help text with its default, by preset where the presets differ."""
    return f"{info.description or ''} (default: {format_preset_defaults(name, info, presets)})".strip()


def format_preset_defaults(name: str, info: FieldInfo, presets: Mapping[Preset, Mapping[str, Any]]) -> str:
    """Return a setting's default, by preset where the presets differ."""
    defaults = {preset: format_value(values.get(name, info.default)) for preset, values in presets.items()}
    if len(set(defaults.values())) <= 1:
        return next(iter(defaults.values()), format_value(info.default))
    return ", ".join(f"{preset} {value}" for preset, value in defaults.items())


def format_value(value: Any) -> str:
    """Format a setting's value as on a command line."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def parse_options(namespace: argparse.Namespace, fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Return the values on the command line of the settings in `fields`."""
    return {
        name: parse_value(value, fields[name].annotation)
        for key, value in vars(namespace).items()
        if key.startswith(DEST_PREFIX) and (name := key.removeprefix(DEST_PREFIX)) in fields
    }


def parse_value(text: Any, annotation: Any) -> Any:
    """Parse a value for a setting of this type: lists are split, `none` is None (or an empty list)."""
    is_list, is_optional = get_flag_type(annotation) == "list", type(None) in get_args(annotation)
    if text == "none" and "none" not in get_args(annotation) and (is_list or is_optional):
        return None if is_optional else ()
    return tuple(text.split(",")) if is_list and text != "auto" else text
