"""Items that a run is measured on: its own splits, or the files of other folders."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from unpaired.config.run_config import RunConfig
from unpaired.data.attributes import discover_labelled_data
from unpaired.data.folders import DomainFiles, discover
from unpaired.data.labelled_splits import attach_labels, iterate_domain_splits
from unpaired.data.split import DomainSplits
from unpaired.errors import UnpairedWarning, UsageError
from unpaired.runs.files import read_file_lists
from unpaired.runs.folder import RunFolder

T = TypeVar("T")


def load_own_sets(config: RunConfig, folder: RunFolder) -> tuple[list[DomainSplits], str]:
    """Return the run's own splits and their description; raises UsageError for an imported run, which has none."""
    if config.imported_from is not None:
        command = shlex.join(["unpaired", "evaluate", str(folder.path), *(f"{d.name}/" for d in config.domains)])
        raise UsageError(
            f"{folder.path}: an imported run has no data of its own; measure it on folders that are named like its "
            f"domains: {command}"
        )
    return list(read_file_lists(folder, config).splits), "the run's own data"


def load_given_sets(config: RunConfig, data: Sequence[Path | str]) -> tuple[list[DomainSplits], str]:
    """Return the files of other folders as test splits, and their description.

    A folder's own test folder is used if it has one, otherwise all of its files. Warns (UnpairedWarning) of files that
    are left out. Raises UsageError if a domain is missing.
    """
    description = ", ".join(map(str, data))
    if config.labels is not None and config.sources:
        files_by_domain, tables, _ = discover_labelled_data([Path(d) for d in data], config.data.attributes)
        domains = {files.name: (files, table) for files, table in zip(files_by_domain, tables, strict=True)}
        domain_files = [_require_domain(domains, d.name, description) for d in config.sources]
        _warn_of_unused_files([files for files, _ in domain_files])
        labelled_sets = [
            attach_labels(_as_test_set(config, files), table, config.labels, i)
            for i, (files, table) in enumerate(domain_files)
        ]
        return [part for _, part in iterate_domain_splits(labelled_sets, config.labels)], description
    folders = {files.name: files for files in discover([Path(d) for d in data], len(config.domains) == 1)}
    matching_files = [_require_domain(folders, d.name, description) for d in config.domains]
    _warn_of_unused_files(matching_files)
    return [_as_test_set(config, files) for files in matching_files], description


def _require_domain(domains: Mapping[str, T], name: str, description: str) -> T:
    if name not in domains:
        raise UsageError(f"{description}: expected a domain '{name}', as in the run; found: {' and '.join(domains)}")
    return domains[name]


def _warn_of_unused_files(domains: Sequence[DomainFiles]) -> None:
    for files in domains:
        if files.note:
            warnings.warn(UnpairedWarning(f"{files.name}: {files.note}"), stacklevel=4)


def _as_test_set(config: RunConfig, files: DomainFiles) -> DomainSplits:
    files = config.get_medium().list_items(files, config.medium_settings)
    empty = files.train.take([])
    test = files.train if files.test is None else files.test
    return DomainSplits(files.name, empty, empty, test, empty, empty, files.test is not None)
