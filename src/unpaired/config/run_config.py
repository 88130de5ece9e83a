"""Complete, resolved configuration of a run: its config.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SerializeAsAny, ValidationError, ValidationInfo, field_validator

from unpaired.atomic import atomic_write
from unpaired.config.model_description import ModelDescription, require_known, validate_part, validate_statistics
from unpaired.config.setting_models import build_method_settings_model
from unpaired.config.settings import DataSettings, NetworkSettings, Preset, StrictModel, TrainingSettings
from unpaired.config.yaml_files import read_yaml
from unpaired.data.domain import Domain
from unpaired.errors import WorkError, format_given
from unpaired.media import MEDIA
from unpaired.methods import METHODS

FORMAT = 2
"""Version of the format of a run's files; it increases when older files can no longer be read."""


class Teacher(StrictModel):
    """Trained model whose translations another run learns from; the digest detects changes of its file."""

    file: str = Field(description="file of its weights, in the folder of its run")
    digest: str = Field(description="SHA-256 of the weights")
    source: str = Field(description="the teacher's key of the student's first domain")
    target: str = Field(description="the teacher's key of the student's second domain")


class RunConfig(ModelDescription):
    """Settings of a run and results of inspecting its data; nothing is "auto" once training has begun."""

    format: int = FORMAT
    preset: Preset
    method_settings: SerializeAsAny[StrictModel]
    sources: tuple[Domain, ...] = Field((), description="labeled collections that contain the domains")
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

    @field_validator("method")
    @classmethod
    def _require_known_method(cls, name: str) -> str:
        return require_known(name, METHODS)

    @field_validator("method_settings", "networks", mode="before")
    @classmethod
    def _validate_section(cls, values: Any, info: ValidationInfo) -> Any:
        """Validate a section with the model of the run's method or medium."""
        if not isinstance(values, Mapping) or not info.data.keys() >= {"method", "medium"}:
            return values
        models = {
            "method_settings": build_method_settings_model(METHODS[info.data["method"]].cls),
            "networks": MEDIA[info.data["medium"]].network_settings_model,
        }
        return validate_part(models[info.field_name or ""], values)

    @field_validator("sources", mode="before")
    @classmethod
    def _validate_source_statistics(cls, sources: Any, info: ValidationInfo) -> Any:
        return validate_statistics(sources, info)

    @property
    def split_seed(self) -> int:
        """Seed of the split and of the items that are measured."""
        return self.data.get_split_seed(self.training.seed)

    @property
    def has_data(self) -> bool:
        """Whether the run knows the folders of its data; imported and shared runs do not."""
        return any(domain.sources for domain in (*self.sources, *self.domains))


def get_item_size(config: RunConfig) -> int:
    """Return the length of a training item: an image's side in pixels, or a recording's crop in frames."""
    return int(getattr(config.medium_settings, config.get_medium().crop_setting))


def remove_paths(config: RunConfig) -> RunConfig:
    """Return a configuration without the paths of this machine: folders of domains, and of other runs."""

    def strip(domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
        return tuple(domain.model_copy(update={"sources": ()}) for domain in domains)

    def shorten(path: str | None) -> str | None:
        return None if path is None else Path(path).name

    teacher = config.teacher
    return config.model_copy(
        update={
            "domains": strip(config.domains),
            "sources": strip(config.sources),
            "teacher": None if teacher is None else teacher.model_copy(update={"file": Path(teacher.file).name}),
            "init_from": shorten(config.init_from),
            "imported_from": shorten(config.imported_from),
        }
    )


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
