"""Relocation of a run's data: other folders, or file names in another Unicode normal form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unpaired.config.run_config import RunConfig
from unpaired.data.folders import DomainFiles, discover, discover_collections
from unpaired.data.paths import Paths, get_file_name
from unpaired.data.split import DomainSplits
from unpaired.errors import UsageError
from unpaired.file_names import normalize_name
from unpaired.runs.files import list_listed_domains


def relocate_data(config: RunConfig, sources: Sequence[Path | str]) -> RunConfig:
    """Return the configuration with the folders `sources` (in the layout of `unpaired train`) as its data.

    Folders are matched to domains by name, or by order if a name has no match. Does not check that the files are the
    same. Raises UsageError if the number of folders or of test folders differs, and as `discover` does.
    """
    listed = list_listed_domains(config)
    found = discover_collections(sources) if config.sources else discover(sources, len(config.domains) == 1)
    if len(found) != len(listed):
        names = ", ".join(domain.name for domain in listed)
        raise UsageError(f"--data: {len(found)} folders with files, but this run has {len(listed)}: {names}")
    by_name = {normalize_name(files.name): files for files in found}
    ordered = [by_name.get(normalize_name(domain.name)) for domain in listed]
    matched: Sequence[DomainFiles] = found if None in ordered else [files for files in ordered if files is not None]
    for domain, files in zip(listed, matched, strict=True):
        if len(files.sources) != len(domain.sources):
            with_or_without = "a test folder" if len(domain.sources) == 2 else "no test folder"
            raise UsageError(
                f"--data: {files.train.root}: domain '{domain.name}' had {with_or_without} when the run began"
            )
    new_sources = {domain.sources: files.sources for domain, files in zip(listed, matched, strict=True)}
    return config.model_copy(
        update={
            "domains": tuple(d.model_copy(update={"sources": new_sources[d.sources]}) for d in config.domains),
            "sources": tuple(d.model_copy(update={"sources": new_sources[d.sources]}) for d in config.sources),
        }
    )


def adopt_stored_names(recorded: DomainSplits, current: DomainFiles) -> DomainSplits:
    """Return the recorded files with the current names if these differ only in the Unicode normal form.

    A copy made by macOS or a zip program may store "é" as two code points. Names of missing files are not changed.
    """

    def adopt(paths: Paths, stored: Paths | None) -> Paths:
        if stored is None or not any(not name.isascii() for name in paths):
            return paths
        names = set(stored)
        by_normal_name = {normalize_name(name): name for name in names}
        renamed = []
        for name in paths:
            file = get_file_name(name)
            stored_file = file if file in names else by_normal_name.get(normalize_name(file), file)
            renamed.append(stored_file + name[len(file) :])
        if renamed == list(paths):
            return paths
        return Paths.from_files(paths.root, zip(renamed, paths.sizes.tolist(), strict=True))

    test = current.test if recorded.has_test_folder else current.train
    return replace(
        recorded,
        train=adopt(recorded.train, current.train),
        validation=adopt(recorded.validation, current.train),
        skipped=adopt(recorded.skipped, current.train),
        test=adopt(recorded.test, test),
        test_skipped=adopt(recorded.test_skipped, test),
    )
