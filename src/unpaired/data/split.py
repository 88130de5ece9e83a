"""Training, validation and test split of a domain's files, and the file list in which a run records it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
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
"""Number of files below which a domain has no validation and test files."""
MIN_GROUPS = 4
"""Number of groups of files (such as volumes) below which a domain has no validation and test files."""
MAX_VALIDATION, MAX_TEST = 200, 1000
"""Maximum numbers of validation and test files that are held out per domain."""
_SKIPPED, _TEST_SKIPPED = "skipped", "test-skipped"
_LISTED_SPLITS = (*get_args(SplitName), _SKIPPED, _TEST_SKIPPED)
_HEADER = "set\tbytes\tname\n"


@dataclass(frozen=True)
class DomainSplits:
    """Splits of a domain's files.

    `skipped` are files that cannot be read or have no label; `test_skipped` are those of the test folder.
    """

    name: str
    train: Paths
    validation: Paths
    test: Paths
    skipped: Paths
    test_skipped: Paths
    has_test_folder: bool

    def get_paths(self, split_name: SplitName) -> Paths:
        """Return the files of one split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split_name]


def compute_holdout_counts(
    count: int, holdout_fraction: float, has_test_folder: bool, minimum: int = MIN_FILES_FOR_HOLDOUT
) -> tuple[int, int]:
    """Return the numbers of validation files (at most 200) and test files (at most 1000) to hold out of `count` files.

    Each is at least 1 and at most a third of the files. Both are 0 for fewer than `minimum` files or a fraction of 0.
    With a test folder, no test files are held out.
    """
    if count < minimum or holdout_fraction == 0:
        return 0, 0
    holdout_count = min(max(1, round(count * holdout_fraction)), count // 3)
    return min(holdout_count, MAX_VALIDATION), 0 if has_test_folder else min(holdout_count, MAX_TEST)


def format_split_counts(train: int, validation: int, test: int, has_test_folder: bool) -> str:
    """Return the numbers of training, validation and test files as text."""
    test_text = "test (its test folder)" if has_test_folder else "test"
    return f"{train:,} train, {validation:,} validation, {test:,} {test_text}"


def split_files(
    files: DomainFiles,
    holdout_fraction: float,
    seed: int,
    unreadable: Container[str] = (),
    get_group: Callable[[str], str] | None = None,
) -> DomainSplits:
    """Split files by a hash of (seed, name without suffix), which does not depend on the order of the files.

    Files with equal names in two domains have equal hashes, which keeps true pairs together. `unreadable` are full
    paths. With `get_group`, files whose names have the same group are in the same split, and groups are counted.
    """
    readable, skipped = _separate_unreadable(files.train, unreadable)
    has_test_folder = files.test is not None
    test, test_skipped = _separate_unreadable(files.train.take([]) if files.test is None else files.test, unreadable)
    if files.unlabelled_train is not None:
        skipped = skipped.join(files.unlabelled_train)
    if files.unlabelled_test is not None:
        test_skipped = test_skipped.join(files.unlabelled_test)
    ranks = _rank_files(readable, seed, get_group)
    count, minimum = int(ranks.max(initial=-1)) + 1, MIN_FILES_FOR_HOLDOUT if get_group is None else MIN_GROUPS
    validation_count, test_count = compute_holdout_counts(count, holdout_fraction, has_test_folder, minimum)
    holdout_count = validation_count + test_count
    return DomainSplits(
        name=files.name,
        train=readable.take(np.flatnonzero(ranks >= holdout_count)),
        validation=readable.take(np.flatnonzero((ranks >= test_count) & (ranks < holdout_count))),
        test=test if has_test_folder else readable.take(np.flatnonzero(ranks < test_count)),
        skipped=skipped,
        test_skipped=test_skipped,
        has_test_folder=has_test_folder,
    )


def _rank_files(files: Paths, seed: int, get_group: Callable[[str], str] | None) -> npt.NDArray[np.int64]:
    """Return the rank (N,) of each file, or of its group, in the order of hashes."""
    salt = f"split/{seed}"
    if get_group is None:
        ranks = np.empty(len(files), np.int64)
        ranks[np.argsort(files.hash_names(salt, ignore_suffix=True), kind="stable")] = np.arange(len(files))
        return ranks
    groups = Paths.from_files(files.root, ((get_group(name), 0) for name in files))
    return np.unique(groups.hash_names(salt, ignore_suffix=True), return_inverse=True)[1].astype(np.int64)


def choose_evaluation_split(splits: Sequence[DomainSplits]) -> SplitName | None:
    """Return the split to evaluate on: test, or validation if more domains have validation files than test files.

    Returns None if fewer than two domains (of one: none) have files in that split.
    """
    domain_counts = {
        split_name: sum(len(domain_splits.get_paths(split_name)) > 0 for domain_splits in splits)
        for split_name in ("test", "validation")
    }
    split_name: SplitName = "validation" if domain_counts["validation"] > domain_counts["test"] else "test"
    return split_name if domain_counts[split_name] >= min(2, len(splits)) else None


def _separate_unreadable(paths: Paths, unreadable: Container[str]) -> tuple[Paths, Paths]:
    if not unreadable:
        return paths, paths.take([])
    is_unreadable = np.fromiter((f"{paths.root}/{name}" in unreadable for name in paths), bool, len(paths))
    return paths.take(np.flatnonzero(~is_unreadable)), paths.take(np.flatnonzero(is_unreadable))


def write_file_list(path: Path, splits: DomainSplits) -> None:
    """Write a domain's splits as lines "split, size in bytes, name", separated by tabs, atomically.

    Raises WorkError if the list cannot be written.
    """
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
    """Read a list of `write_file_list`; `sources` are the domain's folders.

    Raises WorkError if the list is damaged, or the domain has no folders, as in imported runs.
    """
    if not sources:
        raise WorkError(f"domain '{name}' has no files: its run was imported, not trained")
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
    """Describe files that are missing, new or of another size since the splits were recorded; empty if none are."""
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
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} {'is' if len(names) == 1 else 'are'}"


class _FileIndex:
    """Sizes by hash of folder (training or test) and name, to compare millions of files."""

    def __init__(self, train: list[Paths], test: list[Paths]) -> None:
        self.train, self.test = train, test
        parts = [(p.merge_items(), "train") for p in train] + [(p.merge_items(), "test") for p in test]
        self.paths = [p for p, _ in parts]
        hashes = np.concatenate([p.hash_names(salt) for p, salt in parts])
        sizes = np.concatenate([p.sizes for p in self.paths])
        self.order = np.argsort(hashes)
        self.hashes, self.sizes = hashes[self.order], sizes[self.order]

    def find_missing(self, other: _FileIndex) -> list[str]:
        """Return the names that `other` does not have."""
        return self._get_names(np.flatnonzero(~np.isin(self.hashes, other.hashes)))

    def find_resized(self, other: _FileIndex) -> list[str]:
        """Return the names that both have with different sizes."""
        _, own_indices, other_indices = np.intersect1d(
            self.hashes, other.hashes, assume_unique=True, return_indices=True
        )
        return self._get_names(own_indices[self.sizes[own_indices] != other.sizes[other_indices]])

    def _get_names(self, indices: npt.NDArray[np.intp]) -> list[str]:
        bounds = np.cumsum([0] + [len(p) for p in self.paths])
        names = []
        for position in np.sort(self.order[indices]):
            list_index = int(np.searchsorted(bounds, position, side="right")) - 1
            names.append(self.paths[list_index][int(position - bounds[list_index])])
        return names
