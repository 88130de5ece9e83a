"""Which files train, which choose the best state, and which only test; and the list of them that a run keeps."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from unpaired.atomic import atomic_write
from unpaired.data.folders import DomainFiles, get_source_root
from unpaired.data.paths import Paths
from unpaired.errors import WorkError

SplitName = Literal["train", "validation", "test"]
MIN_FILES_FOR_HOLDOUT = 10
"""Domains with fewer files have nothing held back."""
MAX_VALIDATION, MAX_TEST = 200, 1000
_SKIPPED, _TEST_SKIPPED = "skipped", "test-skipped"
_LISTED_SPLITS = (*get_args(SplitName), _SKIPPED, _TEST_SKIPPED)
_HEADER = "set\tbytes\tname\n"


@dataclass(frozen=True)
class DomainSplits:
    """A domain's files by use. `skipped` (and `test_skipped`, of a test folder) cannot be read, or have no label."""

    name: str
    train: Paths
    validation: Paths
    test: Paths
    skipped: Paths
    test_skipped: Paths
    has_test_folder: bool

    def get_paths(self, split_name: SplitName) -> Paths:
        """The files of one set."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split_name]


def compute_holdout_counts(count: int, holdout_fraction: float, has_test_folder: bool) -> tuple[int, int]:
    """How many of `count` files are held back to choose the best (at most 200), and to test (at most 1000).

    At least one each where anything is held, at most a third each; none where a domain has fewer than 10 files. With a
    test folder none is taken for testing.
    """
    if count < MIN_FILES_FOR_HOLDOUT or holdout_fraction == 0:
        return 0, 0
    holdout_count = min(max(1, round(count * holdout_fraction)), count // 3)
    return min(holdout_count, MAX_VALIDATION), 0 if has_test_folder else min(holdout_count, MAX_TEST)


def split_files(
    files: DomainFiles, holdout_fraction: float, seed: int, unreadable: Container[str] = ()
) -> DomainSplits:
    """Hold files back by a hash of (seed, name without suffix): the same in every run, whatever the listing's order.

    Files of equal names in two domains hash alike, so true pairs are held back together. `unreadable` are whole paths.
    """
    readable, skipped = _separate_unreadable(files.train, unreadable)
    has_test_folder = files.test is not None
    test, test_skipped = _separate_unreadable(files.train.take([]) if files.test is None else files.test, unreadable)
    if files.unlabelled_train is not None:
        skipped = skipped.join(files.unlabelled_train)
    if files.unlabelled_test is not None:
        test_skipped = test_skipped.join(files.unlabelled_test)
    validation_count, test_count = compute_holdout_counts(len(readable), holdout_fraction, has_test_folder)
    shuffled_indices = np.argsort(readable.hash_names(f"split/{seed}", ignore_suffix=True), kind="stable")
    holdout_count = validation_count + test_count
    return DomainSplits(
        name=files.name,
        train=readable.take(np.sort(shuffled_indices[holdout_count:])),
        validation=readable.take(np.sort(shuffled_indices[test_count:holdout_count])),
        test=test if has_test_folder else readable.take(np.sort(shuffled_indices[:test_count])),
        skipped=skipped,
        test_skipped=test_skipped,
        has_test_folder=has_test_folder,
    )


def choose_evaluation_split(splits: Sequence[DomainSplits]) -> SplitName | None:
    """What a run is measured on: test items, or the ones that chose the best where more domains have such.

    None where not even two domains have any.
    """
    domain_counts = {
        split_name: sum(len(domain_splits.get_paths(split_name)) > 0 for domain_splits in splits)
        for split_name in ("test", "validation")
    }
    split_name: SplitName = "validation" if domain_counts["validation"] > domain_counts["test"] else "test"
    return split_name if domain_counts[split_name] > 1 else None


def _separate_unreadable(paths: Paths, unreadable: Container[str]) -> tuple[Paths, Paths]:
    if not unreadable:
        return paths, paths.take([])
    is_unreadable = np.fromiter((f"{paths.root}/{name}" in unreadable for name in paths), bool, len(paths))
    return paths.take(np.flatnonzero(~is_unreadable)), paths.take(np.flatnonzero(is_unreadable))


def write_file_list(path: Path, splits: DomainSplits) -> None:
    """Write the list of a domain's files, "set, size, name" per line, whole or not at all; raises WorkError."""
    paths_by_split = {split_name: splits.get_paths(split_name) for split_name in get_args(SplitName)}
    paths_by_split |= {_SKIPPED: splits.skipped, _TEST_SKIPPED: splits.test_skipped}
    with (
        atomic_write(path) as temporary_path,
        temporary_path.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file,
    ):
        file.write(_HEADER)
        for split_name, paths in paths_by_split.items():
            for i, name in enumerate(paths):
                file.write(f"{split_name}\t{paths.sizes[i]}\t{_escape(name)}\n")


def read_file_list(path: Path, name: str, sources: tuple[str, ...]) -> DomainSplits:
    """Read a list of `write_files`; `sources` are the domain's folders. Raises WorkError where it is damaged.

    So it does for a domain without folders, which an imported run has.
    """
    if not sources:
        raise WorkError(f"domain '{name}' has no files of its own: its run was imported, not trained")
    root_by_split = {
        split_name: get_source_root(sources[-1] if split_name in ("test", _TEST_SKIPPED) else sources[0])
        for split_name in _LISTED_SPLITS
    }
    paths_by_split = {split_name: Paths.from_files(root, ()) for split_name, root in root_by_split.items()}
    try:
        for split_name, rows in groupby(_read_rows(path), key=lambda row: row[0]):
            paths_by_split[split_name] = Paths.from_files(
                root_by_split[split_name], ((name, size) for _, name, size in rows)
            )
    except (OSError, ValueError) as error:
        raise WorkError(f"{path}: cannot be read as a run's list of files ({error})") from error
    train, validation, test, skipped, test_skipped = (paths_by_split[split_name] for split_name in _LISTED_SPLITS)
    return DomainSplits(name, train, validation, test, skipped, test_skipped, has_test_folder=len(sources) == 2)


def _read_rows(path: Path) -> Iterator[tuple[str, str, int]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        if next(file, "") != _HEADER:
            raise ValueError("its first line is not 'set, bytes, name'")
        for line in file:
            split_name, size, name = line.removesuffix("\n").split("\t", 2)
            if split_name not in _LISTED_SPLITS:
                raise ValueError(f"unknown set '{split_name}'")
            yield split_name, _unescape(name), int(size)


def _escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\n", "\\n")


def _unescape(name: str) -> str:
    return "\\".join(piece.replace("\\n", "\n") for piece in name.split("\\\\"))


def describe_changes(recorded: DomainSplits, current: DomainFiles) -> list[str]:
    """How the files differ from the recorded ones (names and sizes), in sentences; empty where nothing has changed."""
    recorded_index = _FileIndex(
        [recorded.train, recorded.validation, recorded.skipped], [recorded.test, recorded.test_skipped]
    )
    if not recorded.has_test_folder:
        recorded_index = _FileIndex([*recorded_index.train, *recorded_index.test], [])
    current_index = _FileIndex([current.train], [] if current.test is None else [current.test])
    names_by_change = {
        "missing": recorded_index.find_missing(current_index),
        "new": current_index.find_missing(recorded_index),
        "of another size": recorded_index.find_resized(current_index),
    }
    return [f"{current.name}: {_format_names(names)} {change}" for change, names in names_by_change.items() if names]


def _format_names(names: list[str]) -> str:
    rest = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{rest} {'is' if len(names) == 1 else 'are'}"


class _FileIndex:
    """Hashes of names (and of which folder they are in) and sizes, to compare millions of files."""

    def __init__(self, train: list[Paths], test: list[Paths]) -> None:
        self.train, self.test = train, test
        parts = [(p, "train") for p in train] + [(p, "test") for p in test]
        self.paths = [p for p, _ in parts]
        hashes = np.concatenate([p.hash_names(salt) for p, salt in parts])
        sizes = np.concatenate([p.sizes for p in self.paths])
        self.order = np.argsort(hashes)
        self.hashes, self.sizes = hashes[self.order], sizes[self.order]

    def find_missing(self, other: _FileIndex) -> list[str]:
        """Names here and not there."""
        return self._get_names(np.flatnonzero(~np.isin(self.hashes, other.hashes)))

    def find_resized(self, other: _FileIndex) -> list[str]:
        """Names in both whose sizes differ."""
        _, own_indices, other_indices = np.intersect1d(
            self.hashes, other.hashes, assume_unique=True, return_indices=True
        )
        return self._get_names(own_indices[self.sizes[own_indices] != other.sizes[other_indices]])

    def _get_names(self, indices: npt.NDArray[np.intp]) -> list[str]:
        bounds = np.cumsum([0] + [len(p) for p in self.paths])
        out = []
        for position in np.sort(self.order[indices]):
            split_name = int(np.searchsorted(bounds, position, side="right")) - 1
            out.append(self.paths[split_name][int(position - bounds[split_name])])
        return out
