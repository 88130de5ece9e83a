"""Resolution of settings: flags override the settings file, which overrides the preset, which overrides defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from unpaired.config.setting_models import explain_unknown_setting, get_section_models, list_setting_names
from unpaired.config.settings import DataSettings, NetworkSettings, Preset, StrictModel, TrainingSettings
from unpaired.config.validation import validate
from unpaired.config.yaml_files import read_yaml
from unpaired.errors import UsageError, format_given, suggest_name
from unpaired.media import MEDIA, Medium
from unpaired.methods import DEFAULT_METHOD, METHODS

SECTIONS = ("method_settings", "data", "medium_settings", "networks", "training")
"""Sections of a settings file, in the order of `--help-all`."""
T = TypeVar("T", bound=BaseModel)
RUN_ONLY_KEYS = {
    *("format", "unpaired_version", "domains", "sources", "labels"),
    *("pairs", "imported_from", "teacher", "init_from", "pretrained"),
}
"""Keys of a run's config.yaml that are results, not settings; they are ignored in a file given with --config."""
RESUMABLE_SETTINGS = {
    *("steps", "minutes", "checkpoint_every", "evaluate_every", "sample_every", "patience"),
    *("device", "precision", "threads", "workers"),
}
"""Settings that may change when a run is resumed: budget, patience, intervals, and those that depend on the machine."""


@dataclass(frozen=True)
class SettingsRequest:
    """Settings that a user gave: flags or keywords (flat names), and the sections of a settings file.

    Flags and keywords override the file.
    """

    method: str
    preset: Preset | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    file_settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        method: str | None = None,
        preset: str | None = None,
        settings: Mapping[str, Any] | None = None,
        file: Path | str | None = None,
    ) -> SettingsRequest:
        """Read the file and check the names of the method, the preset and every flat setting.

        Raises UsageError that names the unknown key and the most similar known one.
        """
        path = None if file is None else Path(file)
        file_settings = {} if path is None else read_settings(path)
        method = method or file_settings.get("method", DEFAULT_METHOD)
        if method not in METHODS:
            raise UsageError(f"method '{method}': {suggest_name(str(method), METHODS)}")
        preset = preset or file_settings.get("preset")
        if preset is not None and preset not in get_args(Preset):
            raise UsageError(f"preset '{preset}': expected one of {', '.join(get_args(Preset))}")
        known = list_setting_names(method)
        for name in settings or {}:
            if name not in known:
                raise UsageError(explain_unknown_setting(name, method, known))
        return cls(method, preset, dict(settings or {}), path, file_settings)  # type: ignore[arg-type]

    def with_method(self, method: str, settings: Mapping[str, Any] | None = None) -> SettingsRequest:
        """Return the request for another method, with other flat settings if given."""
        values = dict(self.settings if settings is None else settings)
        return SettingsRequest(method, self.preset, values, self.file, self.file_settings)

    def section(self, name: str) -> dict[str, Any]:
        """Return a section of the file; raises UsageError if it is not a mapping."""
        values = self.file_settings.get(name) or {}
        if not isinstance(values, dict):
            raise UsageError(f"{self.file}: '{name}' is {format_given(values)}; expected keys and values")
        return dict(values)

    def is_given(self, setting: str) -> bool:
        """Return whether a setting was given as a flag or in the file."""
        return setting in self.settings or any(setting in self.section(section) for section in SECTIONS)

    def early(self, model: type[T], section: str, *names: str) -> T:
        """Validate some settings of a section before the data are read; the others keep their defaults.

        Raises UsageError for an invalid value.
        """
        given = {**self.section(section), **self.settings}
        return validate(model, {name: given[name] for name in names if name in given}, f"setting of {section}")

    def early_attributes(self) -> tuple[str, ...]:
        """Return the setting `attributes`, which determines how the data are listed."""
        return self.early(DataSettings, "data", "attributes").attributes


@dataclass(frozen=True)
class Settings:
    """Validated settings of a method on a medium; those that depend on the data or the device are still "auto"."""

    method: str
    preset: Preset
    medium: Medium
    method_settings: StrictModel
    data: DataSettings
    medium_settings: StrictModel
    networks: NetworkSettings
    training: TrainingSettings
    given: frozenset[str] = frozenset()
    """Names of the settings that the user gave, by flag or file."""

    @property
    def split_seed(self) -> int:
        """Seed of the split and of the items that are measured."""
        return self.data.get_split_seed(self.training.seed)

    def sections(self) -> dict[str, StrictModel]:
        """Return the settings by section."""
        return {name: getattr(self, name) for name in SECTIONS}


def resolve_settings(request: SettingsRequest, medium: Medium, default_preset: Preset) -> Settings:
    """Merge defaults, preset, file and flags, and validate the result.

    Raises UsageError for unknown settings (with the most similar known one), invalid values, settings of another
    medium, and settings that have no effect in combination with the others.
    """
    info = METHODS[request.method]
    preset: Preset = request.preset or default_preset
    models = get_section_models(request.method, medium)
    values = get_preset_values(request.method, medium, preset)
    for section, model in models.items():
        given = request.section(section)
        if section == "method_settings":
            for name in given:
                if name not in model.model_fields:
                    reason = explain_unknown_setting(str(name), request.method, model.model_fields)
                    raise UsageError(f"{request.file}: {reason}")
        for name, value in given.items():
            if name in model.model_fields or not refuse_other_medium(medium, str(name), value):
                values[section][name] = value
    for name, value in request.settings.items():
        section = next((section for section, model in models.items() if name in model.model_fields), "")
        if not section:
            refuse_other_medium(medium, name)
            raise UsageError(explain_unknown_setting(name, request.method, list_setting_names(request.method)))
        values[section][name] = value
    _resolve_budget(values["training"], request)
    validated: dict[str, Any] = {
        section: validate(model, values[section], f"setting of {section_label(section, info.name, medium)}")
        for section, model in models.items()
    }
    for section in validated.values():
        refuse_ineffective(section, request.settings)
    given_names = frozenset({*request.settings, *(name for section in SECTIONS for name in request.section(section))})
    return Settings(request.method, preset, medium, given=given_names, **validated)


def section_label(section: str, method: str, medium: Medium) -> str:
    """Return the name of a section for messages."""
    return {"method_settings": method, "medium_settings": medium.name}.get(section, section)


def get_preset_values(method: str, medium: Medium, preset: Preset) -> dict[str, dict[str, Any]]:
    """Return the values that a preset changes, by section: those of the medium, replaced by those of the method.

    `paper` uses the batch size of the method's paper.
    """
    info = METHODS[method]
    own_sections = info.cls.preset_sections.get(medium.method_medium, {}).get(preset, {})
    values = {
        section: {**medium.presets[preset].get(section, {}), **own_sections.get(section, {})} for section in SECTIONS
    }
    if preset == "paper":
        values["training"].setdefault("batch_size", info.paper_batch_size)
    values["method_settings"] = dict(info.cls.media_presets.get(medium.method_medium, info.cls.presets).get(preset, {}))
    return values


def refuse_other_medium(medium: Medium, name: str, file_value: Any = None) -> bool:
    """Raise UsageError for a setting that only another medium has; returns False if no other medium has it.

    A file's `file_value` that equals the other medium's default is ignored (returns True), because a complete
    config.yaml contains such values.
    """
    if name in medium.settings_model.model_fields or name in medium.network_settings_model.model_fields:
        return False
    for other in (other for other in MEDIA.values() if other is not medium):
        for model in (other.settings_model, other.network_settings_model):
            if name in model.model_fields:
                default = model.model_fields[name].default
                if file_value is not None and (list(default) if isinstance(default, tuple) else default) == file_value:
                    return True
                raise UsageError(
                    f"setting '{name}': for {other.files_noun} only, but these domains are {medium.files_noun}"
                )
    return False


def refuse_ineffective(settings: StrictModel, names: Iterable[str]) -> None:
    """Raise UsageError for a given setting that has no effect in combination with the others.

    Settings of a file are not checked, because a run's complete configuration contains such settings.
    """
    for name in sorted(settings.ignored_if.keys() & set(names)):
        other_name, value = settings.ignored_if[name]
        is_changed = getattr(settings, name) != type(settings).model_fields[name].default
        if is_changed and getattr(settings, other_name) == value:
            value_text = (
                "not given" if value is None else f"'{value}'" if isinstance(value, str) else str(value).lower()
            )
            raise UsageError(
                f"setting '{name}': has no effect while '{other_name}' is {value_text}; change '{other_name}' or omit "
                f"'{name}'"
            )


def _resolve_budget(training: dict[str, Any], request: SettingsRequest) -> None:
    """Clear the preset's steps or minutes if flags or the file give the other; raises UsageError if both are given."""
    for layer in (request.settings, request.section("training")):
        budget_names = [name for name in ("steps", "minutes") if layer.get(name) is not None]
        if len(budget_names) == 2:
            raise UsageError("both steps and minutes are given; give only one of them")
        if budget_names:
            training["minutes" if budget_names == ["steps"] else "steps"] = None
            return


def read_settings(path: Path) -> dict[str, Any]:
    """Read a YAML file with the sections of a run's config.yaml; raises UsageError for anything else."""
    try:
        raw = read_yaml(path) or {}
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{path}: expected a YAML file of settings ({error})") from error
    known_keys = {"method", "preset", *SECTIONS}
    if not isinstance(raw, dict):
        raise UsageError(f"{path}: expected the keys {', '.join(sorted(known_keys))}")
    for key in raw:
        if key not in known_keys | RUN_ONLY_KEYS | {"medium"}:
            raise UsageError(f"{path}: {format_given(key)}: {suggest_name(str(key), known_keys)}")
    if not isinstance(raw.get("method", ""), str):
        raise UsageError(f"{path}: 'method' is {format_given(raw['method'])}; expected one of {', '.join(METHODS)}")
    return {key: value for key, value in raw.items() if key in known_keys}
