"""Every setting as a typed flag of `unpaired train`, made from the models: a new setting needs no line here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from unpaired.config.presets import PRESETS, get_preset_sections
from unpaired.config.resolve import (
    RESUMABLE_SETTINGS,
    SECTIONS,
    build_method_settings_model,
    find_methods_with,
    get_flag_type,
    read_settings,
)
from unpaired.errors import UsageError
from unpaired.methods import DEFAULT_METHOD, METHODS

DEST_PREFIX = "setting_"
FLAGS_REFUSED_BY_COMPARE = {
    "--teacher": "a comparison gives all methods the same data and budget, and a teacher has had some of both before; "
    "train a taught one by itself: unpaired train",
    "--auto-depth": "trains several runs with one method, which no other could be compared with; leave it out, or "
    "do it by itself: unpaired train",
}
"""Flags of `unpaired train` that a comparison refuses, and why."""
SECTION_TITLES = {"data": "data", "voice": "recordings", "networks": "networks", "training": "training and device"}


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the flags of all settings, with those of the method that `words` name (the default where they name none)."""
    parser.add_argument("--method", metavar="NAME", help=f"one of {', '.join(METHODS)} (default: {DEFAULT_METHOD})")
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"one of {', '.join(PRESETS)} (default: small on a CPU, else paper); the defaults below are of pictures",
    )
    method = _find_method(parser, argv)
    add_section_flags(parser, METHODS[method].paper_batch_size if method in METHODS else 1)
    if method in METHODS:
        group = parser.add_argument_group(
            f"the method: {method}",
            f"Its equations and settings are told in docs/methods/{method}.md.",
        )
        for name, info in build_method_settings_model(METHODS[method].cls).model_fields.items():
            _add_flag(group, name, info, {preset: METHODS[method].cls.presets.get(preset, {}) for preset in PRESETS})


def _find_method(parser: argparse.ArgumentParser, argv: Sequence[str]) -> str:
    method_parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    method_parser.add_argument("--method")
    method_parser.add_argument("--config", type=Path)
    try:
        namespace, _ = method_parser.parse_known_args(list(argv))
    except argparse.ArgumentError as error:
        raise UsageError(f"{error}; see `{parser.prog} --help`") from error
    file_method = read_settings(namespace.config).get("method") if namespace.config else None
    return str(namespace.method or file_method or DEFAULT_METHOD)


def explain_other_methods_flag(flag: str, parser: argparse.ArgumentParser, argv: Sequence[str]) -> str:
    """What to say of a flag that the method named in `words` lacks and others have; empty where none has it."""
    owners, method = find_methods_with(parse_setting_name(flag)), _find_method(parser, argv)
    if not owners or method not in METHODS:
        return ""
    if any(argument.partition("=")[0] == "--resume" for argument in argv):
        return explain_resume_flag(flag)
    own_flags = ", ".join(map(_format_flag, build_method_settings_model(METHODS[method].cls).model_fields))
    return f"{flag} is a setting of {', '.join(owners)}; {method} has: {own_flags}"


def explain_compare_flag(flag: str) -> str:
    """What to say of a flag that some methods have, where settings are for all; empty where none has it."""
    if flag in FLAGS_REFUSED_BY_COMPARE:
        return f"{flag}: {FLAGS_REFUSED_BY_COMPARE[flag]}"
    owners = find_methods_with(parse_setting_name(flag))
    if not owners:
        return ""
    return f"{flag} is a setting of {', '.join(owners)}; to give it: --set {owners[0]}.{parse_setting_name(flag)}=VALUE"


def parse_setting_name(flag: str) -> str:
    """The setting that a flag would give, with or without `no-` before it."""
    return flag.removeprefix("--").removeprefix("no-").replace("-", "_")


def _format_flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def add_section_flags(parser: argparse.ArgumentParser, batch: int = 1) -> None:
    """Add the flags of the settings that every method has: data, networks and training; `batch` is the paper's."""
    preset_values = {preset: get_preset_sections(preset, batch_size=batch) for preset in PRESETS}
    for section, model in SECTIONS.items():
        group = parser.add_argument_group(SECTION_TITLES[section])
        for name, info in model.model_fields.items():
            _add_flag(group, name, info, {preset: values.get(section, {}) for preset, values in preset_values.items()})


def _add_flag(
    group: argparse._ArgumentGroup, name: str, info: FieldInfo, presets: Mapping[str, Mapping[str, Any]]
) -> None:
    flag = _format_flag(name)
    defaults = {preset: _format_default(values.get(name, info.default)) for preset, values in presets.items()}
    is_same = len(set(defaults.values())) == 1
    default = (
        _format_default(info.default)
        if is_same
        else ", ".join(f"{preset} {value}" for preset, value in defaults.items())
    )
    text = f"{info.description or ''} (default: {default})".strip().replace("%", "%%")
    if get_flag_type(info.annotation) == "switch":
        group.add_argument(
            flag, action=argparse.BooleanOptionalAction, dest=DEST_PREFIX + name, default=argparse.SUPPRESS, help=text
        )
    else:
        choices = [str(c) for c in get_args(info.annotation) if isinstance(c, str)]
        group.add_argument(
            flag, dest=DEST_PREFIX + name, default=argparse.SUPPRESS, metavar="|".join(choices) or "VALUE", help=text
        )


def _format_default(default: Any) -> str:
    if default is None:
        return "unset"
    return ",".join(default) or "none" if isinstance(default, tuple) else str(default)


def parse_settings(namespace: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, as keywords of `unpaired.train`; lists are split, `none` is None (or no item)."""
    models = [*SECTIONS.values(), *(build_method_settings_model(row.cls) for row in METHODS.values())]
    fields = {name: info for model in models for name, info in model.model_fields.items()}
    settings: dict[str, Any] = {
        name: getattr(namespace, name) for name in ("method", "preset") if getattr(namespace, name) is not None
    }
    for key, value in vars(namespace).items():
        if not key.startswith(DEST_PREFIX):
            continue
        name = key.removeprefix(DEST_PREFIX)
        settings[name] = parse_value(value, fields[name].annotation)
    return settings


def parse_value(text: Any, annotation: Any) -> Any:
    """What was written for a setting of this type: lists are split, `none` is None (or no item); the rest as it is."""
    is_list = get_flag_type(annotation) == "list"
    if text == "none" and "none" not in get_args(annotation):
        return () if is_list else None
    return tuple(text.split(",")) if is_list and text != "auto" else text


def refuse_settings_of_run(namespace: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Refuse what a resumed run cannot take: its settings and data are its own."""
    refused_values = (
        namespace.data,
        namespace.out,
        namespace.config,
        namespace.pairs,
        namespace.dry_run,
        namespace.teacher,
        namespace.auto_depth,
    )
    if any(refused_values) or namespace.threshold is not None:
        raise UsageError("--resume RUN takes the data, settings and folder of the run; give no others")
    refused_settings = sorted(settings.keys() - RESUMABLE_SETTINGS)
    if refused_settings:
        raise UsageError(explain_resume_flag(_format_flag(refused_settings[0])))


def explain_resume_flag(flag: str) -> str:
    """Why a flag is not given to a run that is resumed."""
    return f"{flag}: a resumed run keeps its own; only a budget and the intervals may change"
