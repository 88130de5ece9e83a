"""Splits of a labeled data set with the label vectors of its files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from unpaired.atomic import atomic_write
from unpaired.data.label_table import LabelColumns, LabelTable
from unpaired.data.paths import Paths, get_file_name, remove_suffix
from unpaired.data.split import DomainSplits
from unpaired.errors import WorkError
from unpaired.labels import Labels

LabelMatrix = npt.NDArray[np.float32]
"""Label vectors (N, L) of N files, values 0 and 1; 0 in columns that the data set does not label."""


@dataclass(frozen=True)
class LabelledSplits:
    """Splits of a data set, the labels of each split's files, and the mask (L,) of the columns that it labels."""

    splits: DomainSplits
    known_columns: tuple[float, ...]
    train: LabelMatrix
    validation: LabelMatrix
    test: LabelMatrix


def attach_labels(splits: DomainSplits, table: LabelTable, labels: Labels, set_index: int) -> LabelledSplits:
    """Select the files of data set `set_index` that have a row in its table, and return them with their labels.

    Raises WorkError if no file has a row, or one row matches files in different folders.
    """
    columns_by_group = {g: table.locate_group(labels.groups[g]) for g in labels.dataset_groups[set_index]}
    paths_by_split: dict[str, Paths] = {}
    labels_by_split: dict[str, LabelMatrix] = {}
    name_by_row: dict[tuple[Path, str], str] = {}
    for split_name, paths in (("train", splits.train), ("validation", splits.validation), ("test", splits.test)):
        matches = [
            (i, name, row_name)
            for i, name in enumerate(map(get_file_name, paths))
            if (row_name := table.find_row_name(name)) is not None
        ]
        for _, name, row_name in matches:
            if remove_suffix(other_name := name_by_row.setdefault((paths.root, row_name), name)) != remove_suffix(name):
                raise WorkError(
                    f"{table.path}: row '{row_name}' matches {other_name} and {name}; write the names in the table "
                    "relative to the folder"
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
    """Return the label vector (L,) of one row, 0 for groups without columns."""
    vector: list[float] = []
    for g, group in enumerate(labels.groups):
        label_columns = columns_by_group.get(g)
        vector += (
            table.read_group_values(row, group, label_columns)
            if label_columns is not None
            else [0.0] * len(group.values)
        )
    return vector


def iterate_domain_splits(data: Sequence[LabelledSplits], labels: Labels) -> Iterator[tuple[int, DomainSplits]]:
    """Yield the index of the data set and the files of each domain of `labels`.

    If several data sets label a domain, its files come from the first of them.
    """
    for name, domain_label in zip(labels.domains, labels.domain_labels, strict=True):
        set_index = next(i for i, groups in enumerate(labels.dataset_groups) if domain_label.group_index in groups)
        labelled_splits = data[set_index]
        paths_by_split = {
            split_name: paths.take(
                np.flatnonzero((rows[:, domain_label.columns] == np.array(domain_label.values)).all(1))
            )
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
    """Write the known labels of a data set's files as a CSV table, atomically; raises WorkError."""
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
            for name, row in {get_file_name(name): row for name, row in zip(paths, rows, strict=True)}.items():
                writer.writerow([name, *(int(row[i]) for i in known_columns)])
