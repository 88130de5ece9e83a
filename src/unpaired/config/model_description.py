"""Description of a model: everything about it that a translation needs besides its networks. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, SerializeAsAny, ValidationError, ValidationInfo, field_validator

from unpaired.config.settings import StrictModel
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.errors import UsageError, find_similar_name
from unpaired.file_names import normalize_name
from unpaired.labels import Labels
from unpaired.media import MEDIA, Medium
from unpaired.routes import Route


class ModelDescription(StrictModel):
    """Method, medium, domains and labels of a model. A run's configuration and an exported file extend it."""

    format: int
    unpaired_version: str = Field(description="version of unpaired that wrote this configuration")
    method: str
    medium: str = Field(description="medium of the files, a key of MEDIA")
    medium_settings: SerializeAsAny[StrictModel]
    domains: tuple[Domain, ...]
    labels: Labels | None = Field(None, description="labels for a label-conditioned method")

    @field_validator("medium")
    @classmethod
    def _require_known_medium(cls, name: str) -> str:
        return require_known(name, MEDIA)

    @field_validator("medium_settings", mode="before")
    @classmethod
    def _validate_medium_settings(cls, values: Any, info: ValidationInfo) -> Any:
        """Validate the settings with the model of the medium."""
        if not isinstance(values, Mapping) or "medium" not in info.data:
            return values
        return validate_part(MEDIA[info.data["medium"]].settings_model, values)

    @field_validator("domains", mode="before")
    @classmethod
    def _validate_statistics(cls, domains: Any, info: ValidationInfo) -> Any:
        return validate_statistics(domains, info)

    def get_medium(self) -> Medium:
        """Return the medium of the run's files."""
        return MEDIA[self.medium]

    def find_key(self, name: str) -> str:
        """Return the key ("X", "Y") of a domain; raises UsageError that lists the known names."""
        names = [d.name for d in self.domains]
        if name not in names:  # the Unicode normal forms of typed and stored names may differ
            name = next((n for n in names if normalize_name(n) == normalize_name(name)), name)
        if name not in names:
            similar = find_similar_name(name, names)
            suggestion = f"did you mean '{similar}'? " if similar else ""
            raise UsageError(f"domain '{name}': {suggestion}expected one of this run's domains: {', '.join(names)}")
        return DOMAIN_KEYS[names.index(name)]

    def get_domain(self, key: str) -> Domain:
        """Return the domain with the key `key`."""
        return self.domains[DOMAIN_KEYS.index(key)]

    def format_route(self, route: Route, separator: str = " -> ") -> str:
        """Return a route as the names of its domains."""
        return f"{self.get_domain(route.source).name}{separator}{self.get_domain(route.target).name}"


def require_known(name: str, known: Mapping[str, object]) -> str:
    """Return `name`; raises ValueError if it is not a key of `known`."""
    if name not in known:
        raise ValueError(
            f"'{name}' is unknown; install the package that adds it, or expected one of {', '.join(known)}"
        )
    return name


def validate_statistics(domains: Any, info: ValidationInfo) -> Any:
    """Validate each domain's statistics with the medium's model."""
    if not isinstance(domains, Sequence) or "medium" not in info.data:
        return domains
    model = MEDIA[info.data["medium"]].statistics_model
    return [
        domain | {"statistics": validate_part(model, domain["statistics"])}
        if isinstance(domain, dict) and isinstance(domain.get("statistics"), Mapping)
        else domain
        for domain in domains
    ]


def validate_part(model: type[StrictModel], values: Mapping[str, Any]) -> StrictModel:
    """Validate a part of a configuration; raises ValueError with the first wrong key."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first_error = error.errors()[0]
        key = ".".join(map(str, first_error["loc"]))
        if first_error["type"] == "extra_forbidden":
            raise ValueError(f"'{key}' is not a setting of this version; train a new run") from error
        raise ValueError(f"{key}: {first_error['msg']}") from error
