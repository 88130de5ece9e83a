"""Discovery of labeled data sets: a folder with a table of attributes, or with a subfolder for each value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from unpaired.data.folders import DomainFiles, discover_collections, is_valid_name
from unpaired.data.label_table import TABLE_NAMES, LabelTable, find_table, is_boolean
from unpaired.data.paths import Paths
from unpaired.data.walk import format_names
from unpaired.errors import UsageError, WorkError, suggest_name
from unpaired.labels import LabelGroup, Labels


def discover_labelled_data(
    sources: Sequence[Path | str], attributes: Sequence[str]
) -> tuple[list[DomainFiles], list[LabelTable], Labels]:
    """List the data sets of `sources` (one folder each) and their tables, and create the labels of `attributes`.

    An attribute is a boolean column (0 and 1, or -1 and 1), a categorical column with text (an empty cell has no
    value), or several boolean columns that exclude each other, `black|blond|brown`. A folder without a table needs a
    subfolder for each value.

    Raises UsageError for attributes that no table has and values that cannot name a domain, WorkError for damaged
    tables and folders without labels.
    """
    files = discover_collections(sources)
    tables = [find_table(_get_data_folder(domain_files)) for domain_files in files]
    if not any(table and table.columns for table in tables):
        folder = _get_data_folder(files[0])
        raise UsageError(
            f"--attributes {','.join(attributes)}: {folder} has no table of labels; expected {folder.name}.csv beside "
            f"it, or {TABLE_NAMES[0]} in it. Without --attributes, each folder is a domain"
        )
    groups, groups_by_table = _create_groups(attributes, tables)
    label_tables: list[LabelTable] = []
    for i, (domain_files, table) in enumerate(zip(files, tables, strict=True)):
        if table is None:
            label_tables.append(_create_subfolder_table(domain_files))
            groups_by_table[i].append(len(groups))
            groups.append(LabelGroup(values=tuple(label_tables[i].list_values("value")), column="value"))
        elif groups_by_table[i]:
            label_tables.append(table)
        else:
            raise UsageError(f"{table.path}: has no column for any of the attributes {', '.join(attributes)}")
    labels = Labels(groups=tuple(groups), dataset_groups=tuple(map(tuple, groups_by_table)))
    files = [_separate_unlabelled(part, table) for part, table in zip(files, label_tables, strict=True)]
    _require_valid_names(labels.domains)
    return files, label_tables, labels


def _create_groups(
    attributes: Sequence[str], tables: Sequence[LabelTable | None]
) -> tuple[list[LabelGroup], list[list[int]]]:
    """Return the group of each attribute, and for each table the indices of the groups that it has."""
    all_columns = [column for table in tables if table for column in table.columns]
    groups: list[LabelGroup] = []
    groups_by_table: list[list[int]] = [[] for _ in tables]
    for attribute in attributes:
        columns = [column.strip() for column in attribute.split("|")]
        if missing := [column for column in columns if column not in all_columns]:
            raise UsageError(f"attribute '{missing[0]}': {suggest_name(missing[0], all_columns)}")
        matching_tables = [i for i, table in enumerate(tables) if table and set(columns) <= set(table.columns)]
        if not matching_tables:
            raise UsageError(f"attributes {attribute}: no table has all of these columns")
        for i in matching_tables:
            groups_by_table[i].append(len(groups))
        groups.append(_create_group(columns, [table for i in matching_tables if (table := tables[i])]))
    return groups, groups_by_table


def _create_group(columns: list[str], tables: list[LabelTable]) -> LabelGroup:
    texts = {value for table in tables for value in table.list_values(columns[0])}
    if len(columns) == 1 and not is_boolean(texts):
        return LabelGroup(values=tuple(sorted(texts - {""})), column=columns[0])
    return LabelGroup(values=tuple(columns))


def _require_valid_names(names: Sequence[str]) -> None:
    if invalid_name := next((name for name in names if not is_valid_name(name)), None):
        raise UsageError(f"the value '{invalid_name}' cannot name a domain (no ',', '=' and '/'); rename it")
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two values are named '{duplicate}'; rename one of them")


def _separate_unlabelled(files: DomainFiles, table: LabelTable) -> DomainFiles:
    """Move files without a row to `unlabelled_train` and `unlabelled_test`; the note counts and names them."""
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
    """Return the files that have a row, and the files that have none."""
    has_row = np.fromiter((table.find_row_name(name) is not None for name in paths), bool, len(paths))
    return paths.take(np.flatnonzero(has_row)), paths.take(np.flatnonzero(~has_row))


def _find_unused_rows(table: LabelTable, files: DomainFiles) -> list[str]:
    used = {table.find_row_name(name) for paths in (files.train, files.test or ()) for name in paths}
    return [name for name in table.cells_by_name if name not in used]


def _get_data_folder(files: DomainFiles) -> Path:
    """Return the folder that the user named: the parent of train/ if the files are in train/."""
    root = files.train.root
    return root.parent if root.name == "train" else root


def _create_subfolder_table(files: DomainFiles) -> LabelTable:
    """Create a table of one column, "value": the name of each file's subfolder. Raises WorkError for fewer than two."""
    paths = [*files.train, *(files.test or [])]
    values = {name: name.partition("/")[0] for name in paths if "/" in name}
    if len(set(values.values())) < 2:
        raise WorkError(
            f"{files.train.root}: no labels; expected a table ({files.name}.csv beside the folder, or labels.csv in "
            "it), or a subfolder for each value"
        )
    return LabelTable(files.train.root, ("value",), {name: (value,) for name, value in values.items()})
