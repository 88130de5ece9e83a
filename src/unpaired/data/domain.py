"""A domain, as a run's configuration records it."""

from __future__ import annotations

from pydantic import Field, SerializeAsAny

from unpaired.config.settings import StrictModel

DOMAIN_KEYS = ("X", "Y", *(f"X{i}" for i in range(3, 1000)))
"""The names that methods have for the domains, in the order in which they were given."""


class Domain(StrictModel):
    """A domain's name and folders, and what its medium measured of its files."""

    name: str
    sources: tuple[str, ...] = Field(description="folders of its files")
    statistics: SerializeAsAny[StrictModel] = Field(description="what the medium measured of the files")
