"""From what a user points at to a run's domains: folders, or the values of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.attributes import Table, discover_labelled, domain_sets, labelled, table_of
from unpaired.data.domain import KEYS, Domain
from unpaired.data.folders import DomainFiles, discover
from unpaired.data.split import Sets
from unpaired.errors import UsageError, WorkError
from unpaired.labels import Labels, of_domains
from unpaired.methods import METHODS
from unpaired.runs.files import Files


@dataclass(frozen=True)
class Found:
    """The collections as listed (domains, or labelled data sets with their tables), and the labels, if any."""

    files: Sequence[DomainFiles]
    tables: Sequence[Table]
    labels: Labels | None

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains: the values of the labels where there are tables, else the folders."""
        if self.tables and self.labels is not None:
            return self.labels.domains
        return tuple(files.name for files in self.files)


def find(sources: Sequence[Path], method: str, attributes: Sequence[str]) -> Found:
    """List what `sources` hold; `attributes` make the values of labels the domains. Opens no picture.

    Raises UsageError where the method cannot take as many domains, and as `discover` and `discover_labelled` do.
    """
    if attributes:
        found = labelled_collections(sources, attributes)
    else:
        if len(sources) == 1 and sources[0].is_dir() and (table := _readable(sources[0])) is not None:
            raise UsageError(
                f"{table.path} labels the files of {sources[0]}; say which of its columns to learn: --attributes "
                f"{','.join(table.columns[:3])} (a|b|c where they exclude each other). Where it does not, give each "
                "domain's folder by itself"
            )
        listed = discover(sources)
        names = [part.name for part in listed]
        found = Found(listed, (), of_domains(names) if METHODS[method].cls.draws == "labelled" else None)
    needed_domains(method, found.domains)
    return found


def labelled_collections(sources: Sequence[Path], attributes: Sequence[str]) -> Found:
    """What `sources` hold where `attributes` make the values of labels the domains; as `discover_labelled` raises."""
    files, tables, labels = discover_labelled(sources, attributes)
    if files[0].medium == "voice":
        raise UsageError(
            f"--attributes {','.join(attributes)}: for pictures only; recordings are a folder for each speaker, for "
            "each is scaled by its own statistics: unpaired train ALICE/ BOB/ CAROL/"
        )
    return Found(files, tables, labels)


def _readable(folder: Path) -> Table | None:
    """The table of a folder; a text of its name beside it that is none was never meant as one."""
    try:
        return table_of(folder)
    except WorkError:
        return None


def needed_domains(method: str, names: Sequence[str]) -> None:
    """Refuse more domains than the method takes, naming the methods that take many."""
    if len(names) > len(KEYS):
        raise UsageError(f"{len(names):,} domains; at most {len(KEYS)} can be told apart")
    if len(names) > 2 and METHODS[method].domains == "2":
        many = ", ".join(row.name for row in METHODS.values() if row.domains == "many")
        raise UsageError(
            f"{method} takes two domains; {len(names)} were given ({', '.join(names)}). Methods that take many: {many}"
        )


def collected(found: Found, listed: Sequence[Domain], sets: Sequence[Sets]) -> tuple[tuple[Domain, ...], Files]:
    """The domains of a run and their files, from what was `listed` and how it was split.

    Raises WorkError where a value of the labels has fewer than two files to train on.
    """
    if not found.tables or found.labels is None:
        return tuple(listed), Files(sets)
    labels = found.labels
    data = [labelled(sets[i], table, labels, i) for i, table in enumerate(found.tables)]
    parts = list(domain_sets(data, labels))
    for of, part in parts:
        if len(part.train) < 2:
            raise WorkError(
                f"{found.tables[of].path}: '{part.name}' holds for {len(part.train)} of the training files; a domain "
                "needs at least 2"
            )
    domains = tuple(listed[of].model_copy(update={"name": part.name}) for of, part in parts)
    return domains, Files([part for _, part in parts], data)
