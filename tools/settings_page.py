"""Render docs/settings.md: the settings of every section, method and medium, with their types, defaults and presets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from unpaired.cli.setting_flags import PRESETS
from unpaired.config.resolve import get_preset_values
from unpaired.config.setting_models import build_method_settings_model, get_section_models
from unpaired.config.settings import NetworkSettings, Preset, StrictModel
from unpaired.media import MEDIA
from unpaired.media.base import Medium
from unpaired.methods import DEFAULT_METHOD, METHODS

SECTION_TEXTS = {
    "data": ("Data", "How collections of files become domains and splits."),
    "networks": ("Networks", "Size and structure of the networks. A method may use only some of these settings."),
    "training": (
        "Training",
        "Budget, optimization, hardware and intervals. These apply to every method and medium. The preset `paper` "
        "takes the batch size of the method's paper.",
    ),
}
"""Section of the settings -> its title on the page and its first sentences."""


@dataclass(frozen=True)
class SettingsGroup:
    """One table of the settings page.

    Attributes:
        section: The key of the settings in a YAML file.
        fields: Setting -> its type, range, default and help text.
        preset_values: Medium (its `files_noun`) -> preset -> the values that the preset sets.
        ignored_if: Setting -> the other setting, and the value of it, that disable it.
    """

    title: str
    text: str
    section: str
    fields: Mapping[str, FieldInfo]
    preset_values: Mapping[str, Mapping[Preset, Mapping[str, Any]]] = field(default_factory=dict)
    ignored_if: Mapping[str, tuple[str, Any]] = field(default_factory=dict)


def list_settings_groups() -> list[SettingsGroup]:
    """List the tables of the settings page: data, every medium, networks, training, then every method.

    This function is the only place of this module that knows how the package stores its settings.
    """
    all_media = list(MEDIA.values())
    # Methods have the same presets for the others.
    media = [medium for medium in all_media if not medium.kind]
    models = get_section_models(DEFAULT_METHOD, media[0])

    def group_section(section: str, model: type[StrictModel], title: str, text: str) -> SettingsGroup:
        return create_group(section, model, title, text, DEFAULT_METHOD, media)

    groups = [group_section("data", models["data"], *SECTION_TEXTS["data"])]
    for medium in all_media:
        text = (medium.settings_model.__doc__ or "").strip()
        title = medium.settings_title.capitalize()
        group = create_group("medium_settings", medium.settings_model, title, text, DEFAULT_METHOD, [medium])
        known = MEDIA[medium.kind].settings_model.model_fields if medium.kind else {}
        own = {name: info for name, info in group.fields.items() if name not in known}
        groups.append(replace(group, fields=own))
    groups.append(group_section("networks", NetworkSettings, *SECTION_TEXTS["networks"]))
    for medium in media:
        if medium.network_settings_model is not NetworkSettings:
            title, text = f"Networks of {medium.files_noun}", (medium.network_settings_model.__doc__ or "").strip()
            group = create_group("networks", medium.network_settings_model, title, text, DEFAULT_METHOD, [medium])
            own = {name: info for name, info in group.fields.items() if name not in NetworkSettings.model_fields}
            groups.append(replace(group, fields=own))
    groups.append(group_section("training", models["training"], *SECTION_TEXTS["training"]))
    for name, info in METHODS.items():
        text = f"{info.paper} ({info.year}). Equations and advice: [{name}](methods/{name}.md)."
        model = build_method_settings_model(info.cls)
        supported = [medium for medium in media if medium.name not in info.unsupported]
        groups.append(create_group("method_settings", model, name, text, name, supported))
    return groups


def create_group(
    section: str, model: type[StrictModel], title: str, text: str, method: str, media: Sequence[Medium]
) -> SettingsGroup:
    """Create the table of a section's model, with the values that the presets of `media` set for `method`."""
    values = {
        medium.files_noun: {preset: get_preset_values(method, medium, preset)[section] for preset in PRESETS}
        for medium in media
    }
    return SettingsGroup(title, text, section, model.model_fields, values, model.ignored_if)


def list_setting_names() -> set[str]:
    """List the names of all settings, of every section and method."""
    return {name for group in list_settings_groups() for name in group.fields}


def render_settings() -> str:
    """Render docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Every setting has one name. On the command line it is a flag with dashes (`lr_d` is `--lr-d`), in Python "
        "it is a keyword (`train(..., lr_d=1e-4)`), and in a YAML file (`--config`) it stands under its section. A "
        "switch is turned off with `--no-NAME`. A list is written with commas; `none` clears it.",
        "",
        "A flag wins over the file, the file over the preset, and the preset over the default. `auto` is decided from "
        "the data or the device before training starts. The run's `config.yaml` holds the decided values.",
        "",
        "Presets: `paper` (the paper's sizes), `small` and `tiny` (made for a CPU and a short time). Without "
        "`--preset` you get `small` on a CPU and `paper` on a GPU. One value in a cell applies to all presets. "
        "The columns show the defaults of `cyclegan`; `unpaired train --method NAME --help-all` prints those of other "
        "methods.",
        "",
    ]
    for group in list_settings_groups():
        lines += [f"## {group.title}", ""]
        lines += [f"{group.text} Section `{group.section}`.".strip(), ""]
        lines += ["| setting | values | default | description |", "|---|---|---|---|"]
        for name, info in group.fields.items():
            text = info.description or ""
            if name in group.ignored_if:
                other, value = group.ignored_if[name]
                text = f"{text.rstrip('.')}. Refused while `{other}` is `{format_value(value)}`."
            cells = (f"`{name}`", describe_values(info), describe_default(name, info, group), text.strip())
            lines.append(f"| {' | '.join(escape_cell(cell) for cell in cells)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def describe_values(info: FieldInfo) -> str:
    """Describe the type and the range of a setting."""
    return ", ".join(filter(None, (describe_type(info.annotation), describe_limits(info.metadata))))


def describe_limits(metadata: Iterable[Any]) -> str:
    """Describe the limits in the metadata of a number; empty if there are none."""
    bounds = {key: getattr(item, key) for item in metadata for key in ("ge", "gt", "le", "lt") if hasattr(item, key)}
    low = f"≥ {bounds['ge']:g}" if "ge" in bounds else f"> {bounds['gt']:g}" if "gt" in bounds else ""
    high = f"≤ {bounds['le']:g}" if "le" in bounds else f"< {bounds['lt']:g}" if "lt" in bounds else ""
    if bounds.get("lt", 0) >= 2**63:
        high = ""
    return ", ".join(filter(None, (low, high)))


def describe_type(annotation: Any) -> str:
    """Describe a type: its choices, or a number, text, switch or list."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in args)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(describe_type(arg) for arg in args))
    if origin is Annotated:
        metadata = [item for info in args[1:] for item in getattr(info, "metadata", [info])]
        return " ".join(filter(None, (describe_type(args[0]), describe_limits(metadata))))
    if origin is tuple:
        return f"list of {describe_type(args[0])}"
    names = {bool: "`true`, `false`", int: "integer", float: "number", str: "text", NoneType: "`none`"}
    return names.get(annotation, str(annotation))


def describe_default(name: str, info: FieldInfo, group: SettingsGroup) -> str:
    """Describe the default of a setting in each preset, and for each medium where the media differ."""
    by_medium: dict[str, str] = {}
    for files_noun, presets in group.preset_values.items():
        values = {preset: format_value(values.get(name, info.default)) for preset, values in presets.items()}
        same = len(set(values.values())) == 1
        by_medium[files_noun] = (
            next(iter(values.values())) if same else ", ".join(f"{preset} {value}" for preset, value in values.items())
        )
    if not by_medium:
        return format_value(info.default)
    if len(set(by_medium.values())) == 1:
        return next(iter(by_medium.values()))
    return "; ".join(f"{files_noun}: {value}" for files_noun, value in by_medium.items())


def format_value(value: Any) -> str:
    """Format a value as on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return ",".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)


def escape_cell(text: str) -> str:
    """Escape characters that end a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
