"""From what a user asked for to complete settings: flag over file over preset over the method's own defaults."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

import yaml
from pydantic import BaseModel, Field, ValidationError, create_model

from unpaired.config.presets import Preset, get_preset_sections
from unpaired.config.settings import (
    IMAGE_ONLY_SETTINGS,
    DataSettings,
    Medium,
    NetworkSettings,
    StrictModel,
    TrainingSettings,
    VoiceSettings,
)
from unpaired.errors import UsageError, suggest_name
from unpaired.media.suffixes import FILE_TYPES
from unpaired.methods import DEFAULT_METHOD, METHODS
from unpaired.methods.base import Method

SECTIONS: dict[str, type[StrictModel]] = {
    "data": DataSettings,
    "voice": VoiceSettings,
    "networks": NetworkSettings,
    "training": TrainingSettings,
}
NUMBER_TYPES = (int, float, int | None, float | None)
T = TypeVar("T", bound=BaseModel)
RUN_ONLY_KEYS = {
    *(
        "format",
        "unpaired_version",
        "domains",
        "sources",
        "labels",
        "channels",
        "pairs",
        "imported_from",
        "teacher",
        "pretrained",
    )
}
"""Keys of a run's config.yaml that say what was found; they are passed over when it is given as settings."""
RESUMABLE_SETTINGS = {"steps", "minutes", "checkpoint_every", "evaluate_every", "sample_every"}
"""What may change when a run is resumed; everything else is the run's own."""


@dataclass(frozen=True)
class SettingsRequest:
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


def build_method_settings_model(cls: type[Method]) -> type[StrictModel]:
    """A method's signature as a typed model: its keyword-only parameters, their types and defaults.

    Numbers are rates, weights and sizes, none of them negative.
    """
    hints = get_type_hints(cls.__init__)
    fields: dict[str, Any] = {
        name: (
            hints[name],
            Field(parameter.default, ge=0) if hints[name] in NUMBER_TYPES else parameter.default,
        )
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    model: type[StrictModel] = create_model(f"{cls.__name__}Settings", __base__=StrictModel, **fields)
    model.ignored_if = cls.ignored_if
    return model


def map_settings_to_sections(method: str) -> dict[str, str]:
    """Every setting's flat name -> its section ("data", "networks", "training" or "method_settings")."""
    sections_by_setting = {name: section for section, model in SECTIONS.items() for name in model.model_fields}
    return sections_by_setting | dict.fromkeys(
        build_method_settings_model(METHODS[method].cls).model_fields, "method_settings"
    )


def find_methods_with(setting: str) -> list[str]:
    """The methods that have a setting of this name of their own."""
    return [
        name
        for name, method_info in METHODS.items()
        if setting in build_method_settings_model(method_info.cls).model_fields
    ]


def explain_unknown_setting(setting: str, method: str, candidates: Iterable[str]) -> str:
    """Why `method` is not given `setting`: it is one of other methods, or the nearest of the `known` is meant."""
    if owners := find_methods_with(setting):
        own_settings = ", ".join(build_method_settings_model(METHODS[method].cls).model_fields)
        return f"'{setting}' is a setting of {', '.join(owners)}; {method} has: {own_settings}"
    return f"setting '{setting}' of {method}: {suggest_name(setting, candidates)}"


def resolve_settings(request: SettingsRequest, default_preset: Preset, medium: Medium | None = None) -> Settings:
    """Lay the layers over each other and validate; raises UsageError that names the key and the nearest known one.

    With the `medium` that the files were found to be of, settings that only another one has, or that do nothing, are
    refused; before it is known (None), presets are those of pictures, and `default_preset` may be any.
    """
    file_settings = read_settings(request.file) if request.file else {}
    method = request.method or file_settings.get("method", DEFAULT_METHOD)
    if method not in METHODS:
        raise UsageError(f"method '{method}': {suggest_name(str(method), METHODS)}")
    preset = request.preset or file_settings.get("preset", default_preset)
    if preset not in get_args(Preset):
        raise UsageError(f"preset '{preset}': known: {', '.join(get_args(Preset))}")
    values_by_section = _merge_layers(request, file_settings, method, preset, medium)
    _resolve_budget(values_by_section["training"], request.settings, file_settings.get("training") or {})
    method_settings = validate(
        build_method_settings_model(METHODS[method].cls), values_by_section["method_settings"], f"setting of {method}"
    )
    settings = Settings(
        method,
        preset,
        method_settings.model_dump(),
        validate(DataSettings, values_by_section["data"], "setting of data"),
        validate(VoiceSettings, values_by_section["voice"], "setting of voice"),
        validate(NetworkSettings, values_by_section["networks"], "setting of networks"),
        validate(TrainingSettings, values_by_section["training"], "setting of training"),
    )
    if medium is not None:
        for section in (method_settings, settings.data, settings.voice, settings.networks, settings.training):
            refuse_ineffective(section, request.settings)
    return settings


def _merge_layers(
    request: SettingsRequest, file_settings: Mapping[str, Any], method: str, preset: Preset, medium: Medium | None
) -> dict[str, dict[str, Any]]:
    """The values of each section, one layer over the other."""
    cls = METHODS[method].cls
    method_presets = cls.voice_presets if medium == "voice" and cls.voice_presets else cls.presets
    preset_values = get_preset_sections(preset, medium or "image", METHODS[method].paper_batch_size)
    values_by_section: dict[str, dict[str, Any]] = {section: preset_values.get(section, {}) for section in SECTIONS}
    values_by_section["method_settings"] = dict(method_presets.get(preset, {}))
    method_setting_names = build_method_settings_model(cls).model_fields
    for section in values_by_section:
        section_values = file_settings.get(section) or {}
        if not isinstance(section_values, dict):
            raise UsageError(f"{request.file}: '{section}' is {section_values!r}; expected keys and values")
        if section == "method_settings" and (
            unknown_names := [name for name in section_values if name not in method_setting_names]
        ):
            raise UsageError(
                f"{request.file}: {explain_unknown_setting(str(unknown_names[0]), method, method_setting_names)}"
            )
        values_by_section[section] |= section_values
        if medium is not None and section in SECTIONS:
            refuse_other_medium(
                medium, {name: value for name, value in section_values.items() if not is_default(section, name, value)}
            )
    sections_by_setting = map_settings_to_sections(method)
    for name, value in request.settings.items():
        if name not in sections_by_setting:
            raise UsageError(explain_unknown_setting(name, method, sections_by_setting))
        values_by_section[sections_by_setting[name]][name] = value
    if medium is not None:
        refuse_other_medium(
            medium, [name for name in request.settings if sections_by_setting[name] != "method_settings"]
        )
    return values_by_section


def refuse_other_medium(medium: Medium, names: Iterable[str]) -> None:
    """Refuse settings that only items of the other medium have; raises UsageError."""
    refused_names = IMAGE_ONLY_SETTINGS if medium == "voice" else VoiceSettings.model_fields
    other_medium: Medium = "image" if medium == "voice" else "voice"
    for name in names:
        if name in refused_names:
            raise UsageError(
                f"setting '{name}': for {FILE_TYPES[other_medium][0]} only, but these domains are {FILE_TYPES[medium][0]}"
            )


def refuse_ineffective(settings: StrictModel, names: Iterable[str]) -> None:
    """Refuse what was given and does nothing beside the other settings; raises UsageError.

    A file may hold such settings: a run's complete configuration does.
    """
    for name in sorted(settings.ignored_if.keys() & set(names)):
        other_name, value = settings.ignored_if[name]
        is_changed = getattr(settings, name) != type(settings).model_fields[name].default
        if is_changed and getattr(settings, other_name) == value:
            value_text = (
                "not given" if value is None else f"'{value}'" if isinstance(value, str) else str(value).lower()
            )
            raise UsageError(
                f"setting '{name}': does nothing while '{other_name}' is {value_text}; change that, or leave it out"
            )


def is_default(section: str, name: str, value: Any) -> bool:
    """Whether a file gives what holds without it, as a complete config.yaml does of settings that nothing uses."""
    field = SECTIONS[section].model_fields.get(name)
    default = None if field is None else field.default
    return bool((list(default) if isinstance(default, tuple) else default) == value)


def _resolve_budget(training: dict[str, Any], flags: Mapping[str, Any], file_settings: Mapping[str, Any]) -> None:
    """Steps and minutes exclude each other; the higher layer's wins over a lower one's."""
    for layer in (flags, file_settings):
        budget_names = [name for name in ("steps", "minutes") if layer.get(name) is not None]
        if len(budget_names) == 2:
            raise UsageError("both steps and minutes are given; the budget is one of them")
        if budget_names:
            training["minutes" if budget_names == ["steps"] else "steps"] = None
            return


def read_settings(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings, with the sections of a run's config.yaml; raises UsageError for anything else."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: no YAML file of settings ({' '.join(str(error).split())})") from error
    known_keys = {"method", "preset", "method_settings", *SECTIONS}
    if not isinstance(raw, dict):
        raise UsageError(f"{path}: expected the keys {', '.join(sorted(known_keys))}")
    for key in raw:
        if key not in known_keys | RUN_ONLY_KEYS:
            raise UsageError(f"{path}: '{key}': {suggest_name(str(key), known_keys)}")
    if not isinstance(raw.get("method", ""), str):
        raise UsageError(f"{path}: 'method' is {raw['method']!r}; expected one of {', '.join(METHODS)}")
    return {key: value for key, value in raw.items() if key in known_keys}


def validate(model: type[T], values: Mapping[str, Any], label: str) -> T:
    """`values` as `model`; raises UsageError that names the first wrong key, what was given and what was expected."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(format_validation_error(error, model, label)) from error


def format_validation_error(error: ValidationError, model: type[BaseModel], label: str) -> str:
    """The first error of a validation in words."""
    first_error = error.errors()[0]
    key = str(first_error["loc"][0]) if first_error["loc"] else "?"
    if first_error["type"] == "extra_forbidden":
        return f"{label} '{key}': {suggest_name(key, model.model_fields)}"
    return f"{label} '{key}': given {first_error['input']!r}; {first_error['msg'][0].lower()}{first_error['msg'][1:]}"


def get_flag_type(annotation: Any) -> Literal["switch", "list", "value"]:
    """How a setting of this type is written on a command line."""
    if annotation is bool:
        return "switch"
    return "list" if "tuple" in str(annotation) else "value"
