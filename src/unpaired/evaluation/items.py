"""What a run is measured on: its own files by use, or those of other folders."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from unpaired.data.attributes import discover_labelled, domain_sets, labelled
from unpaired.data.folders import DomainFiles, discover
from unpaired.data.split import Sets
from unpaired.errors import UsageError
from unpaired.runs.config import RunConfig
from unpaired.runs.files import read_lists
from unpaired.runs.folder import RunFolder

T = TypeVar("T")


def own_sets(config: RunConfig, folder: RunFolder) -> tuple[list[Sets], str]:
    """The run's own files by use; raises UsageError where it has none."""
    if config.imported is not None:
        command = shlex.join(["unpaired", "evaluate", str(folder.path), *(f"{d.name}/" for d in config.domains)])
        raise UsageError(
            f"{folder.path}: an imported run has no data of its own; it can be measured on others, in folders "
            f"named as its domains: {command}"
        )
    return list(read_lists(folder, config).sets), "the run's own data"


def given_sets(config: RunConfig, data: Sequence[Path | str]) -> tuple[list[Sets], str]:
    """The files of other folders, all of them to test on (or those of their test folders)."""
    words = ", ".join(map(str, data))
    if config.labels is not None and config.sources:
        listed, tables, _ = discover_labelled([Path(d) for d in data], config.data.attributes)
        found = {files.name: (files, table) for files, table in zip(listed, tables, strict=True)}
        parts = [_known(found, d.name, words) for d in config.sources]
        whole = [labelled(_to_test(files), table, config.labels, i) for i, (files, table) in enumerate(parts)]
        return [part for _, part in domain_sets(whole, config.labels)], words
    folders = {files.name: files for files in discover([Path(d) for d in data])}
    return [_to_test(_known(folders, d.name, words)) for d in config.domains], words


def _known(found: Mapping[str, T], name: str, words: str) -> T:
    if name not in found:
        raise UsageError(f"{words}: no domain '{name}', which the run knows; found: {' and '.join(found)}")
    return found[name]


def _to_test(files: DomainFiles) -> Sets:
    none = files.train.take([])
    test = files.train if files.test is None else files.test
    return Sets(files.name, none, none, test, none, none, files.test is not None)
