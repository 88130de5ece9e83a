"""Items that a run is measured on: its own splits, or the files of other folders."""

from __future__ import annotations

import os
import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
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


def use_as_test_set(files: DomainFiles) -> DomainSplits:
    """Return a domain whose test split are the files of its test folder, or all files if it has none."""
    empty = files.train.take([])
    test = files.train if files.test is None else files.test
    return DomainSplits(files.name, empty, empty, test, empty, empty, files.test is not None)


def load_sets(
    config: RunConfig,
    folder: RunFolder,
    run: str | os.PathLike[str],
    data: Sequence[Path | str],
    command: str,
    split: Callable[[DomainFiles], DomainSplits] = use_as_test_set,
) -> tuple[list[DomainSplits], str]:
    """Return the splits of the folders `data` by `split`, or the run's own without `data`, and their description.

    Raises UsageError with the `command` to use if the run was imported or downloaded, and has no data of its own.
    """
    if data:
        return load_given_sets(config, data, split)
    if not config.has_data:
        domains = config.sources or config.domains
        words = ["unpaired", command, os.fspath(run), *(f"{d.name}/" for d in domains)]
        raise UsageError(
            f"{os.fspath(run)}: an imported or shared run has no data of its own; add folders that are named like its "
            f"domains: {shlex.join(words)}"
        )
    return load_own_sets(config, folder), "the run's own data"


def load_own_sets(config: RunConfig, folder: RunFolder) -> list[DomainSplits]:
    """Return the run's own splits; raises WorkError if its file lists are missing or damaged."""
    return list(read_file_lists(folder, config).splits)


def load_given_sets(
    config: RunConfig, data: Sequence[Path | str], split: Callable[[DomainFiles], DomainSplits] = use_as_test_set
) -> tuple[list[DomainSplits], str]:
    """Return the files of other folders, divided by `split`, and their description.

    Warns (UnpairedWarning) of files that are left out. Raises UsageError if a domain is missing.
    """
    description = ", ".join(map(str, data))

    def list_items(files: DomainFiles) -> DomainFiles:
        return config.get_medium().list_items(files, config.medium_settings)

    if config.labels is not None and config.sources:
        files_by_domain, tables, _ = discover_labelled_data([Path(d) for d in data], config.data.attributes)
        domains = {files.name: (files, table) for files, table in zip(files_by_domain, tables, strict=True)}
        domain_files = [_require_domain(domains, d.name, description) for d in config.sources]
        _warn_of_unused_files([files for files, _ in domain_files])
        labelled_sets = [
            attach_labels(split(list_items(files)), table, config.labels, i)
            for i, (files, table) in enumerate(domain_files)
        ]
        return [part for _, part in iterate_domain_splits(labelled_sets, config.labels)], description
    folders = {files.name: files for files in discover([Path(d) for d in data], len(config.domains) == 1)}
    matching_files = [_require_domain(folders, d.name, description) for d in config.domains]
    _warn_of_unused_files(matching_files)
    return [split(list_items(files)) for files in matching_files], description


def _require_domain(domains: Mapping[str, T], name: str, description: str) -> T:
    if name not in domains:
        raise UsageError(f"{description}: expected a domain '{name}', as in the run; found: {' and '.join(domains)}")
    return domains[name]


def _warn_of_unused_files(domains: Sequence[DomainFiles]) -> None:
    for files in domains:
        if files.note:
            warnings.warn(UnpairedWarning(f"{files.name}: {files.note}"), stacklevel=4)
