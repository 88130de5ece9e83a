"""Listing of the given data: domains from folders, or from label values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.attributes import discover_labelled_data
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.data.folders import DomainFiles, discover
from unpaired.data.label_table import LabelTable, find_table
from unpaired.data.labelled_splits import LabelledSplits, attach_labels, iterate_domain_splits
from unpaired.data.layouts import is_single_domain
from unpaired.data.split import DomainSplits
from unpaired.errors import UsageError, WorkError
from unpaired.labels import Labels, create_domain_labels
from unpaired.media import Medium
from unpaired.methods import METHODS
from unpaired.methods.capabilities import SynthesisMethod
from unpaired.runs.files import RunFiles
from unpaired.training.feasibility import explain_unsupported


@dataclass(frozen=True)
class DataListing:
    """Listed collections (domains, or labeled data sets with their tables), and the labels, if any."""

    files: Sequence[DomainFiles]
    tables: Sequence[LabelTable]
    labels: Labels | None

    @property
    def medium(self) -> Medium:
        """Medium of the files."""
        return self.files[0].medium

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains: the label values if there are tables, else the folders."""
        if self.tables and self.labels is not None:
            return self.labels.domains
        return tuple(files.name for files in self.files)


def list_data(sources: Sequence[Path], method: str, attributes: Sequence[str]) -> DataListing:
    """List the files in `sources`, without opening them; with `attributes`, the label values are the domains.

    Raises UsageError if the method does not support this number of domains, and as `discover` and
    `discover_labelled_data` do.
    """
    if attributes:
        listing = list_labelled_data(sources, attributes)
    else:
        if len(sources) == 1 and sources[0].is_dir() and (table := _read_table_if_valid(sources[0])) is not None:
            raise UsageError(
                f"{table.path} labels the files of {sources[0]}; give the columns to learn: --attributes "
                f"{','.join(table.columns[:3])} (a|b|c if they are mutually exclusive). If it is not meant as a label "
                "table, give the folder of each domain"
            )
        domain_files = _discover_domains(sources, method)
        names = [part.name for part in domain_files]
        listing = DataListing(
            domain_files, (), create_domain_labels(names) if METHODS[method].cls.batch_kind == "labelled" else None
        )
    require_domain_count(method, listing.domains)
    return listing


def _discover_domains(sources: Sequence[Path], method: str) -> list[DomainFiles]:
    """List the domains; raises UsageError for a single domain if the method needs two, and names those that do not."""
    if issubclass(METHODS[method].cls, SynthesisMethod):
        return discover(sources, allow_single=True)
    try:
        return discover(sources)
    except UsageError as error:
        if len(sources) != 1 or not (sources[0].is_dir() and is_single_domain(sources[0])):
            raise
        raise UsageError(f"{error}. Method for one folder of recordings: {', '.join(list_single_methods())}") from error


def discover_for_any_method(sources: Sequence[Path]) -> list[DomainFiles]:
    """List the domains; raises UsageError for a single one if no method can train on it, and as `discover` does."""
    found = discover(sources, allow_single=True)
    if len(found) == 1 and not list_single_methods(found[0].medium):
        return discover(sources)  # raises the error
    return found


def list_single_methods(medium: Medium | None = None) -> list[str]:
    """Return the methods that train on one domain, of files of `medium` if it is given."""
    return [
        name
        for name, row in METHODS.items()
        if issubclass(row.cls, SynthesisMethod) and (medium is None or not explain_unsupported(name, medium))
    ]


def list_labelled_data(sources: Sequence[Path], attributes: Sequence[str]) -> DataListing:
    """List collections whose label values are the domains; raises as `discover_labelled_data` does."""
    files, tables, labels = discover_labelled_data(sources, attributes)
    medium = files[0].medium
    if not medium.supports_attributes:
        raise UsageError(
            f"--attributes {','.join(attributes)}: not available for {medium.files_noun}; give a folder for each domain"
        )
    return DataListing(files, tables, labels)


def _read_table_if_valid(folder: Path) -> LabelTable | None:
    """Return the label table of a folder, or None; ignores a text file of the same name that is not a table."""
    try:
        return find_table(folder)
    except WorkError:
        return None


def require_domain_count(method: str, names: Sequence[str]) -> None:
    """Raise UsageError for more domains than the method takes; lists the methods that take many."""
    if len(names) > len(DOMAIN_KEYS):
        raise UsageError(f"{len(names):,} domains; expected at most {len(DOMAIN_KEYS)}")
    if len(names) > 2 and METHODS[method].domains == "2":
        supported = ", ".join(row.name for row in METHODS.values() if row.domains == "many")
        raise UsageError(
            f"{method} takes two domains; {len(names)} were given ({', '.join(names)}). Methods that take many: "
            f"{supported}"
        )


def build_domains(
    listing: DataListing, listed_domains: Sequence[Domain], splits: Sequence[DomainSplits]
) -> tuple[tuple[Domain, ...], RunFiles]:
    """Build the domains of a run and their files from the listing and the splits.

    Raises WorkError if a label value has fewer than two training files.
    """
    if not listing.tables or listing.labels is None:
        return tuple(listed_domains), RunFiles(splits)
    datasets, parts = split_by_labels(listing, splits)
    domains = tuple(listed_domains[index].model_copy(update={"name": split.name}) for index, split in parts)
    return domains, RunFiles([split for _, split in parts], datasets)


def split_by_labels(
    listing: DataListing, splits: Sequence[DomainSplits]
) -> tuple[list[LabelledSplits], list[tuple[int, DomainSplits]]]:
    """Split labeled collections into the domains that their labels define.

    Returns the collections with labels, and for each domain the index of its collection and its files. Raises WorkError
    if a label value has fewer than two training files.
    """
    assert listing.labels is not None
    labels = listing.labels
    datasets = [attach_labels(splits[i], table, labels, i) for i, table in enumerate(listing.tables)]
    parts = list(iterate_domain_splits(datasets, labels))
    for index, split in parts:
        if len(split.train) < 2:
            raise WorkError(
                f"{listing.tables[index].path}: '{split.name}' has {len(split.train)} training files; expected at "
                "least 2"
            )
    return datasets, parts
