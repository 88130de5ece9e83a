"""Plan of a comparison: the methods that support the data, with settings that are validated before any training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unpaired.comparison.seeds import format_seed_run
from unpaired.config.resolve import SECTIONS, Settings, SettingsRequest, resolve_settings
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import DataSettings, Preset, TrainingSettings
from unpaired.errors import UnpairedError, UsageError, suggest_name
from unpaired.labels import Labels
from unpaired.media import MEDIA, Medium
from unpaired.methods import METHODS
from unpaired.runs.files import RunFiles
from unpaired.runs.method_builder import build_method
from unpaired.training.feasibility import explain_small_batch, explain_unsupported
from unpaired.training.listing import DataListing, list_data
from unpaired.training.setup import choose_default_preset, choose_device, configure_run, decide_method_settings

ALL = "all"
SHARED_SETTINGS = frozenset(
    {*DataSettings.model_fields, "seed", "steps", "minutes"}.union(
        *(m.settings_model.model_fields for m in MEDIA.values() if m.compares_equal_settings)
    )
)
"""Settings that --set cannot give to one method, because all methods of a fair comparison need equal values.

A medium's own settings are among them unless its metrics do not depend on them (`Medium.compares_equal_settings`).
"""
MethodOverrides = Mapping[str, Mapping[str, Any]]
"""Method -> setting -> value, for settings of one method only."""


@dataclass(frozen=True)
class PlannedRun:
    """Settings of one run, that is a method with one seed: as arguments of `train`, and resolved."""

    method: str
    train_settings: dict[str, Any]
    settings: Settings

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.settings.training.seed

    @property
    def resolved_settings(self) -> dict[str, Any]:
        """Resolved settings as JSON values, for the manifest."""
        settings = self.settings
        sections = {name: section.model_dump(mode="json") for name, section in settings.sections().items()}
        plain: dict[str, Any] = json.loads(json.dumps({"preset": settings.preset, **sections}))
        return plain


@dataclass(frozen=True)
class ComparisonPlan:
    """Runs to compare, by name; `excluded` maps each unsuitable method that was not named to the reason."""

    entries: dict[str, PlannedRun]
    excluded: dict[str, str]
    config: RunConfig
    files: RunFiles

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that the methods are trained with."""
        return tuple(dict.fromkeys(planned.seed for planned in self.entries.values()))

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods to compare."""
        return tuple(dict.fromkeys(planned.method for planned in self.entries.values()))

    def describe_run(self, name: str) -> str:
        """Return a run as text: the method, and the seed if there are several."""
        planned = self.entries[name]
        return f"{planned.method}, seed {planned.seed}" if len(self.seeds) > 1 else planned.method


def make_plan(
    sources: Sequence[Path],
    methods: str | Sequence[str],
    request: SettingsRequest,
    overrides: MethodOverrides,
    pairs: bool,
    more_seeds: Sequence[int] = (),
) -> ComparisonPlan:
    """Choose the methods, validate all settings and inspect the data once.

    The request has the first seed; every method is trained with each of `more_seeds` too, on the same splits.

    Raises UsageError for unknown methods and settings, for named methods that do not support the data, and for missing
    pairs; WorkError for unusable data.
    """
    named_methods = parse_method_names(methods)
    require_general_settings(request)
    fitting, excluded = find_fitting_methods(sources, named_methods or [*METHODS], request)
    require_named_fit(named_methods, excluded)
    for name in overrides:
        if name not in fitting:
            raise UsageError(
                f"--set {name}: {'not in this comparison' if name in METHODS else suggest_name(name, fitting)}"
            )
    first = next(iter(fitting))
    medium = fitting[first].medium
    device = torch.device(choose_device(request.early(TrainingSettings, "training", "device").device))
    preset = choose_default_preset(device)
    item_settings = select_common_item_settings(request, medium, request.preset or preset)
    request = replace(request, settings={**item_settings, **request.settings})
    entries = {}
    for name in fitting:
        train_settings = {**request.settings, **select_own_settings(name, overrides.get(name, {}))}
        method_request = request.with_method(name, train_settings)
        entries[name] = PlannedRun(name, train_settings, resolve_settings(method_request, medium, preset))
    require_single_device(entries[first].settings)
    buildable_method = next(
        (name for name, planned in entries.items() if not explain_small_batch(planned.settings)), first
    )
    shared_request = request.with_method(buildable_method)
    config, files = configure_run([*sources], shared_request, pairs, device, 1, lambda _: None)
    unbuildable = {
        n: reason for n, e in entries.items() if (reason := explain_build_failure(config, e, fitting[n].labels))
    }
    require_named_fit(named_methods, unbuildable)
    if len(unbuildable) == len(entries):
        raise UsageError(unbuildable[first])
    buildable = {n: e for n, e in entries.items() if n not in unbuildable}
    repetitions = {
        format_seed_run(name, seed, planned.seed): repeat_with_seed(planned, seed, request)
        for seed in more_seeds
        for name, planned in buildable.items()
    }
    return ComparisonPlan(buildable | repetitions, excluded | unbuildable, config, files)


def repeat_with_seed(planned: PlannedRun, seed: int, request: SettingsRequest) -> PlannedRun:
    """Return a run with another training seed, on the splits and the measured items of the first."""
    settings = planned.settings
    train_settings = {**planned.train_settings, "seed": seed, "split_seed": settings.split_seed}
    method_request = request.with_method(planned.method, train_settings)
    return PlannedRun(
        planned.method, train_settings, resolve_settings(method_request, settings.medium, settings.preset)
    )


def select_common_item_settings(request: SettingsRequest, medium: Medium, preset: Preset) -> dict[str, Any]:
    """Return the medium's own values of item settings, such as the size, that the preset replaces for some methods.

    Settings that the user gave are left out. All methods of a comparison are measured on equal items.
    """
    if not medium.compares_equal_settings:
        return {}
    replaced: set[str] = set()
    for info in METHODS.values():
        sections = info.cls.preset_sections.get(medium.method_medium, {}).get(preset, {})
        replaced |= sections.get("medium_settings", {}).keys()
    values = medium.settings_model.model_validate(medium.presets[preset].get("medium_settings", {})).model_dump()
    return {name: values[name] for name in sorted(replaced) if not request.is_given(name)}


def parse_method_names(methods: str | Sequence[str]) -> list[str]:
    """Return the named methods without duplicates, or an empty list for all methods.

    Raises UsageError for unknown names, and if no name is given.
    """
    names_text = methods.split(",") if isinstance(methods, str) else list(methods)
    names = list(dict.fromkeys(word.strip() for word in names_text if word.strip()))
    for name in names:
        if name not in METHODS and name != ALL:
            raise UsageError(f"method '{name}': {suggest_name(name, [*METHODS, ALL])}")
    if not names:
        raise UsageError(f"no method given; expected {ALL}, or some of {', '.join(METHODS)}")
    return [] if ALL in names else names


def find_fitting_methods(
    sources: Sequence[Path], names: Sequence[str], request: SettingsRequest
) -> tuple[dict[str, DataListing], dict[str, str]]:
    """Return the data listing of each method that supports the data, and the reason for each other method.

    Raises UsageError if no method supports the data, and for invalid paths and settings.
    """
    fitting: dict[str, DataListing] = {}
    excluded: dict[str, str] = {}
    first_error: UsageError | None = None
    for name in names:
        try:
            fitting[name] = list_data(sources, name, request.early_attributes())
        except UsageError as error:
            first_error = first_error or error
            excluded[name] = str(error)
    if not fitting:
        raise first_error or UsageError(f"no method given; expected {ALL}, or some of {', '.join(METHODS)}")
    medium = next(iter(fitting.values())).medium
    mismatched = {name: reason for name in names if (reason := explain_unsupported(name, medium))}
    if fitting.keys() <= mismatched.keys():
        raise UsageError(next(iter(mismatched.values())))
    return {name: data for name, data in fitting.items() if name not in mismatched}, excluded | mismatched


def require_named_fit(named_methods: Sequence[str], excluded: Mapping[str, str]) -> None:
    """Raise UsageError with the reason if a named method is excluded."""
    excluded_name = next((name for name in named_methods if name in excluded), None)
    if excluded_name is not None:
        raise UsageError(excluded[excluded_name])


def require_general_settings(request: SettingsRequest) -> None:
    """Raise UsageError if the settings file contains settings of one method."""
    method_keys = request.file_settings.keys() & {"method", "method_settings"}
    if method_keys:
        raise UsageError(
            f"{request.file}: '{min(method_keys)}' applies to one method; a comparison expects settings for all "
            f"methods ({', '.join(['preset', *SECTIONS])}); use --set METHOD.NAME=VALUE for one"
        )


def select_own_settings(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of one method; raises UsageError for settings that must be equal for all methods."""
    if shared_names := SHARED_SETTINGS & settings.keys():
        raise UsageError(
            f"--set {name}.{min(shared_names)}: must be equal for all methods; use the flag "
            f"--{min(shared_names).replace('_', '-')} instead"
        )
    return dict(settings)


def require_single_device(settings: Settings) -> None:
    """Raise UsageError for distributed training: its ranks are launched once per command, not once per method."""
    if settings.training.devices * settings.training.nodes > 1:
        raise UsageError(
            "a comparison trains on one device; for several devices, train each method separately with `unpaired train`"
        )


def explain_build_failure(config: RunConfig, planned: PlannedRun, labels: Labels | None) -> str:
    """Return why a method's networks cannot be built for the data; empty if they can."""
    settings = planned.settings
    if reason := explain_small_batch(settings):
        return reason
    networks = settings.networks
    decided_networks = {
        name: getattr(config.networks, name)
        for name in type(networks).model_fields
        if getattr(networks, name) == "auto"
    }
    changes = {
        "method": settings.method,
        # The networks do not depend on what "auto" becomes, so no pictures are read for it.
        "method_settings": decide_method_settings(settings, lambda: 0.0, lambda _: None),
        "labels": labels,
        "networks": networks.model_copy(update=decided_networks),
    }
    try:
        with torch.random.fork_rng(devices=[]):
            build_method(config.model_copy(update=changes))
    except UnpairedError as error:
        return str(error)
    return ""
