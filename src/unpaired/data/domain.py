"""A domain, as stored in a run's configuration."""

from __future__ import annotations

from pydantic import Field, SerializeAsAny, field_validator

from unpaired.config.settings import StrictModel

DOMAIN_KEYS = ("X", "Y", *(f"X{i}" for i in range(3, 1000)))
"""Keys of the domains in methods, in the order in which the domains are given."""


class Domain(StrictModel):
    """Name and folders of a domain, with the statistics of its files."""

    name: str
    sources: tuple[str, ...] = Field(description="folders of its files")
    statistics: SerializeAsAny[StrictModel] = Field(description="statistics of the files, measured by the medium")

    @field_validator("name")
    @classmethod
    def _require_file_name(cls, name: str) -> str:
        """Refuse names that lead to other folders, because names of outputs are made from them."""
        if name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise ValueError(f"'{name}' cannot name a domain")
        return name
