"""From what a user asked for to complete settings: flag over file over preset over the method's own defaults."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import yaml
from pydantic import BaseModel, Field, ValidationError, create_model

from unpaired.errors import UsageError, nearest
from unpaired.media.suffixes import KINDS
from unpaired.methods import DEFAULT, METHODS
from unpaired.methods.game import Method
from unpaired.presets import Preset, sections
from unpaired.settings import (
    OF_IMAGES,
    DataSettings,
    Medium,
    NetworkSettings,
    Section,
    TrainingSettings,
    VoiceSettings,
)

SECTIONS: dict[str, type[Section]] = {
    "data": DataSettings,
    "voice": VoiceSettings,
    "networks": NetworkSettings,
    "training": TrainingSettings,
}
NUMBERS = (int, float, int | None, float | None)
T = TypeVar("T", bound=BaseModel)
RESOLVED_KEYS = {
    *("format", "unpaired", "domains", "sources", "labels", "channels", "pairs", "imported", "teacher", "pretrained")
}
"""Keys of a run's config.yaml that say what was found; they are passed over when it is given as settings."""
RESUMABLE = {"steps", "minutes", "checkpoint_every", "evaluate_every", "sample_every"}
"""What may change when a run is resumed; everything else is the run's own."""


@dataclass(frozen=True)
class Asked:
    """What a user asked for: settings as flags or keywords (flat names), and a file of settings."""

    method: str | None = None
    preset: Preset | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None


@dataclass(frozen=True)
class Settings:
    """Valid settings, in which "auto" may still stand where the data or the device decide."""

    method: str
    preset: Preset
    method_settings: dict[str, Any]
    data: DataSettings
    voice: VoiceSettings
    networks: NetworkSettings
    training: TrainingSettings


def method_settings_model(cls: type[Method]) -> type[Section]:
    """A method's signature as a typed model: its keyword-only parameters, their types and defaults.

    Numbers are rates, weights and sizes, none of them negative.
    """
    hints = get_type_hints(cls.__init__)
    fields: dict[str, Any] = {
        name: (
            hints[name],
            Field(parameter.default, ge=0) if hints[name] in NUMBERS else parameter.default,
        )
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    model: type[Section] = create_model(f"{cls.__name__}Settings", __base__=Section, **fields)
    model.idle = cls.idle
    return model


def where_settings_live(method: str) -> dict[str, str]:
    """Every setting's flat name -> its section ("data", "networks", "training" or "method_settings")."""
    places = {name: section for section, model in SECTIONS.items() for name in model.model_fields}
    return places | dict.fromkeys(method_settings_model(METHODS[method].cls).model_fields, "method_settings")


def methods_with(setting: str) -> list[str]:
    """The methods that have a setting of this name of their own."""
    return [name for name, row in METHODS.items() if setting in method_settings_model(row.cls).model_fields]


def unknown(setting: str, method: str, known: Iterable[str]) -> str:
    """Why `method` is not given `setting`: it is one of other methods, or the nearest of the `known` is meant."""
    if others := methods_with(setting):
        own = ", ".join(method_settings_model(METHODS[method].cls).model_fields)
        return f"'{setting}' is a setting of {', '.join(others)}; {method} has: {own}"
    return f"setting '{setting}' of {method}: {nearest(setting, known)}"


def resolve(asked: Asked, default_preset: Preset, medium: Medium | None = None) -> Settings:
    """Lay the layers over each other and validate; raises UsageError that names the key and the nearest known one.

    With the `medium` that the files were found to be of, settings that only another one has, or that do nothing, are
    refused; before it is known (None), presets are those of pictures, and `default_preset` may be any.
    """
    from_file = read_settings(asked.file) if asked.file else {}
    method = asked.method or from_file.get("method", DEFAULT)
    if method not in METHODS:
        raise UsageError(f"method '{method}': {nearest(str(method), METHODS)}")
    preset = asked.preset or from_file.get("preset", default_preset)
    if preset not in get_args(Preset):
        raise UsageError(f"preset '{preset}': known: {', '.join(get_args(Preset))}")
    layers = _layered(asked, from_file, method, preset, medium)
    _one_budget(layers["training"], asked.settings, from_file.get("training") or {})
    own = validate(method_settings_model(METHODS[method].cls), layers["method_settings"], f"setting of {method}")
    found = Settings(
        method,
        preset,
        own.model_dump(),
        validate(DataSettings, layers["data"], "setting of data"),
        validate(VoiceSettings, layers["voice"], "setting of voice"),
        validate(NetworkSettings, layers["networks"], "setting of networks"),
        validate(TrainingSettings, layers["training"], "setting of training"),
    )
    if medium is not None:
        for section in (own, found.data, found.voice, found.networks, found.training):
            effective(section, asked.settings)
    return found


def _layered(
    asked: Asked, from_file: Mapping[str, Any], method: str, preset: Preset, medium: Medium | None
) -> dict[str, dict[str, Any]]:
    """The values of each section, one layer over the other."""
    cls = METHODS[method].cls
    own = cls.voice_presets if medium == "voice" and cls.voice_presets else cls.presets
    changed = sections(preset, medium or "image", METHODS[method].batch)
    layers: dict[str, dict[str, Any]] = {section: changed.get(section, {}) for section in SECTIONS}
    layers["method_settings"] = dict(own.get(preset, {}))
    own_names = method_settings_model(cls).model_fields
    for section in layers:
        given = from_file.get(section) or {}
        if not isinstance(given, dict):
            raise UsageError(f"{asked.file}: '{section}' is {given!r}; expected keys and values")
        if section == "method_settings" and (strange := [name for name in given if name not in own_names]):
            raise UsageError(f"{asked.file}: {unknown(str(strange[0]), method, own_names)}")
        layers[section] |= given
        if medium is not None and section in SECTIONS:
            of_medium(medium, {name: value for name, value in given.items() if not is_default(section, name, value)})
    places = where_settings_live(method)
    for name, value in asked.settings.items():
        if name not in places:
            raise UsageError(unknown(name, method, places))
        layers[places[name]][name] = value
    if medium is not None:
        of_medium(medium, [name for name in asked.settings if places[name] != "method_settings"])
    return layers


def of_medium(medium: Medium, names: Iterable[str]) -> None:
    """Refuse settings that only items of the other medium have; raises UsageError."""
    strange = OF_IMAGES if medium == "voice" else VoiceSettings.model_fields
    other: Medium = "image" if medium == "voice" else "voice"
    for name in names:
        if name in strange:
            raise UsageError(f"setting '{name}': for {KINDS[other][0]} only, but these domains are {KINDS[medium][0]}")


def effective(settings: Section, given: Iterable[str]) -> None:
    """Refuse what was given and does nothing beside the other settings; raises UsageError.

    A file may hold such settings: a run's complete configuration does.
    """
    for name in sorted(settings.idle.keys() & set(given)):
        other, value = settings.idle[name]
        changed = getattr(settings, name) != type(settings).model_fields[name].default
        if changed and getattr(settings, other) == value:
            told = "not given" if value is None else f"'{value}'" if isinstance(value, str) else str(value).lower()
            raise UsageError(f"setting '{name}': does nothing while '{other}' is {told}; change that, or leave it out")


def is_default(section: str, name: str, value: Any) -> bool:
    """Whether a file gives what holds without it, as a complete config.yaml does of settings that nothing uses."""
    field = SECTIONS[section].model_fields.get(name)
    default = None if field is None else field.default
    return bool((list(default) if isinstance(default, tuple) else default) == value)


def _one_budget(training: dict[str, Any], flags: Mapping[str, Any], from_file: Mapping[str, Any]) -> None:
    """Steps and minutes exclude each other; the higher layer's wins over a lower one's."""
    for layer in (flags, from_file):
        given = [name for name in ("steps", "minutes") if layer.get(name) is not None]
        if len(given) == 2:
            raise UsageError("both steps and minutes are given; the budget is one of them")
        if given:
            training["minutes" if given == ["steps"] else "steps"] = None
            return


def read_settings(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings, with the sections of a run's config.yaml; raises UsageError for anything else."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: no YAML file of settings ({' '.join(str(error).split())})") from error
    known = {"method", "preset", "method_settings", *SECTIONS}
    if not isinstance(raw, dict):
        raise UsageError(f"{path}: expected the keys {', '.join(sorted(known))}")
    for key in raw:
        if key not in known | RESOLVED_KEYS:
            raise UsageError(f"{path}: '{key}': {nearest(str(key), known)}")
    if not isinstance(raw.get("method", ""), str):
        raise UsageError(f"{path}: 'method' is {raw['method']!r}; expected one of {', '.join(METHODS)}")
    return {key: value for key, value in raw.items() if key in known}


def validate(model: type[T], values: Mapping[str, Any], what: str) -> T:
    """`values` as `model`; raises UsageError that names the first wrong key, what was given and what was expected."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(explain(error, model, what)) from error


def explain(error: ValidationError, model: type[BaseModel], what: str) -> str:
    """The first error of a validation in words."""
    first = error.errors()[0]
    key = str(first["loc"][0]) if first["loc"] else "?"
    if first["type"] == "extra_forbidden":
        return f"{what} '{key}': {nearest(key, model.model_fields)}"
    return f"{what} '{key}': given {first['input']!r}; {first['msg'][0].lower()}{first['msg'][1:]}"


def flag_type(annotation: Any) -> Literal["switch", "list", "value"]:
    """How a setting of this type is written on a command line."""
    if annotation is bool:
        return "switch"
    return "list" if "tuple" in str(annotation) else "value"
