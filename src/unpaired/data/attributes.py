"""Labelled collections: a table of attributes beside a folder, or a subfolder for each value."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unpaired.atomic import whole
from unpaired.data.folders import DomainFiles, discover_whole, nameable
from unpaired.data.paths import Paths, stem
from unpaired.data.split import Sets
from unpaired.errors import UsageError, WorkError, nearest
from unpaired.labels import Group, Labels

TABLES = ("labels.csv", "list_attr_celeba.csv", "list_attr_celeba.txt")
"""Names of tables that are found within a folder; beside it, one with the folder's own name is."""
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "-1", "false", "no", ""}
Rows = npt.NDArray[np.float32]


class Place(NamedTuple):
    """Where a table has the label of a group: a column for each of its values, or one of `texts`."""

    columns: tuple[int, ...]
    texts: bool


@dataclass(frozen=True)
class Table:
    """Attributes of files: `rows` from a file's name (as in the table) to the text of each of `columns`."""

    path: Path
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]

    def values(self, column: str) -> list[str]:
        """The different texts in a column, in order."""
        at = self.columns.index(column)
        return sorted({row[at] for row in self.rows.values()})

    @cached_property
    def stems(self) -> Mapping[str, str]:
        """From names without their suffix to the names."""
        return {stem(name): name for name in self.rows}

    def named(self, name: str) -> str | None:
        """What the table calls a file: its name from the folder, its own, or one of these without suffix; else None."""
        last = name.rpartition("/")[2]
        whole = next((key for key in (name, last) if key in self.rows), None)
        return whole or next((self.stems[key] for key in (stem(name), stem(last)) if key in self.stems), None)

    def place(self, group: Group) -> Place | None:
        """Where the label of a group stands; None where no column tells it."""
        if set(group.values) <= set(self.columns):
            return Place(tuple(map(self.columns.index, group.values)), texts=False)
        columns = [group.column, *self.columns] if group.column in self.columns else self.columns
        found = next((column for column in columns if set(group.values) & set(self.values(column))), None)
        return None if found is None else Place((self.columns.index(found),), texts=True)


@dataclass(frozen=True)
class Labelled:
    """A data set and the labels of its files by use: (N, L), 0 and 1, zero where the set tells nothing."""

    sets: Sets
    known: tuple[float, ...]
    train: Rows
    validation: Rows
    test: Rows


def read_table(path: Path, errors: str = "strict") -> Table:
    """Read a CSV with a header whose first column names files, or CelebA's own format (a count, the names, rows).

    `errors` is what becomes of bytes that are not UTF-8. Raises WorkError where it is neither, or contradicts itself.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors=errors)
    except (OSError, UnicodeDecodeError) as error:
        raise WorkError(f"{path}: cannot be read as a table of labels ({error})") from error
    lines = text.splitlines()
    if lines and lines[0].strip().isdigit():
        columns = tuple(lines[1].split()) if len(lines) > 1 else ()
        rows = [line.split() for line in lines[2:] if line.strip()]
    else:
        try:
            read = [row for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
        except csv.Error as error:
            raise WorkError(f"{path}: cannot be read as a table of labels ({error})") from error
        columns = tuple(cell.strip() for cell in read[0][1:]) if read else ()
        rows = read[1:]
    if not columns or not rows:
        raise WorkError(f"{path}: expected a header (file,attributes ...) and a row for each file, parted by commas")
    if twice := next((column for column in columns if column and columns.count(column) > 1), None):
        raise WorkError(f"{path}: two columns are named '{twice}'")
    known: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns) + 1:
            raise WorkError(f"{path}: row {number} ('{row[0]}') has {len(row) - 1} values for {len(columns)} columns")
        name, *cells = map(str.strip, row)
        if known.setdefault(name, tuple(cells)) != tuple(cells):
            raise WorkError(f"{path}: row {number} says of '{name}' other than a row before it")
    return Table(path, columns, known)


def table_of(folder: Path) -> Table | None:
    """The table that belongs to a folder: within it, or beside it under its name."""
    beside = [folder.parent / f"{folder.name}{suffix}" for suffix in (".csv", ".txt")]
    for path in [*(folder / name for name in TABLES), *beside]:
        if path.is_file():
            return read_table(path)
    return None


def discover_labelled(
    sources: Sequence[Path | str], attributes: Sequence[str]
) -> tuple[list[DomainFiles], list[Table], Labels]:
    """The data sets of `sources` (a folder each), their tables, and the labels that `attributes` ask for.

    An attribute is a column of 0 and 1 (or -1 and 1), a column of texts (which exclude each other; none where the cell
    is empty), or several columns that exclude each other, `black|blond|brown`. A folder without a table needs a
    subfolder for each value.

    Raises UsageError for attributes that no table has and values that cannot name a domain, WorkError for damaged
    tables and folders without labels.
    """
    files = discover_whole(sources)
    tables = [table_of(_folder_of(part)) for part in files]
    known = [column for table in tables if table for column in table.columns]
    if not known:
        folder = _folder_of(files[0])
        raise UsageError(
            f"--attributes {','.join(attributes)}: {folder} has no table of them; expected {folder.name}.csv beside "
            f"it, or {TABLES[0]} in it. Without --attributes, folders are the domains"
        )
    groups: list[Group] = []
    tell: list[list[int]] = [[] for _ in files]
    for attribute in attributes:
        columns = [column.strip() for column in attribute.split("|")]
        if missing := [column for column in columns if column not in known]:
            raise UsageError(f"attribute '{missing[0]}': {nearest(missing[0], known)}")
        having = [i for i, table in enumerate(tables) if table and set(columns) <= set(table.columns)]
        if not having:
            raise UsageError(f"attributes {attribute}: no table has all of them")
        for i in having:
            tell[i].append(len(groups))
        groups.append(_group(columns, [table for i in having if (table := tables[i])]))
    out: list[Table] = []
    for i, (part, table) in enumerate(zip(files, tables, strict=True)):
        if table is None:
            out.append(_by_subfolder(part))
            tell[i].append(len(groups))
            groups.append(Group(values=tuple(out[i].values("value")), column="value"))
        elif tell[i]:
            out.append(table)
        else:
            raise UsageError(f"{table.path}: none of the attributes {', '.join(attributes)} is one of its columns")
    labels = Labels(groups=tuple(groups), sets=tuple(map(tuple, tell)))
    names = labels.domains
    if wrong := next((name for name in names if not nameable(name)), None):
        raise UsageError(f"a value is '{wrong}', which cannot name a domain (no ',', '=' and '/'); rename it")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two values are named '{twice}'; rename one of them")
    return files, out, labels


def _folder_of(files: DomainFiles) -> Path:
    """The folder that was given: above train/, where that is where the files are."""
    root = files.train.root
    return root.parent if root.name == "train" else root


def _group(columns: list[str], tables: list[Table]) -> Group:
    texts = {value for table in tables for value in table.values(columns[0])}
    if len(columns) == 1 and not {text.lower() for text in texts} <= _TRUE | _FALSE:
        return Group(values=tuple(sorted(texts - {""})), column=columns[0])
    return Group(values=tuple(columns))


def _by_subfolder(files: DomainFiles) -> Table:
    """A table of one column that says in which subfolder a file is."""
    paths = [*files.train, *(files.test or [])]
    values = {name: name.partition("/")[0] for name in paths if "/" in name}
    if len(set(values.values())) < 2:
        raise WorkError(
            f"{files.train.root}: no labels; expected a table ({files.name}.csv beside the folder, or labels.csv in "
            "it), or a subfolder for each value"
        )
    return Table(files.train.root, ("value",), {name: (value,) for name, value in values.items()})


def labelled(sets: Sets, table: Table, labels: Labels, of: int) -> Labelled:
    """The files of data set number `of` that the table has, with their labels.

    Raises WorkError where it has none of them, or one row for files of different folders.
    """
    places = {g: table.place(labels.groups[g]) for g in labels.sets[of]}
    parts: dict[str, Paths] = {}
    rows: dict[str, Rows] = {}
    whose: dict[tuple[Path, str], str] = {}
    for use, paths in (("train", sets.train), ("validation", sets.validation), ("test", sets.test)):
        found = [(i, name, key) for i, name in enumerate(paths) if (key := table.named(name)) is not None]
        for _, name, key in found:
            if stem(other := whose.setdefault((paths.root, key), name)) != stem(name):
                both = f"{other} and of {name}"
                raise WorkError(f"{table.path}: its row '{key}' could be of {both}; expected names from the folder on")
        parts[use] = paths.take([i for i, _, _ in found])
        vectors = [_vector(table.rows[key], table, labels, places) for _, _, key in found]
        rows[use] = np.array(vectors, np.float32).reshape(-1, labels.size)
    if not any(map(len, parts.values())):
        raise WorkError(f"{table.path}: has no row for any file of {sets.train.root}")
    kept = replace(sets, train=parts["train"], validation=parts["validation"], test=parts["test"])
    return Labelled(kept, labels.known(of), **rows)


def _vector(row: tuple[str, ...], table: Table, labels: Labels, places: Mapping[int, Place | None]) -> list[float]:
    out: list[float] = []
    for g, group in enumerate(labels.groups):
        place = places.get(g)
        out += _held(row, table, group, place) if place is not None else [0.0] * len(group.values)
    return out


def _held(row: tuple[str, ...], table: Table, group: Group, place: Place) -> list[float]:
    cells = [row[column] for column in place.columns]
    return [float(value == cells[0]) for value in group.values] if place.texts else [_truth(c, table) for c in cells]


def known_labels(table: Table, labels: Labels) -> dict[str, tuple[float, ...]]:
    """For each file's name in a table the labels (L,) that it tells, NaN where it has no column, or an empty cell."""
    places = [table.place(group) for group in labels.groups]
    out: dict[str, tuple[float, ...]] = {}
    for name, row in table.rows.items():
        vector: list[float] = []
        for group, place in zip(labels.groups, places, strict=True):
            told = place is not None and all(row[column] for column in place.columns)
            vector += _held(row, table, group, place) if place and told else [math.nan] * len(group.values)
        out[name] = tuple(vector)
    return out


def _truth(text: str, table: Table) -> float:
    if text.lower() in _TRUE:
        return 1.0
    if text.lower() in _FALSE:
        return 0.0
    raise WorkError(f"{table.path}: '{text}'; expected 0 or 1 (or -1 and 1, true and false, yes and no)")


def domain_sets(data: Sequence[Labelled], labels: Labels) -> Iterator[tuple[int, Sets]]:
    """For each domain of `labels` the number of the data set that it is in, and its files; joint sets' first counts."""
    for name, goal in zip(labels.domains, labels.goals, strict=True):
        of = next(i for i, groups in enumerate(labels.sets) if goal.group in groups)
        part = data[of]
        taken = {
            use: paths.take(np.flatnonzero((rows[:, goal.columns] == np.array(goal.values)).all(1)))
            for use, paths, rows in (
                ("train", part.sets.train, part.train),
                ("validation", part.sets.validation, part.validation),
                ("test", part.sets.test, part.test),
            )
        }
        yield (
            of,
            replace(part.sets, name=name, train=taken["train"], validation=taken["validation"], test=taken["test"]),
        )


def write_labels(path: Path, data: Labelled, labels: Labels) -> None:
    """Write the labels of a data set's files as a table, whole or not at all; raises WorkError."""
    told = np.flatnonzero(data.known)
    with whole(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *(labels.values[i] for i in told)])
        parts = ((data.sets.train, data.train), (data.sets.validation, data.validation), (data.sets.test, data.test))
        for paths, rows in parts:
            for name, row in zip(paths, rows, strict=True):
                writer.writerow([name, *(int(row[i]) for i in told)])
