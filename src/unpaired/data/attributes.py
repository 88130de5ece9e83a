"""Labelled collections: a table of attributes beside a folder, or a subfolder for each value."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unpaired.atomic import whole
from unpaired.data.folders import DomainFiles, discover_whole
from unpaired.data.paths import Paths, stem
from unpaired.data.split import Sets
from unpaired.errors import UsageError, WorkError, nearest
from unpaired.labels import Group, Labels

TABLES = ("labels.csv", "list_attr_celeba.csv", "list_attr_celeba.txt")
"""Names of tables that are found within a folder; beside it, one with the folder's own name is."""
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "-1", "false", "no", ""}
Rows = npt.NDArray[np.float32]


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


@dataclass(frozen=True)
class Labelled:
    """A data set and the labels of its files by use: (N, L), 0 and 1, zero where the set tells nothing."""

    sets: Sets
    known: tuple[float, ...]
    train: Rows
    validation: Rows
    test: Rows


def read_table(path: Path) -> Table:
    """Read a CSV with a header whose first column names files, or CelebA's own format (a count, the names, rows).

    Raises WorkError where it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkError(f"{path}: cannot be read as a table of labels ({error})") from error
    lines = text.splitlines()
    if lines and lines[0].strip().isdigit():
        columns = tuple(lines[1].split()) if len(lines) > 1 else ()
        rows = [line.split() for line in lines[2:] if line.strip()]
    else:
        read = [row for row in csv.reader(io.StringIO(text)) if row]
        columns = tuple(cell.strip() for cell in read[0][1:]) if read else ()
        rows = read[1:]
    if not columns or not rows:
        raise WorkError(f"{path}: expected a header (file, attributes ...) and a row for each file")
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns) + 1:
            raise WorkError(f"{path}: row {number} ('{row[0]}') has {len(row) - 1} values for {len(columns)} columns")
    return Table(path, columns, {row[0].strip(): tuple(cell.strip() for cell in row[1:]) for row in rows})


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

    An attribute is a column of 0 and 1 (or -1 and 1), a column of texts (which exclude each other), or several columns
    that exclude each other, `black|blond|brown`. A folder without a table needs a subfolder for each value.

    Raises UsageError for attributes that no table has, WorkError for damaged tables and folders without labels.
    """
    files = discover_whole(sources)
    tables = [
        table_of(part.train.root.parent if part.train.root.name == "train" else part.train.root) for part in files
    ]
    known = [column for table in tables if table for column in table.columns]
    groups: list[Group] = []
    tell: list[list[int]] = [[] for _ in files]
    for attribute in attributes:
        columns = attribute.split("|")
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
            groups.append(Group(values=tuple(out[i].values("value"))))
        elif tell[i]:
            out.append(table)
        else:
            raise UsageError(f"{table.path}: none of the attributes {', '.join(attributes)} is one of its columns")
    labels = Labels(groups=tuple(groups), sets=tuple(map(tuple, tell)))
    names = labels.domains
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two values are named '{twice}'; rename one of them")
    return files, out, labels


def _folder_of(files: DomainFiles) -> Path:
    """The folder that was given: above train/, where that is where the files are."""
    root = files.train.root
    return root.parent if root.name == "train" else root


def _group(columns: list[str], tables: list[Table]) -> Group:
    texts = [value for table in tables for value in table.values(columns[0])]
    if len(columns) == 1 and not {text.lower() for text in texts} <= _TRUE | _FALSE:
        return Group(values=tuple(sorted(set(texts))))
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
    """The files of data set number `of` that the table has, with their labels; raises WorkError where it has none."""
    by_stem = {stem(name): row for name, row in table.rows.items()}
    parts: dict[str, Paths] = {}
    rows: dict[str, Rows] = {}
    for use, paths in (("train", sets.train), ("validation", sets.validation), ("test", sets.test)):
        found = [_row(name, table, by_stem) for name in paths]
        parts[use] = paths.take([i for i, row in enumerate(found) if row is not None])
        vectors = [_vector(row, table, labels, of) for row in found if row is not None]
        rows[use] = np.array(vectors, np.float32).reshape(-1, labels.size)
    if not any(map(len, parts.values())):
        raise WorkError(f"{table.path}: has no row for any file of {sets.train.root}")
    kept = replace(sets, train=parts["train"], validation=parts["validation"], test=parts["test"])
    return Labelled(kept, labels.known(of), **rows)


def _row(name: str, table: Table, by_stem: Mapping[str, tuple[str, ...]]) -> tuple[str, ...] | None:
    last = name.rpartition("/")[2]
    for key in (name, last):
        if key in table.rows:
            return table.rows[key]
    return by_stem.get(stem(name), by_stem.get(stem(last)))


def _vector(row: tuple[str, ...], table: Table, labels: Labels, of: int) -> list[float]:
    out: list[float] = []
    for g, group in enumerate(labels.groups):
        if g not in labels.sets[of]:
            out += [0.0] * len(group.values)
        elif set(group.values) <= set(table.columns):
            out += [_truth(row[table.columns.index(value)], table) for value in group.values]
        else:
            out += [float(value in row) for value in group.values]
    return out


def known_labels(table: Table, labels: Labels) -> dict[str, tuple[float, ...]]:
    """For each file's own name the labels (L,) that a table tells, NaN for those that it has no column for."""
    out: dict[str, tuple[float, ...]] = {}
    for name, row in table.rows.items():
        vector: list[float] = []
        for group in labels.groups:
            if set(group.values) <= set(table.columns):
                vector += [_truth(row[table.columns.index(value)], table) for value in group.values]
            elif set(group.values) & set(row):
                vector += [float(value in row) for value in group.values]
            else:
                vector += [math.nan] * len(group.values)
        out[name.rpartition("/")[2]] = tuple(vector)
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
