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

from unpaired.atomic import atomic_write
from unpaired.data.folders import DomainFiles, discover_collections, is_valid_name
from unpaired.data.paths import Paths, remove_suffix
from unpaired.data.split import DomainSplits
from unpaired.data.walk import format_names
from unpaired.errors import UsageError, WorkError, suggest_name
from unpaired.file_names import normalize_name
from unpaired.labels import LabelGroup, Labels

TABLE_NAMES = ("labels.csv", "list_attr_celeba.csv", "list_attr_celeba.txt")
"""Names of tables that are found within a folder; beside it, one with the folder's own name is."""
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "-1", "false", "no", ""}
LabelMatrix = npt.NDArray[np.float32]


class LabelColumns(NamedTuple):
    """Where a table has the label of a group: a column for each of its values, or one of `texts`."""

    columns: tuple[int, ...]
    is_categorical: bool


@dataclass(frozen=True)
class LabelTable:
    """Attributes of files: `rows` from a file's name (as in the table) to the text of each of `columns`."""

    path: Path
    columns: tuple[str, ...]
    cells_by_name: Mapping[str, tuple[str, ...]]

    def list_values(self, column: str) -> list[str]:
        """The different texts in a column, in order."""
        column_index = self.columns.index(column)
        return sorted({row[column_index] for row in self.cells_by_name.values()})

    @cached_property
    def name_by_stem(self) -> Mapping[str, str]:
        """From names without their suffix to the names."""
        return {normalize_name(remove_suffix(name)): name for name in self.cells_by_name}

    def find_row_name(self, name: str) -> str | None:
        """What the table calls a file: its name from the folder, its own, or one of these without suffix; else None."""
        file_name = name.rpartition("/")[2]
        exact_name = next((key for key in (name, file_name) if key in self.cells_by_name), None)
        return exact_name or next(
            (
                self.name_by_stem[key]
                for key in (normalize_name(remove_suffix(name)), normalize_name(remove_suffix(file_name)))
                if key in self.name_by_stem
            ),
            None,
        )

    def locate_group(self, group: LabelGroup) -> LabelColumns | None:
        """Where the label of a group stands; None where no column tells it."""
        if set(group.values) <= set(self.columns):
            return LabelColumns(tuple(map(self.columns.index, group.values)), is_categorical=False)
        columns = [group.column, *self.columns] if group.column in self.columns else self.columns
        matching_column = next(
            (column for column in columns if set(group.values) & set(self.list_values(column))), None
        )
        return (
            None
            if matching_column is None
            else LabelColumns((self.columns.index(matching_column),), is_categorical=True)
        )


@dataclass(frozen=True)
class LabelledSplits:
    """A data set and the labels of its files by use: (N, L), 0 and 1, zero where the set tells nothing."""

    splits: DomainSplits
    known_columns: tuple[float, ...]
    train: LabelMatrix
    validation: LabelMatrix
    test: LabelMatrix


def read_table(path: Path, errors: str = "strict") -> LabelTable:
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
            nonempty_rows = [row for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
        except csv.Error as error:
            raise WorkError(f"{path}: cannot be read as a table of labels ({error})") from error
        columns = tuple(cell.strip() for cell in nonempty_rows[0][1:]) if nonempty_rows else ()
        rows = nonempty_rows[1:]
    if not columns or not rows:
        raise WorkError(f"{path}: expected a header (file,attributes ...) and a row for each file, parted by commas")
    if duplicate := next((column for column in columns if column and columns.count(column) > 1), None):
        raise WorkError(f"{path}: two columns are named '{duplicate}'")
    cells_by_name: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns) + 1:
            raise WorkError(f"{path}: row {number} ('{row[0]}') has {len(row) - 1} values for {len(columns)} columns")
        name, *cells = map(str.strip, row)
        if cells_by_name.setdefault(name, tuple(cells)) != tuple(cells):
            raise WorkError(f"{path}: row {number} says of '{name}' other than a row before it")
    return LabelTable(path, columns, cells_by_name)


def find_table(folder: Path) -> LabelTable | None:
    """The table that belongs to a folder: within it, or beside it under its name."""
    sibling_paths = [folder.parent / f"{folder.name}{suffix}" for suffix in (".csv", ".txt")]
    for path in [*(folder / name for name in TABLE_NAMES), *sibling_paths]:
        if path.is_file():
            return read_table(path)
    return None


def discover_labelled_data(
    sources: Sequence[Path | str], attributes: Sequence[str]
) -> tuple[list[DomainFiles], list[LabelTable], Labels]:
    """The data sets of `sources` (a folder each), their tables, and the labels that `attributes` ask for.

    An attribute is a column of 0 and 1 (or -1 and 1), a column of texts (which exclude each other; none where the cell
    is empty), or several columns that exclude each other, `black|blond|brown`. A folder without a table needs a
    subfolder for each value.

    Raises UsageError for attributes that no table has and values that cannot name a domain, WorkError for damaged
    tables and folders without labels.
    """
    files = discover_collections(sources)
    tables = [find_table(_get_data_folder(domain_files)) for domain_files in files]
    all_columns = [column for table in tables if table for column in table.columns]
    if not all_columns:
        folder = _get_data_folder(files[0])
        raise UsageError(
            f"--attributes {','.join(attributes)}: {folder} has no table of them; expected {folder.name}.csv beside "
            f"it, or {TABLE_NAMES[0]} in it. Without --attributes, folders are the domains"
        )
    groups: list[LabelGroup] = []
    groups_by_table: list[list[int]] = [[] for _ in files]
    for attribute in attributes:
        columns = [column.strip() for column in attribute.split("|")]
        if missing := [column for column in columns if column not in all_columns]:
            raise UsageError(f"attribute '{missing[0]}': {suggest_name(missing[0], all_columns)}")
        matching_tables = [i for i, table in enumerate(tables) if table and set(columns) <= set(table.columns)]
        if not matching_tables:
            raise UsageError(f"attributes {attribute}: no table has all of them")
        for i in matching_tables:
            groups_by_table[i].append(len(groups))
        groups.append(_create_group(columns, [table for i in matching_tables if (table := tables[i])]))
    label_tables: list[LabelTable] = []
    for i, (domain_files, table) in enumerate(zip(files, tables, strict=True)):
        if table is None:
            label_tables.append(_create_subfolder_table(domain_files))
            groups_by_table[i].append(len(groups))
            groups.append(LabelGroup(values=tuple(label_tables[i].list_values("value")), column="value"))
        elif groups_by_table[i]:
            label_tables.append(table)
        else:
            raise UsageError(f"{table.path}: none of the attributes {', '.join(attributes)} is one of its columns")
    labels = Labels(groups=tuple(groups), dataset_groups=tuple(map(tuple, groups_by_table)))
    files = [_separate_unlabelled(part, table) for part, table in zip(files, label_tables, strict=True)]
    _require_valid_names(labels.domains)
    return files, label_tables, labels


def _require_valid_names(names: Sequence[str]) -> None:
    if invalid_name := next((name for name in names if not is_valid_name(name)), None):
        raise UsageError(f"a value is '{invalid_name}', which cannot name a domain (no ',', '=' and '/'); rename it")
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two values are named '{duplicate}'; rename one of them")


def _separate_unlabelled(files: DomainFiles, table: LabelTable) -> DomainFiles:
    """The files that a table has rows for; the others are set apart, counted and named in the note."""
    train, unlabelled_train = _split_by_row(files.train, table)
    test, unlabelled_test = (None, None) if files.test is None else _split_by_row(files.test, table)
    unlabelled = [*unlabelled_train, *(unlabelled_test or ())]
    total = len(files.train) + len(files.test or ())
    notes = [files.note]
    if unlabelled:
        names = format_names(unlabelled)
        notes.append(f"left out, {len(unlabelled):,} of {total:,} files without a row in {table.path}: {names}")
    if unused_rows := _find_unused_rows(table, files):
        notes.append(f"{len(unused_rows):,} rows of {table.path} name no file: {format_names(unused_rows)}")
    return replace(
        files,
        train=train,
        test=test,
        note="; ".join(filter(None, notes)),
        unlabelled_train=unlabelled_train,
        unlabelled_test=unlabelled_test,
    )


def _split_by_row(paths: Paths, table: LabelTable) -> tuple[Paths, Paths]:
    has_row = np.fromiter((table.find_row_name(name) is not None for name in paths), bool, len(paths))
    return paths.take(np.flatnonzero(has_row)), paths.take(np.flatnonzero(~has_row))


def _find_unused_rows(table: LabelTable, files: DomainFiles) -> list[str]:
    used = {table.find_row_name(name) for paths in (files.train, files.test or ()) for name in paths}
    return [name for name in table.cells_by_name if name not in used]


def _get_data_folder(files: DomainFiles) -> Path:
    """The folder that was given: above train/, where that is where the files are."""
    root = files.train.root
    return root.parent if root.name == "train" else root


def _create_group(columns: list[str], tables: list[LabelTable]) -> LabelGroup:
    texts = {value for table in tables for value in table.list_values(columns[0])}
    if len(columns) == 1 and not {text.lower() for text in texts} <= _TRUE | _FALSE:
        return LabelGroup(values=tuple(sorted(texts - {""})), column=columns[0])
    return LabelGroup(values=tuple(columns))


def _create_subfolder_table(files: DomainFiles) -> LabelTable:
    """A table of one column that says in which subfolder a file is."""
    paths = [*files.train, *(files.test or [])]
    values = {name: name.partition("/")[0] for name in paths if "/" in name}
    if len(set(values.values())) < 2:
        raise WorkError(
            f"{files.train.root}: no labels; expected a table ({files.name}.csv beside the folder, or labels.csv in "
            "it), or a subfolder for each value"
        )
    return LabelTable(files.train.root, ("value",), {name: (value,) for name, value in values.items()})


def attach_labels(splits: DomainSplits, table: LabelTable, labels: Labels, set_index: int) -> LabelledSplits:
    """The files of data set number `of` that the table has, with their labels.

    Raises WorkError where it has none of them, or one row for files of different folders.
    """
    columns_by_group = {g: table.locate_group(labels.groups[g]) for g in labels.dataset_groups[set_index]}
    paths_by_split: dict[str, Paths] = {}
    labels_by_split: dict[str, LabelMatrix] = {}
    name_by_row: dict[tuple[Path, str], str] = {}
    for split_name, paths in (("train", splits.train), ("validation", splits.validation), ("test", splits.test)):
        matches = [
            (i, name, row_name) for i, name in enumerate(paths) if (row_name := table.find_row_name(name)) is not None
        ]
        for _, name, row_name in matches:
            if remove_suffix(other_name := name_by_row.setdefault((paths.root, row_name), name)) != remove_suffix(name):
                both_names = f"{other_name} and of {name}"
                raise WorkError(
                    f"{table.path}: its row '{row_name}' could be of {both_names}; expected names from the folder on"
                )
        paths_by_split[split_name] = paths.take([i for i, _, _ in matches])
        vectors = [
            _create_label_vector(table.cells_by_name[row_name], table, labels, columns_by_group)
            for _, _, row_name in matches
        ]
        labels_by_split[split_name] = np.array(vectors, np.float32).reshape(-1, labels.size)
    if not any(map(len, paths_by_split.values())):
        raise WorkError(f"{table.path}: has no row for any file of {splits.train.root}")
    labelled_splits = replace(
        splits, train=paths_by_split["train"], validation=paths_by_split["validation"], test=paths_by_split["test"]
    )
    return LabelledSplits(labelled_splits, labels.label_mask(set_index), **labels_by_split)


def _create_label_vector(
    row: tuple[str, ...], table: LabelTable, labels: Labels, columns_by_group: Mapping[int, LabelColumns | None]
) -> list[float]:
    out: list[float] = []
    for g, group in enumerate(labels.groups):
        label_columns = columns_by_group.get(g)
        out += (
            _read_group_values(row, table, group, label_columns)
            if label_columns is not None
            else [0.0] * len(group.values)
        )
    return out


def _read_group_values(
    row: tuple[str, ...], table: LabelTable, group: LabelGroup, label_columns: LabelColumns
) -> list[float]:
    cells = [row[column] for column in label_columns.columns]
    return (
        [float(value == cells[0]) for value in group.values]
        if label_columns.is_categorical
        else [_parse_boolean(c, table) for c in cells]
    )


def read_known_labels(table: LabelTable, labels: Labels) -> dict[str, tuple[float, ...]]:
    """For each file's name in a table the labels (L,) that it tells, NaN where it has no column, or an empty cell."""
    columns_by_group = [table.locate_group(group) for group in labels.groups]
    labels_by_name: dict[str, tuple[float, ...]] = {}
    for name, row in table.cells_by_name.items():
        vector: list[float] = []
        for group, label_columns in zip(labels.groups, columns_by_group, strict=True):
            is_known = label_columns is not None and all(row[column] for column in label_columns.columns)
            vector += (
                _read_group_values(row, table, group, label_columns)
                if label_columns and is_known
                else [math.nan] * len(group.values)
            )
        labels_by_name[name] = tuple(vector)
    return labels_by_name


def _parse_boolean(text: str, table: LabelTable) -> float:
    if text.lower() in _TRUE:
        return 1.0
    if text.lower() in _FALSE:
        return 0.0
    raise WorkError(f"{table.path}: '{text}'; expected 0 or 1 (or -1 and 1, true and false, yes and no)")


def iterate_domain_splits(data: Sequence[LabelledSplits], labels: Labels) -> Iterator[tuple[int, DomainSplits]]:
    """For each domain of `labels` the number of the data set that it is in, and its files; joint sets' first counts."""
    for name, goal in zip(labels.domains, labels.domain_labels, strict=True):
        set_index = next(i for i, groups in enumerate(labels.dataset_groups) if goal.group_index in groups)
        labelled_splits = data[set_index]
        paths_by_split = {
            split_name: paths.take(np.flatnonzero((rows[:, goal.columns] == np.array(goal.values)).all(1)))
            for split_name, paths, rows in (
                ("train", labelled_splits.splits.train, labelled_splits.train),
                ("validation", labelled_splits.splits.validation, labelled_splits.validation),
                ("test", labelled_splits.splits.test, labelled_splits.test),
            )
        }
        yield (
            set_index,
            replace(
                labelled_splits.splits,
                name=name,
                train=paths_by_split["train"],
                validation=paths_by_split["validation"],
                test=paths_by_split["test"],
            ),
        )


def write_labels(path: Path, data: LabelledSplits, labels: Labels) -> None:
    """Write the labels of a data set's files as a table, whole or not at all; raises WorkError."""
    known_columns = np.flatnonzero(data.known_columns)
    with (
        atomic_write(path) as temporary_path,
        temporary_path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["file", *(labels.values[i] for i in known_columns)])
        parts = (
            (data.splits.train, data.train),
            (data.splits.validation, data.validation),
            (data.splits.test, data.test),
        )
        for paths, rows in parts:
            for name, row in zip(paths, rows, strict=True):
                writer.writerow([name, *(int(row[i]) for i in known_columns)])
