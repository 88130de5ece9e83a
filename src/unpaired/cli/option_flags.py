"""Command-line flags generated from the fields of a settings model. Imports no torch."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from unpaired.config.settings import Preset
from unpaired.config.value_text import format_value, get_value_form, parse_value

DEST_PREFIX = "setting_"
COMMON_SETTINGS = ("size", "steps", "minutes", "seed", "device")
"""Settings that `--help` shows; `--help-all` shows all."""


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
    if get_value_form(info.annotation) == "switch":
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


def parse_options(namespace: argparse.Namespace, fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    """Return the values on the command line of the settings in `fields`."""
    return {
        name: parse_value(value, fields[name].annotation)
        for key, value in vars(namespace).items()
        if key.startswith(DEST_PREFIX) and (name := key.removeprefix(DEST_PREFIX)) in fields
    }
