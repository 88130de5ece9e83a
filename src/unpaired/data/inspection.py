"""What a look at files of any medium counts: those that cannot be used, and whether enough are left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from unpaired.data.folders import DomainFiles
from unpaired.errors import UnreadableFileError, WorkError

MAX_LISTED_FILES = 100
"""Unusable files of a domain that are named one by one."""


@dataclass
class DomainInspection:
    """One domain's files, and those of them that cannot be used."""

    files: DomainFiles
    unreadable: list[UnreadableFileError] = field(default_factory=list)
    unreadable_in_train: int = 0

    @property
    def usable_count(self) -> int:
        """Files to train on (and to hold back from), less those found unreadable."""
        return len(self.files.train) - self.unreadable_in_train

    def add_unreadable(self, error: UnreadableFileError, in_train: bool) -> None:
        """Add a file that cannot be used."""
        self.unreadable.append(error)
        self.unreadable_in_train += in_train

    def format_unreadable(self, noun: str) -> list[str]:
        """Lines that name the files that cannot be used, which are `what` ("unreadable file")."""
        if not self.unreadable:
            return []
        lines = [
            f"  {format_count(len(self.unreadable), noun)}:",
            *(f"    {unreadable_file}" for unreadable_file in self.unreadable[:MAX_LISTED_FILES]),
        ]
        return (
            lines
            if len(self.unreadable) <= MAX_LISTED_FILES
            else [*lines, f"    and {len(self.unreadable) - MAX_LISTED_FILES:,} more"]
        )


@dataclass(frozen=True)
class DataReport(ABC):
    """What a look at the domains found."""

    domains: tuple[DomainInspection, ...]

    @property
    @abstractmethod
    def errors(self) -> list[str]:
        """What makes training impossible."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Whole path -> reason, of every file that cannot be used."""
        return {
            unreadable_file.path: unreadable_file.reason
            for domain in self.domains
            for unreadable_file in domain.unreadable
        }

    def require_usable(self) -> None:
        """Raise WorkError where training is impossible."""
        if self.errors:
            raise WorkError("\n".join(self.errors))


def format_count(count: int, noun: str) -> str:
    """How many there are, in words: "1 file", "1,200 files"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
