"""Tables of labels: a CSV file, or CelebA's attribute list, with the attribute values of each file."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from unpaired.data.paths import remove_suffix
from unpaired.errors import WorkError
from unpaired.file_names import normalize_name
from unpaired.labels import LabelGroup, Labels

TABLE_NAMES = ("labels.csv", "list_attr_celeba.csv", "list_attr_celeba.txt")
"""Names of tables inside a data folder. A table next to the folder has the folder's name."""
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "-1", "false", "no", ""}


class LabelColumns(NamedTuple):
    """Column indices of a group's label: one per value, or a single categorical column with the value as text."""

    columns: tuple[int, ...]
    is_categorical: bool


@dataclass(frozen=True)
class LabelTable:
    """Attributes of files. `cells_by_name` maps a file's name in the table to its cells, one per entry of `columns`."""

    path: Path
    columns: tuple[str, ...]
    cells_by_name: Mapping[str, tuple[str, ...]]

    def list_values(self, column: str) -> list[str]:
        """Return the distinct cells of a column, sorted."""
        column_index = self.columns.index(column)
        return sorted({row[column_index] for row in self.cells_by_name.values()})

    @cached_property
    def name_by_stem(self) -> Mapping[str, str]:
        """Names without suffix -> names."""
        return {normalize_name(remove_suffix(name)): name for name in self.cells_by_name}

    def find_row_name(self, name: str) -> str | None:
        """Return the name of a file's row, None if there is none.

        The table may have the file's path relative to the data folder or only its name, each with or without suffix.
        """
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
        """Return the columns with a group's label; None if the table does not have it."""
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

    def read_group_values(self, row: tuple[str, ...], group: LabelGroup, label_columns: LabelColumns) -> list[float]:
        """Convert the cells of one row to a group's part of the label vector, values 0 and 1.

        Raises WorkError for cells that should be boolean and are not.
        """
        cells = [row[column] for column in label_columns.columns]
        if label_columns.is_categorical:
            return [float(value == cells[0]) for value in group.values]
        return [self._parse_boolean(cell) for cell in cells]

    def _parse_boolean(self, text: str) -> float:
        if text.lower() in _TRUE:
            return 1.0
        if text.lower() in _FALSE:
            return 0.0
        raise WorkError(f"{self.path}: '{text}'; expected 0 or 1 (or -1 and 1, true and false, yes and no)")


def is_boolean(texts: Collection[str]) -> bool:
    """Whether all cells are boolean: 0 and 1, -1 and 1, true and false, yes and no, or empty."""
    return {text.lower() for text in texts} <= _TRUE | _FALSE


def read_table(path: Path, errors: str = "strict") -> LabelTable:
    """Read a CSV file whose header names the attributes and whose first column names the files, or a CelebA list.

    A CelebA list has the number of files in its first line, the attributes in its second, and then one line per file,
    separated by spaces. `errors` is the error handler for bytes that are not UTF-8, as in `open`. Raises WorkError if
    the file has neither format, two columns of one name, or two different rows for one file.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors=errors)
    except (OSError, UnicodeDecodeError) as error:
        raise WorkError(f"{path}: cannot be read as a table of labels ({error})") from error
    if "\0" in text:
        raise WorkError(f"{path}: contains NUL characters; expected a table of labels as UTF-8 text")
    lines = text.splitlines()
    if lines and lines[0].strip().isdigit():
        columns = tuple(lines[1].split()) if len(lines) > 1 else ()
        rows = [line.split() for line in lines[2:] if line.strip()]
    else:
        columns, rows = _parse_csv(path, text)
    if not columns or not rows:
        raise WorkError(f"{path}: expected a header (file,attributes ...) and a row for each file, separated by commas")
    if duplicate := next((column for column, count in Counter(columns).items() if column and count > 1), None):
        raise WorkError(f"{path}: two columns are named '{duplicate}'")
    return LabelTable(path, columns, _index_rows(path, columns, rows))


def _parse_csv(path: Path, text: str) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return the attribute columns and the rows, without empty rows."""
    try:
        nonempty_rows = [row for row in csv.reader(io.StringIO(text), strict=True) if any(map(str.strip, row))]
    except csv.Error as error:
        raise WorkError(f"{path}: cannot be read as a table of labels ({error})") from error
    columns = tuple(cell.strip() for cell in nonempty_rows[0][1:]) if nonempty_rows else ()
    return columns, nonempty_rows[1:]


def _index_rows(path: Path, columns: tuple[str, ...], rows: list[list[str]]) -> dict[str, tuple[str, ...]]:
    cells_by_name: dict[str, tuple[str, ...]] = {}
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns) + 1:
            raise WorkError(f"{path}: row {number} ('{row[0]}') has {len(row) - 1} values for {len(columns)} columns")
        name, *cells = map(str.strip, row)
        if cells_by_name.setdefault(name, tuple(cells)) != tuple(cells):
            raise WorkError(f"{path}: row {number} contradicts an earlier row of '{name}'")
    return cells_by_name


def find_table(folder: Path) -> LabelTable | None:
    """Return the table of a data folder: inside it, or next to it with the folder's name; None if there is none.

    Raises WorkError for damaged tables.
    """
    sibling_paths = [folder.parent / f"{folder.name}{suffix}" for suffix in (".csv", ".txt")]
    for path in [*(folder / name for name in TABLE_NAMES), *sibling_paths]:
        if path.is_file():
            return read_table(path)
    return None


def read_known_labels(table: LabelTable, labels: Labels) -> dict[str, tuple[float, ...]]:
    """Return the label vector (L,) of each file name in a table; NaN for missing columns and empty cells."""
    columns_by_group = [table.locate_group(group) for group in labels.groups]
    labels_by_name: dict[str, tuple[float, ...]] = {}
    for name, row in table.cells_by_name.items():
        vector: list[float] = []
        for group, label_columns in zip(labels.groups, columns_by_group, strict=True):
            is_known = label_columns is not None and all(row[column] for column in label_columns.columns)
            vector += (
                table.read_group_values(row, group, label_columns)
                if label_columns and is_known
                else [math.nan] * len(group.values)
            )
        labels_by_name[name] = tuple(vector)
    return labels_by_name
