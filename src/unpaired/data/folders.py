"""Discovery of domains: the files in folders and file lists, and notes about files that are left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from unpaired.data.artifacts import is_run_folder
from unpaired.data.file_lists import LIST_SUFFIXES, is_file_list, read_file_names
from unpaired.data.layouts import (
    EXPECTED,
    DomainFolders,
    create_domain_folders,
    find_domain_folders,
    get_role,
    is_single_domain,
)
from unpaired.data.paths import Paths, get_file_name
from unpaired.data.walk import SkippedFiles, describe_unused, format_names, get_suffix, list_subfolders, walk_files
from unpaired.errors import UsageError, WorkError
from unpaired.file_names import suggest_path
from unpaired.media import MEDIA, Medium, find_common_medium, infer_medium

__all__ = ["DomainFiles", "discover", "discover_collections", "get_source_root", "is_valid_name", "rediscover"]

FORBIDDEN_CHARACTERS = frozenset(",=/\\\n\r\0")
"""Characters that a domain's name must not contain, because flags and file names are built from it."""
MAX_NAME_LENGTH = 100


@dataclass(frozen=True)
class DomainFiles:
    """Files of a domain, all of one medium, listed but not opened.

    `test` has the files of a test folder; None if there is no test folder, then `train` has all files. `ignored` counts
    files that no medium reads. `note` describes what was left out and why: folders beside train/, hidden files, files
    of other types, and folders that unpaired wrote. `unlabelled_train` and `unlabelled_test` are files without a row in
    the table of labels; `train` and `test` do not contain them. `list_file` is the file list, if the domain is one.
    """

    name: str
    train: Paths
    test: Paths | None
    ignored: int
    note: str = ""
    unlabelled_train: Paths | None = None
    unlabelled_test: Paths | None = None
    list_file: Path | None = None
    medium: Medium = field(kw_only=True)

    @property
    def sources(self) -> tuple[str, ...]:
        """Folder (or file list) of the training files, and the test folder if there is one."""
        train = str(self.list_file or self.train.root)
        return (train,) if self.test is None else (train, str(self.test.root))

    def describe_kinds(self) -> str:
        """Return the number of files of each suffix as text; empty if all files have the same suffix."""
        # The items of a file are neighbors in the list.
        files = (file for paths in (self.train, self.test or ()) for file, _ in groupby(paths, get_file_name))
        counts = Counter(map(get_suffix, files))
        if len(counts) < 2:
            return ""
        kinds = ", ".join(f"{suffix} {count:,}" for suffix, count in counts.most_common())
        return f"{counts.total():,} {self.medium.files_noun}: {kinds}"


def discover(sources: Sequence[Path | str], allow_single: bool = False) -> list[DomainFiles]:
    """List the domains of `sources`: two or more folders or file lists, or one folder that contains the domains.

    With `allow_single`, one folder that contains files and no domains is one domain, and so is one file list.

    One folder contains a subfolder per domain, or trainA and trainB (and testA, testB), or train/ and test/ with a
    subfolder per domain. A domain may have its own train/ and test/ subfolders.

    Runs, comparisons and output folders of translations among the subfolders are left out. Raises UsageError for paths
    that are not folders or lists, for runs, a single domain, equal names, and names with "," or "="; WorkError for
    domains without files, domains of different media, and folders that cannot be read.
    """
    if not sources:
        raise UsageError(f"no folder given; {EXPECTED}")
    paths = [_resolve_source(Path(source)) for source in sources]
    try:
        is_single = allow_single and len(paths) == 1 and (paths[0].is_file() or is_single_domain(paths[0]))
        domain_folders = (
            [_create_domain(path) for path in paths]
            if is_single or len(paths) > 1 or paths[0].is_file()
            else find_domain_folders(paths[0])
        )
    except OSError as error:
        raise WorkError(f"{error.filename}: the folder cannot be read ({error.strerror})") from error
    if len(domain_folders) < 2 and not is_single:
        raise UsageError(
            f"{paths[0]}: is the list of one domain, but a translation needs two or more; give a second list"
        )
    _check_names(domain_folders)
    return _require_one_medium([_list_domain_files(domain_folder) for domain_folder in domain_folders])


def discover_collections(sources: Sequence[Path | str]) -> list[DomainFiles]:
    """List each folder of `sources`, including its subfolders, as one collection; raises the errors of `discover`."""
    domain_folders = [_create_domain(_resolve_source(Path(source))) for source in sources]
    _check_names(domain_folders)
    return _require_one_medium([_list_domain_files(domain_folder) for domain_folder in domain_folders])


def rediscover(name: str, sources: Sequence[str]) -> DomainFiles:
    """List a domain's files again from the folders that a run recorded; raises the errors of `discover`."""
    train, *test = (_resolve_source(Path(source)) for source in sources)
    return _list_domain_files(DomainFolders(name, train, test[0] if test else None))


def get_source_root(source: str) -> Path:
    """Return the folder that file names are relative to: a recorded folder itself, or the folder of a file list."""
    path = Path(source)
    return path.parent if path.suffix.lower() in LIST_SUFFIXES and not path.is_dir() else path


def _require_one_medium(domains: list[DomainFiles]) -> list[DomainFiles]:
    medium = find_common_medium(files.medium.name for files in domains)
    if medium is None:
        other_domain = next(files for files in domains if files.medium is not domains[0].medium)
        contents = " but ".join(f"'{files.name}' has {files.medium.files_noun}" for files in (domains[0], other_domain))
        raise WorkError(f"{contents}; expected domains of one medium")
    return [files if files.medium is medium else replace(files, medium=medium) for files in domains]


def _resolve_source(path: Path) -> Path:
    path = Path(os.path.abspath(path))  # noqa: PTH100 (resolve would follow links, which changes the domain's name)
    if not path.exists():
        raise UsageError(f"{path}: does not exist{suggest_path(path)}; {EXPECTED}")
    if is_file_list(path):
        return path
    if not path.is_dir():
        raise UsageError(f"{path}: is a file; {EXPECTED} (or a .txt file that lists a domain's files)")
    if is_run_folder(path):
        raise UsageError(f"{path}: is a run or a comparison, not data; {EXPECTED}")
    return path


def _create_domain(path: Path) -> DomainFolders:
    try:
        return create_domain_folders(path) if path.is_dir() else DomainFolders(path.stem, path)
    except OSError as error:
        raise WorkError(f"{error.filename}: the folder cannot be read ({error.strerror})") from error


def is_valid_name(name: str) -> bool:
    """Whether a domain may have this name."""
    return 0 < len(name) <= MAX_NAME_LENGTH and name not in (".", "..") and not set(name) & FORBIDDEN_CHARACTERS


def _check_names(domain_folders: Sequence[DomainFolders]) -> None:
    folder_by_name: dict[str, Path] = {}
    for domain_folder in domain_folders:
        if not is_valid_name(domain_folder.name):
            raise UsageError(
                f"{domain_folder.train}: '{domain_folder.name}' cannot name a domain; rename the folder, without "
                f"',' and '=' and with at most {MAX_NAME_LENGTH} characters"
            )
        if domain_folder.name in folder_by_name:
            both_folders = f"{folder_by_name[domain_folder.name]} and {domain_folder.train}"
            raise UsageError(f"two domains are named '{domain_folder.name}': {both_folders}; rename one of the folders")
        folder_by_name[domain_folder.name] = domain_folder.train


def _list_domain_files(domain_folder: DomainFolders) -> DomainFiles:
    listing = _Listing()
    notes = [domain_folder.note]
    if domain_folder.train.is_dir():
        train, train_notes = _list_folder(domain_folder, listing)
    else:
        train, train_notes = _read_list(domain_folder.train, listing)
    notes += train_notes
    test = None
    if domain_folder.test is not None:
        test = Paths.from_files(domain_folder.test, listing.walk(domain_folder.test))
    skipped_notes = listing.skipped.describe()
    if not len(train):
        file_types = "; ".join(f"{medium.files_noun} ({medium.expected_suffixes()})" for medium in MEDIA.values())
        reasons = f" ({'; '.join(skipped_notes)})" if skipped_notes else ""
        raise WorkError(
            f"{domain_folder.train}: no files to read for domain '{domain_folder.name}'{reasons}; expected {file_types}"
        )
    medium = find_common_medium(listing.first_by_medium)
    if medium is None:
        both_media = " and ".join(
            f"{MEDIA[name].files_noun} ({file})" for name, file in sorted(listing.first_by_medium.items())
        )
        raise WorkError(
            f"{domain_folder.train}: domain '{domain_folder.name}' has {both_media}; "
            "expected one of these; move the other files to another folder"
        )
    if test is not None and not len(test):
        notes.append("its test folder has no files to read")
        test = None
    return DomainFiles(
        domain_folder.name,
        train,
        test,
        listing.skipped.ignored,
        "; ".join(filter(None, [*notes, *skipped_notes])),
        list_file=None if domain_folder.train.is_dir() else domain_folder.train,
        medium=medium,
    )


def _list_folder(domain_folder: DomainFolders, listing: _Listing) -> tuple[Paths, list[str]]:
    """List a folder without its test and validation subfolders; returns the files and notes."""
    root, test = domain_folder.train, domain_folder.test
    validation: list[str] = []
    if get_role(root.name) is None:
        validation = [name for name in _list_subfolders(root) if get_role(name) == "validation"]
    excluded = {*validation, test.name if test is not None and test.parent == root else ""}
    train = Paths.from_files(root, listing.walk(root, excluded))
    if not validation:
        return train, []
    unused = describe_unused(root, validation)
    return train, [f"not used: {unused}; validation files are held out from the training files instead"]


def _list_subfolders(folder: Path) -> list[str]:
    try:
        return list_subfolders(folder)
    except OSError as error:
        raise WorkError(f"{folder}: the folder cannot be read ({error.strerror})") from error


def _read_list(path: Path, listing: _Listing) -> tuple[Paths, list[str]]:
    """Return the files of a list, including those in listed folders, relative to the list's folder; and notes."""
    file_list = read_file_names(path)
    notes = []
    if file_list.missing:
        notes.append(f"{len(file_list.missing):,} lines name no file that exists: {format_names(file_list.missing)}")
    return Paths.from_files(path.parent, listing.walk_entries(path.parent, file_list.entries)), notes


@dataclass
class _Listing:
    """State of listing one domain: the files that were left out, and the first file name of each medium."""

    skipped: SkippedFiles = field(default_factory=SkippedFiles)
    first_by_medium: dict[str, str] = field(default_factory=dict)

    def walk(self, root: Path, excluded: set[str] | None = None) -> Iterator[tuple[str, int]]:
        """Yield (relative name, size in bytes) of every file below `root`: sorted, the subfolders after the files.

        `excluded` are relative names of folders to leave out. Raises WorkError for folders that cannot be read.
        """

        def fail(folder: str, error: OSError) -> None:
            raise WorkError(f"{folder}: the folder cannot be read ({error.strerror})") from error

        for name, size, medium in walk_files(root, self.skipped, fail, (excluded or set()).__contains__):
            self._note_medium(medium, name)
            yield name, size

    def walk_entries(self, root: Path, entries: Sequence[Path]) -> Iterator[tuple[str, int]]:
        """Yield (name relative to `root`, size in bytes) of listed files, and of the files in listed folders."""
        seen: set[str] = set()
        for entry in entries:
            relative_name = os.path.relpath(entry, root)
            files: Iterable[tuple[str, int]]
            if entry.is_dir():
                files = ((f"{relative_name}/{name}", size) for name, size in self.walk(entry))
            elif (medium := infer_medium(entry.name)) is None:
                self.skipped.other_suffixes[get_suffix(entry.name)] += 1
                continue
            else:
                self._note_medium(medium, relative_name)
                files = [(relative_name, entry.stat().st_size)]
            for name, size in files:
                if name not in seen:
                    seen.add(name)
                    yield name, size

    def _note_medium(self, medium: Medium, name: str) -> None:
        file_name = name.rpartition("/")[2]
        self.first_by_medium[medium.name] = min(self.first_by_medium.get(medium.name, file_name), file_name)
