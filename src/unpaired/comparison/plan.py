"""What is compared: the methods that fit the data, and their settings, all valid before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unpaired.errors import UnpairedError, UsageError, nearest
from unpaired.labels import Labels
from unpaired.media.suffixes import KINDS
from unpaired.methods import METHODS
from unpaired.runs.config import build_method
from unpaired.settings import DataSettings, Medium, NetworkSettings
from unpaired.training.collect import Found, find
from unpaired.training.flags import ALONE, value_of
from unpaired.training.prepare import Prepared, choose_device, default_preset, prepare, too_few
from unpaired.training.resolve import (
    SECTIONS,
    Asked,
    Settings,
    method_settings_model,
    read_settings,
    resolve,
    unknown,
)

ALL = "all"
SHARED = frozenset({*DataSettings.model_fields, "seed", "steps", "minutes"})
"""Settings that no method may have for itself: what is compared would not be alike."""
Each = Mapping[str, Mapping[str, Any]]
"""Per method, the settings that are its alone."""


@dataclass(frozen=True)
class Entry:
    """A method's part: its settings as `train` takes them, and as they were resolved."""

    given: dict[str, Any]
    settings: Settings

    @property
    def record(self) -> dict[str, Any]:
        """The resolved settings as plain values, to be kept and compared with."""
        settings = self.settings
        sections = {name: getattr(settings, name).model_dump(mode="json") for name in SECTIONS}
        kept = {"preset": settings.preset, "method_settings": settings.method_settings, **sections}
        plain: dict[str, Any] = json.loads(json.dumps(kept))
        return plain


@dataclass(frozen=True)
class Plan:
    """What is to be done; `left_out` says why of the methods that were not named and do not fit."""

    entries: dict[str, Entry]
    left_out: dict[str, str]
    prepared: Prepared


def make_plan(sources: Sequence[Path], methods: str | Sequence[str], asked: Asked, each: Each, pairs: bool) -> Plan:
    """Choose the methods, validate every setting and look into the data once.

    Raises UsageError for unknown methods and settings, for named methods that do not fit the data, and for pairs that
    are not there; WorkError for unusable data.
    """
    named = chosen(methods)
    general_only(asked)
    found, left_out = fitting(sources, named or [*METHODS], asked)
    refuse_named(named, left_out)
    for name in each:
        if name not in found:
            raise UsageError(f"--set {name}: {'not compared here' if name in METHODS else nearest(name, found)}")
    first = next(iter(found))
    device = torch.device(choose_device(Asked(first, asked.preset, asked.settings, asked.file)))
    entries = {}
    for name in found:
        given = {**asked.settings, **own(name, each.get(name, {}))}
        wanted = Asked(name, asked.preset, given, asked.file)
        entries[name] = Entry(given, resolve(wanted, default_preset(device), medium_of(found)))
    one_device(entries[first].settings)
    able = next((name for name, entry in entries.items() if not too_few(entry.settings)), first)
    all_alike = Asked(able, asked.preset, asked.settings, asked.file)
    prepared = prepare([*sources], all_alike, pairs, device, 1, lambda _: None)
    unbuilt = {n: why for n, e in entries.items() if (why := unbuildable(prepared, e, found[n].labels))}
    refuse_named(named, unbuilt)
    if len(unbuilt) == len(entries):
        raise UsageError(unbuilt[first])
    return Plan({n: e for n, e in entries.items() if n not in unbuilt}, left_out | unbuilt, prepared)


def chosen(methods: str | Sequence[str]) -> list[str]:
    """The methods that were named, each once; none where all are meant. Raises UsageError for unknown ones."""
    words = methods.split(",") if isinstance(methods, str) else list(methods)
    names = list(dict.fromkeys(word.strip() for word in words if word.strip()))
    for name in names:
        if name not in METHODS and name != ALL:
            raise UsageError(f"method '{name}': {nearest(name, [*METHODS, ALL])}")
    if not names:
        raise UsageError(f"no method named; expected {ALL}, or some of {', '.join(METHODS)}")
    return [] if ALL in names else names


def medium_of(found: Mapping[str, Found]) -> Medium:
    """What the data are."""
    return next(iter(found.values())).files[0].medium


def of_other_medium(name: str, medium: Medium) -> str:
    """Why a method cannot learn from files of this medium; empty where it can."""
    row = METHODS[name]
    return "" if medium in row.media else f"{name} does not learn from {KINDS[medium][0]}: {row.why_not}"


def fitting(sources: Sequence[Path], names: Sequence[str], asked: Asked) -> tuple[dict[str, Found], dict[str, str]]:
    """What each method that takes these data makes of them, and why not of the others.

    Raises UsageError where none takes them, and for other wrong paths and settings.
    """
    found: dict[str, Found] = {}
    left_out: dict[str, str] = {}
    trouble: UsageError | None = None
    for name in names:
        attributes = resolve(Asked(name, asked.preset, asked.settings, asked.file), "small").data.attributes
        try:
            found[name] = find(sources, name, attributes)
        except UsageError as error:
            trouble = trouble or error
            left_out[name] = str(error)
    if not found:
        raise trouble or UsageError("no method was named")
    other = {name: why for name in names if (why := of_other_medium(name, medium_of(found)))}
    if found.keys() <= other.keys():
        raise UsageError(next(iter(other.values())))
    return {name: one for name, one in found.items() if name not in other}, left_out | other


def refuse_named(named: Sequence[str], unfit: Mapping[str, str]) -> None:
    """Methods that were asked for by name must fit; raises UsageError that says why one does not."""
    wrong = next((name for name in named if name in unfit), None)
    if wrong is not None:
        raise UsageError(unfit[wrong])


def general_only(asked: Asked) -> None:
    """A file of settings holds those of all methods; raises UsageError for a method's own."""
    found = read_settings(asked.file).keys() & {"method", "method_settings"} if asked.file else set()
    if found:
        raise UsageError(
            f"{asked.file}: '{min(found)}' belongs to one method; a comparison takes what is for all "
            f"({', '.join(['preset', *SECTIONS])}), and --set METHOD.NAME=VALUE for one"
        )


def own(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """One method's own settings; raises UsageError for those that must be equal for all."""
    if wrong := SHARED & settings.keys():
        raise UsageError(f"--set {name}.{min(wrong)}: must be equal for all methods; give it as a flag of its own")
    return dict(settings)


def one_device(settings: Settings) -> None:
    """Refuse several ranks: they are started once for a command, not once for each method."""
    if settings.training.devices * settings.training.nodes > 1:
        raise UsageError("a comparison trains on one device; for several, `unpaired train` each method by itself")


def unbuildable(prepared: Prepared, entry: Entry, labels: Labels | None) -> str:
    """Why a method's networks cannot be made for these data; empty where they can."""
    settings, config = entry.settings, prepared.config
    if why := too_few(settings):
        return why
    known = {name: getattr(settings.networks, name) for name in entry.given if name in NetworkSettings.model_fields}
    decided = {name: value for name, value in known.items() if value != "auto"}
    changes = {
        "method": settings.method,
        "method_settings": settings.method_settings,
        "labels": labels,
        "networks": config.networks.model_copy(update=decided),
    }
    try:
        with torch.random.fork_rng(devices=[]):
            build_method(config.model_copy(update=changes))
    except UnpairedError as error:
        return str(error)
    return ""


def parse_each(words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`METHOD.NAME=VALUE` words as settings per method; raises UsageError for other forms and unknown names."""
    out: dict[str, dict[str, Any]] = {}
    for word in words:
        place, equals, text = word.partition("=")
        method, dot, name = place.partition(".")
        if not (equals and dot and name):
            raise UsageError(f"--set {word}: expected METHOD.NAME=VALUE, as in --set {next(iter(METHODS))}.rate=0.0001")
        if method not in METHODS:
            raise UsageError(f"--set {word}: method '{method}': {nearest(method, METHODS)}")
        models = (*SECTIONS.values(), method_settings_model(METHODS[method].cls))
        fields = {key: info for model in models for key, info in model.model_fields.items()}
        name = name.replace("-", "_")
        if (flag := f"--{name.replace('_', '-')}") in ALONE:
            raise UsageError(f"--set {word}: {ALONE[flag]}")
        if name not in fields:
            raise UsageError(f"--set {word}: {unknown(name, method, fields)}")
        out.setdefault(method, {})[name] = value_of(text, fields[name].annotation)
    return out
