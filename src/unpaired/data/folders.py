"""Folders to domains: which layout this is, and every picture file in it, listed once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from unpaired.data.artifacts import is_artifact, is_run_folder
from unpaired.data.paths import Paths
from unpaired.errors import UsageError, WorkError
from unpaired.media import MEDIA, Medium, infer_medium

FORBIDDEN_CHARACTERS = frozenset(",=/\\\n\r\0")
"""What names of domains are without: they are typed in lists and amounts, and files are called by them."""
MAX_NAME_LENGTH = 100
_EXPECTED = "expected a folder for each domain, or one folder with a subfolder for each domain"


@dataclass(frozen=True)
class DomainFolders:
    """Where a domain's files are: its folder to learn from, and a folder of test files where there is one."""

    name: str
    train: Path
    test: Path | None = None
    note: str = ""


@dataclass(frozen=True)
class DomainFiles:
    """A domain's files of one medium as listed, not yet opened: `train` (everything where `test` is None) and `test`.

    `ignored` counts files of other kinds; hidden files are not looked at. `note` says what else was left out: folders
    beside train/, and what unpaired itself wrote below the folder.
    """

    name: str
    train: Paths
    test: Paths | None
    ignored: int
    note: str = ""
    medium: Medium = field(kw_only=True)

    @property
    def sources(self) -> tuple[str, ...]:
        """The folders: where training files are, and where test files are if they have a folder of their own."""
        return (str(self.train.root),) if self.test is None else (str(self.train.root), str(self.test.root))


def discover(sources: Sequence[Path | str]) -> list[DomainFiles]:
    """List the domains of `sources`: two or more folders, or one with a subfolder per domain, trainA and trainB (testA,
    testB), or train/ and test/ with a subfolder per domain. A domain's own train/ and test/ subfolders are understood.

    Runs, comparisons and folders of translations among the subfolders are left out. Raises UsageError for paths that
    are no folders, or runs, a single domain, two domains of one name and names with "," or "="; WorkError for domains
    without pictures and folders that cannot be read.
    """
    if not sources:
        raise UsageError(f"no folder given; {_EXPECTED}")
    folders = [_resolve_folder(Path(source)) for source in sources]
    domain_folders = (
        [_create_domain_folders(folder) for folder in folders] if len(folders) > 1 else _find_domain_folders(folders[0])
    )
    _check_names(domain_folders)
    return _require_one_medium([_list_domain_files(domain_folder) for domain_folder in domain_folders])


def discover_collections(sources: Sequence[Path | str]) -> list[DomainFiles]:
    """List each folder of `sources` as one collection, whatever its subfolders; raises as `discover` does."""
    domain_folders = [_create_domain_folders(_resolve_folder(Path(source))) for source in sources]
    _check_names(domain_folders)
    return _require_one_medium([_list_domain_files(domain_folder) for domain_folder in domain_folders])


def _require_one_medium(domains: list[DomainFiles]) -> list[DomainFiles]:
    other_domain = next((files for files in domains if files.medium is not domains[0].medium), None)
    if other_domain is not None:
        contents = " but ".join(f"'{files.name}' has {files.medium.files_noun}" for files in (domains[0], other_domain))
        raise WorkError(f"{contents}; domains are all of one medium")
    return domains


def rediscover(name: str, sources: Sequence[str]) -> DomainFiles:
    """List a known domain's files again, from the folders recorded in a run; raises as `discover` does."""
    train, *test = (_resolve_folder(Path(source)) for source in sources)
    return _list_domain_files(DomainFolders(name, train, test[0] if test else None))


def _resolve_folder(path: Path) -> Path:
    path = Path(os.path.abspath(path))  # noqa: PTH100 (resolve would follow links, and change the domain's name)
    if not path.exists():
        raise UsageError(f"{path}: does not exist; {_EXPECTED}")
    if not path.is_dir():
        raise UsageError(f"{path}: is a file; {_EXPECTED}")
    if is_run_folder(path):
        raise UsageError(f"{path}: is a run or a comparison of ours, not data; {_EXPECTED}")
    return path


def _find_domain_folders(root: Path) -> list[DomainFolders]:
    """The domains within one folder."""
    subfolders = _list_subfolders(root)
    names = [name for name in subfolders if not contains_only_artifacts(root / name)]
    domain_letters = [match[1] for name in names if (match := re.fullmatch(r"train([A-Z])", name))]
    if len(domain_letters) > 1:
        return [
            DomainFolders(letter, root / f"train{letter}", root / f"test{letter}" if f"test{letter}" in names else None)
            for letter in domain_letters
        ]
    if "train" in names:
        domain_names = _list_subfolders(root / "train")
        test_names = _list_subfolders(root / "test") if "test" in names else []
        domain_folders = [
            DomainFolders(n, root / "train" / n, root / "test" / n if n in test_names else None) for n in domain_names
        ]
    else:
        domain_folders = [_create_domain_folders(root / name) for name in names]
        if domain_folders and (artifacts := [name for name in subfolders if name not in names]):
            note = "; ".join(filter(None, (domain_folders[0].note, describe_skipped_artifacts(artifacts))))
            domain_folders[0] = replace(domain_folders[0], note=note)
    if len(domain_folders) < 2:
        found_domains = f"only one ('{domain_folders[0].name}')" if domain_folders else "none"
        raise UsageError(
            f"{root}: translating needs two domains or more, and this folder has {found_domains}; {_EXPECTED}"
        )
    return domain_folders


def contains_only_artifacts(folder: Path, levels: int = 2) -> bool:
    """Whether a folder is what unpaired wrote, or holds nothing else (`runs`, and there the stages of a search)."""
    if is_artifact(folder):
        return True
    subfolders = []
    for name, is_folder in _scan_names(folder):
        if is_folder:
            subfolders.append(name)
        elif infer_medium(name) is not None and (folder / name).is_file():
            return False  # at the first, for there may be a million
    return (
        levels > 0
        and bool(subfolders)
        and all(contains_only_artifacts(folder / name, levels - 1) for name in subfolders)
    )


def describe_skipped_artifacts(artifacts: Sequence[str]) -> str:
    """What is said of folders that unpaired wrote."""
    return f"left out, as unpaired wrote {'it' if len(artifacts) == 1 else 'them'}: {', '.join(artifacts)}"


def _create_domain_folders(folder: Path) -> DomainFolders:
    names = _list_subfolders(folder)
    test = folder / "test" if "test" in names else None
    if "train" not in names:
        return DomainFolders(folder.name, folder, test)
    others = [name for name in names if name not in ("train", "test")]
    note = f"beside train/, these folders are not used: {', '.join(others)}" if others else ""
    return DomainFolders(folder.name, folder / "train", test, note)


def is_valid_name(name: str) -> bool:
    """Whether a domain can be called so."""
    return 0 < len(name) <= MAX_NAME_LENGTH and name not in (".", "..") and not set(name) & FORBIDDEN_CHARACTERS


def _check_names(domain_folders: Sequence[DomainFolders]) -> None:
    folder_by_name: dict[str, Path] = {}
    for domain_folder in domain_folders:
        if not is_valid_name(domain_folder.name):
            raise UsageError(
                f"{domain_folder.train}: a domain's name is its folder's, without ',' and '=', of at most {MAX_NAME_LENGTH} "
                "characters; rename the folder"
            )
        if domain_folder.name in folder_by_name:
            both_folders = f"{folder_by_name[domain_folder.name]} and {domain_folder.train}"
            raise UsageError(f"two domains are named '{domain_folder.name}': {both_folders}; rename one of the folders")
        folder_by_name[domain_folder.name] = domain_folder.train


def _list_domain_files(domain_folder: DomainFolders) -> DomainFiles:
    counts = _ListingCounts()
    train = Paths.from_files(domain_folder.train, _iterate_files(domain_folder.train, domain_folder.test, counts))
    test = (
        Paths.from_files(domain_folder.test, _iterate_files(domain_folder.test, None, counts))
        if domain_folder.test
        else None
    )
    if not len(train):
        others = f" ({counts.ignored} other files)" if counts.ignored else ""
        file_types = "; ".join(f"{medium.files_noun} ({medium.expected_suffixes()})" for medium in MEDIA.values())
        raise WorkError(
            f"{domain_folder.train}: no files to read for domain '{domain_folder.name}'{others}; expected {file_types}"
        )
    if len(counts.first_by_medium) > 1:
        both_media = " and ".join(
            f"{MEDIA[name].files_noun} ({file})" for name, file in sorted(counts.first_by_medium.items())
        )
        raise WorkError(
            f"{domain_folder.train}: domain '{domain_folder.name}' has {both_media}; expected one kind, so move the others away"
        )
    note = "; ".join(
        filter(None, (domain_folder.note, describe_skipped_artifacts(counts.artifacts) if counts.artifacts else ""))
    )
    if test is not None and not len(test):
        note, test = "; ".join(filter(None, (note, "its test folder has no files to read"))), None
    medium = MEDIA[next(iter(counts.first_by_medium))]
    return DomainFiles(domain_folder.name, train, test, counts.ignored, note, medium=medium)


@dataclass
class _ListingCounts:
    """What a walk through folders met beside files to read, and the first file of each medium."""

    ignored: int = 0
    artifacts: list[str] = field(default_factory=list)
    first_by_medium: dict[str, str] = field(default_factory=dict)


def _iterate_files(root: Path, excluded_folder: Path | None, counts: _ListingCounts) -> Iterator[tuple[str, int]]:
    """(relative name, size) of every file to read below `root`: a folder's by name, then its subfolders'."""
    visited: set[tuple[int, int]] = set()
    pending = [""]
    while pending:
        relative_folder = pending.pop()
        folder = os.path.join(root, relative_folder)  # noqa: PTH118 (a Path per folder entry is slow)
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in visited:
            continue  # a link back to a folder already listed
        visited.add((status.st_dev, status.st_ino))
        files, folders = _scan_folder(folder, counts)
        yield from ((relative_folder + name, size) for name, size in sorted(files))
        excluded_name = (
            excluded_folder.name
            if excluded_folder is not None and not relative_folder and excluded_folder.parent == root
            else None
        )
        for name in sorted(folders, reverse=True):
            if is_artifact(os.path.join(folder, name)):  # noqa: PTH118
                counts.artifacts.append(relative_folder + name)
            elif name != excluded_name:
                pending.append(f"{relative_folder}{name}/")


def _scan_folder(folder: str, counts: _ListingCounts) -> tuple[list[tuple[str, int]], list[str]]:
    files, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif (medium := infer_medium(entry.name)) is not None and entry.is_file():
                    files.append((entry.name, entry.stat().st_size))
                    first = counts.first_by_medium.get(medium.name, entry.name)
                    counts.first_by_medium[medium.name] = min(first, entry.name)
                else:
                    counts.ignored += 1
    except OSError as error:
        raise WorkError(f"{folder}: the folder cannot be read ({error.strerror})") from error
    return files, folders


def _list_subfolders(folder: Path) -> list[str]:
    return sorted(name for name, is_folder in _scan_names(folder) if is_folder)


def _scan_names(folder: Path) -> Iterator[tuple[str, bool]]:
    """Names, and whether they are subfolders, without asking for sizes of what may be a million files."""
    try:
        with os.scandir(folder) as entries:
            yield from ((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise WorkError(f"{folder}: the folder cannot be read ({error.strerror})") from error
