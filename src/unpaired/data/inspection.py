"""Inspection results of any medium: unusable files, and whether enough files remain for training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from unpaired.console import LogCallback
from unpaired.data.folders import DomainFiles
from unpaired.data.split import DomainSplits, compute_holdout_counts, format_split_counts, split_files
from unpaired.errors import UnreadableFileError, WorkError

MAX_LISTED_FILES = 100
"""Maximum number of unusable files per domain that are listed by name."""


@dataclass
class DomainInspection:
    """Files of a domain, and those that cannot be used."""

    files: DomainFiles
    unreadable: list[UnreadableFileError] = field(default_factory=list)
    unreadable_in_train: int = 0

    @property
    def usable_count(self) -> int:
        """Number of usable files for training, including those that will be held out for validation and test."""
        return len(self.files.train) - self.unreadable_in_train

    def add_unreadable(self, error: UnreadableFileError, in_train: bool) -> None:
        """Add a file that cannot be used."""
        self.unreadable.append(error)
        self.unreadable_in_train += in_train

    def get_group_function(self) -> Callable[[str], str] | None:
        """Return the function from names of files to groups that no split divides; None: each file is by itself."""
        return None

    def format_split(self, holdout_fraction: float) -> str:
        """Return the numbers of files that training would put into each split."""
        has_test = self.files.test is not None
        validation, test = compute_holdout_counts(self.usable_count, holdout_fraction, has_test)
        train = self.usable_count - validation - (0 if has_test else test)
        if self.files.test is not None:
            test = len(self.files.test) - (len(self.unreadable) - self.unreadable_in_train)
        return f"{self.files.name}: {format_split_counts(train, validation, test, has_test)}"

    def format_unreadable(self, noun: str) -> list[str]:
        """Return lines that list the unusable files; `noun` names one ("unreadable file")."""
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
    """Result of inspecting the domains."""

    domains: tuple[DomainInspection, ...]

    @property
    @abstractmethod
    def errors(self) -> list[str]:
        """Reasons why training is impossible."""

    @property
    def unreadable(self) -> dict[str, str]:
        """Path -> reason of every file that cannot be used."""
        return {
            unreadable_file.path: unreadable_file.reason
            for domain in self.domains
            for unreadable_file in domain.unreadable
        }

    def log_files(self, log: LogCallback) -> None:
        """Log the suffixes of domains that have several, and the files that are skipped with their reasons."""
        for domain in self.domains:
            if kinds := domain.files.describe_kinds():
                log(f"{domain.files.name}: {kinds}")
        for path, reason in self.unreadable.items():
            log(f"skipped: {path}: {reason}")

    def require_usable(self) -> None:
        """Raise WorkError if training is impossible."""
        if self.errors:
            raise WorkError("\n".join(self.errors))

    def split_files(self, holdout_fraction: float, seed: int) -> list[DomainSplits]:
        """Split the files of every domain; unusable files are in no split."""
        unreadable = self.unreadable
        return [
            split_files(domain.files, holdout_fraction, seed, unreadable, domain.get_group_function())
            for domain in self.domains
        ]


def format_count(count: int, noun: str) -> str:
    """Return a count with its noun: "1 file", "1,200 files"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
