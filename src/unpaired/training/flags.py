"""Every setting as a typed flag of `unpaired train`, made from the models: a new setting needs no line here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic.fields import FieldInfo

from unpaired.errors import UsageError
from unpaired.methods import DEFAULT, METHODS
from unpaired.presets import PRESETS, sections
from unpaired.training.resolve import (
    RESUMABLE,
    SECTIONS,
    flag_type,
    method_settings_model,
    methods_with,
    read_settings,
)

MARK = "setting_"
ALONE = {
    "--teacher": "a comparison gives all methods the same data and budget, and a teacher has had some of both before; "
    "train a taught one by itself: unpaired train",
    "--auto-depth": "trains several runs with one method, which no other could be compared with; leave it out, or "
    "do it by itself: unpaired train",
}
"""Flags of `unpaired train` that a comparison refuses, and why."""
TITLES = {"data": "data", "voice": "recordings", "networks": "networks", "training": "training and device"}


def add(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Add the flags of all settings, with those of the method that `words` name (the default where they name none)."""
    parser.add_argument("--method", metavar="NAME", help=f"one of {', '.join(METHODS)} (default: {DEFAULT})")
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help=f"one of {', '.join(PRESETS)} (default: small on a CPU, else paper); the defaults below are of pictures",
    )
    method = _method(parser, words)
    add_sections(parser, METHODS[method].batch if method in METHODS else 1)
    if method in METHODS:
        group = parser.add_argument_group(
            f"the method: {method}",
            f"Its equations and settings are told in docs/methods/{method}.md.",
        )
        for name, info in method_settings_model(METHODS[method].cls).model_fields.items():
            _add(group, name, info, {preset: METHODS[method].cls.presets.get(preset, {}) for preset in PRESETS})


def _method(parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    first.add_argument("--method")
    first.add_argument("--config", type=Path)
    try:
        known, _ = first.parse_known_args(list(words))
    except argparse.ArgumentError as error:
        raise UsageError(f"{error}; see `{parser.prog} --help`") from error
    in_file = read_settings(known.config).get("method") if known.config else None
    return str(known.method or in_file or DEFAULT)


def of_others(flag: str, parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """What to say of a flag that the method named in `words` lacks and others have; empty where none has it."""
    others, method = methods_with(setting_of(flag)), _method(parser, words)
    if not others or method not in METHODS:
        return ""
    if any(word.partition("=")[0] == "--resume" for word in words):
        return kept_by_run(flag)
    own = ", ".join(map(_flag, method_settings_model(METHODS[method].cls).model_fields))
    return f"{flag} is a setting of {', '.join(others)}; {method} has: {own}"


def of_one(flag: str) -> str:
    """What to say of a flag that some methods have, where settings are for all; empty where none has it."""
    if flag in ALONE:
        return f"{flag}: {ALONE[flag]}"
    others = methods_with(setting_of(flag))
    if not others:
        return ""
    return f"{flag} is a setting of {', '.join(others)}; to give it: --set {others[0]}.{setting_of(flag)}=VALUE"


def setting_of(flag: str) -> str:
    """The setting that a flag would give, with or without `no-` before it."""
    return flag.removeprefix("--").removeprefix("no-").replace("-", "_")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def add_sections(parser: argparse.ArgumentParser, batch: int = 1) -> None:
    """Add the flags of the settings that every method has: data, networks and training; `batch` is the paper's."""
    known = {preset: sections(preset, batch=batch) for preset in PRESETS}
    for section, model in SECTIONS.items():
        group = parser.add_argument_group(TITLES[section])
        for name, info in model.model_fields.items():
            _add(group, name, info, {preset: values.get(section, {}) for preset, values in known.items()})


def _add(group: argparse._ArgumentGroup, name: str, info: FieldInfo, presets: Mapping[str, Mapping[str, Any]]) -> None:
    flag = _flag(name)
    shown = {preset: _shown(values.get(name, info.default)) for preset, values in presets.items()}
    same = len(set(shown.values())) == 1
    default = _shown(info.default) if same else ", ".join(f"{preset} {value}" for preset, value in shown.items())
    text = f"{info.description or ''} (default: {default})".strip().replace("%", "%%")
    if flag_type(info.annotation) == "switch":
        group.add_argument(
            flag, action=argparse.BooleanOptionalAction, dest=MARK + name, default=argparse.SUPPRESS, help=text
        )
    else:
        choices = [str(c) for c in get_args(info.annotation) if isinstance(c, str)]
        group.add_argument(
            flag, dest=MARK + name, default=argparse.SUPPRESS, metavar="|".join(choices) or "VALUE", help=text
        )


def _shown(default: Any) -> str:
    if default is None:
        return "unset"
    return ",".join(default) or "none" if isinstance(default, tuple) else str(default)


def given(asked: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, as keywords of `unpaired.train`; lists are split, `none` is None (or no item)."""
    sections = [*SECTIONS.values(), *(method_settings_model(row.cls) for row in METHODS.values())]
    fields = {name: info for model in sections for name, info in model.model_fields.items()}
    out: dict[str, Any] = {
        name: getattr(asked, name) for name in ("method", "preset") if getattr(asked, name) is not None
    }
    for key, value in vars(asked).items():
        if not key.startswith(MARK):
            continue
        name = key.removeprefix(MARK)
        out[name] = value_of(value, fields[name].annotation)
    return out


def value_of(text: Any, annotation: Any) -> Any:
    """What was written for a setting of this type: lists are split, `none` is None (or no item); the rest as it is."""
    is_list = flag_type(annotation) == "list"
    if text == "none" and "none" not in get_args(annotation):
        return () if is_list else None
    return tuple(text.split(",")) if is_list and text != "auto" else text


def only_for_resume(asked: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Refuse what a resumed run cannot take: its settings and data are its own."""
    alone = (asked.data, asked.out, asked.config, asked.pairs, asked.dry_run, asked.teacher, asked.auto_depth)
    if any(alone) or asked.threshold is not None:
        raise UsageError("--resume RUN takes the data, settings and folder of the run; give no others")
    wrong = sorted(settings.keys() - RESUMABLE)
    if wrong:
        raise UsageError(kept_by_run(_flag(wrong[0])))


def kept_by_run(flag: str) -> str:
    """Why a flag is not given to a run that is resumed."""
    return f"{flag}: a resumed run keeps its own; only a budget and the intervals may change"
