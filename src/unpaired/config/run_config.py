"""Complete, resolved configuration of a run: its config.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SerializeAsAny, ValidationError, ValidationInfo, field_validator

from unpaired.atomic import atomic_write
from unpaired.config.setting_models import build_method_settings_model
from unpaired.config.settings import DataSettings, NetworkSettings, Preset, StrictModel, TrainingSettings
from unpaired.config.yaml_files import read_yaml
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.errors import UsageError, WorkError, format_given
from unpaired.file_names import normalize_name
from unpaired.labels import Labels
from unpaired.media import MEDIA, Medium
from unpaired.methods import METHODS
from unpaired.methods.base import Route

FORMAT = 2
"""Version of the format of a run's files; it increases when older files can no longer be read."""


class Teacher(StrictModel):
    """Trained model whose translations another run learns from; the digest detects changes of its file."""

    file: str = Field(description="file of its weights, in the folder of its run")
    digest: str = Field(description="SHA-256 of the weights")
    source: str = Field(description="the teacher's key of the student's first domain")
    target: str = Field(description="the teacher's key of the student's second domain")


class RunConfig(StrictModel):
    """Settings of a run and results of inspecting its data; nothing is "auto" once training has begun."""

    format: int = FORMAT
    unpaired_version: str = Field(description="version of unpaired that wrote this configuration")
    method: str
    preset: Preset
    medium: str = Field(description="medium of the files, a key of MEDIA")
    method_settings: SerializeAsAny[StrictModel]
    medium_settings: SerializeAsAny[StrictModel]
    domains: tuple[Domain, ...]
    sources: tuple[Domain, ...] = Field((), description="labeled collections that contain the domains")
    labels: Labels | None = Field(None, description="labels for a label-conditioned method")
    pairs: bool = Field(False, description="files of equal names in the test folders are true pairs")
    imported_from: str | None = Field(None, description="file of an imported generator; such a run cannot be trained")
    teacher: Teacher | None = Field(None, description="teacher that this run learns from")
    init_from: str | None = Field(None, description="run whose weights training started from")
    pretrained: dict[str, str] = Field(
        {}, description="pretrained networks used in training, with the SHA-256 of their weights"
    )
    data: DataSettings
    networks: SerializeAsAny[NetworkSettings]
    training: TrainingSettings

    @field_validator("method", "medium")
    @classmethod
    def _require_known_name(cls, name: str, info: ValidationInfo) -> str:
        known: Mapping[str, object] = METHODS if info.field_name == "method" else MEDIA
        if name not in known:
            raise ValueError(f"'{name}' is unknown in this version; expected one of {', '.join(known)}")
        return name

    @field_validator("method_settings", "medium_settings", "networks", mode="before")
    @classmethod
    def _validate_section(cls, values: Any, info: ValidationInfo) -> Any:
        """Validate a section with the model of the run's method or medium."""
        if not isinstance(values, Mapping) or not info.data.keys() >= {"method", "medium"}:
            return values
        medium = MEDIA[info.data["medium"]]
        models = {
            "method_settings": build_method_settings_model(METHODS[info.data["method"]].cls),
            "medium_settings": medium.settings_model,
            "networks": medium.network_settings_model,
        }
        return _validate_part(models[info.field_name or ""], values)

    @field_validator("domains", "sources", mode="before")
    @classmethod
    def _validate_statistics(cls, domains: Any, info: ValidationInfo) -> Any:
        """Validate each domain's statistics with the medium's model."""
        if not isinstance(domains, Sequence) or "medium" not in info.data:
            return domains
        model = MEDIA[info.data["medium"]].statistics_model
        return [
            domain | {"statistics": _validate_part(model, domain["statistics"])}
            if isinstance(domain, dict) and isinstance(domain.get("statistics"), Mapping)
            else domain
            for domain in domains
        ]

    def get_medium(self) -> Medium:
        """Return the medium of the run's files."""
        return MEDIA[self.medium]

    @property
    def split_seed(self) -> int:
        """Seed of the split and of the items that are measured."""
        return self.data.get_split_seed(self.training.seed)

    def find_key(self, name: str) -> str:
        """Return the key ("X", "Y") of a domain; raises UsageError that lists the known names."""
        names = [d.name for d in self.domains]
        if name not in names:  # the Unicode normal forms of typed and stored names may differ
            name = next((n for n in names if normalize_name(n) == normalize_name(name)), name)
        if name not in names:
            raise UsageError(f"domain '{name}': expected one of this run's domains: {', '.join(names)}")
        return DOMAIN_KEYS[names.index(name)]

    def get_domain(self, key: str) -> Domain:
        """Return the domain with the key `key`."""
        return self.domains[DOMAIN_KEYS.index(key)]

    def format_route(self, route: Route, separator: str = " -> ") -> str:
        """Return a route as the names of its domains."""
        return f"{self.get_domain(route.source).name}{separator}{self.get_domain(route.target).name}"


def get_item_size(config: RunConfig) -> int:
    """Return the length of a training item: an image's side in pixels, or a recording's crop in frames."""
    return int(getattr(config.medium_settings, config.get_medium().crop_setting))


def _validate_part(model: type[StrictModel], values: Mapping[str, Any]) -> StrictModel:
    """Validate a part of a configuration; raises ValueError with the first wrong key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first_error = error.errors()[0]
        key = ".".join(map(str, first_error["loc"]))
        if first_error["type"] == "extra_forbidden":
            raise ValueError(f"'{key}' is not a setting of this version; train a new run") from error
        raise ValueError(f"{key}: {first_error['msg']}") from error


def write_config(path: Path, config: RunConfig) -> None:
    """Write config.yaml atomically; raises WorkError if it cannot be written."""
    with atomic_write(path) as temporary:
        temporary.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def read_config(path: Path) -> RunConfig:
    """Read a run's config.yaml; raises WorkError if it is missing, damaged or of another format."""
    try:
        raw = read_yaml(path)
    except (OSError, ValueError) as error:
        raise WorkError(f"{path}: cannot be read as the configuration of a run ({error})") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        actual_format = format_given(raw.get("format") if isinstance(raw, dict) else None)
        raise WorkError(f"{path}: format {actual_format}, but this version of unpaired reads format {FORMAT}")
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        first_error = error.errors()[0]
        raise WorkError(f"{path}: {'.'.join(map(str, first_error['loc']))}: {first_error['msg']}") from error
