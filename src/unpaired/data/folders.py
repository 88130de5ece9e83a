"""Folders to domains: which layout this is, and every picture file in it, listed once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from unpaired.data.ours import is_ours, is_trained
from unpaired.data.paths import Paths
from unpaired.errors import UsageError, WorkError
from unpaired.media.suffixes import KINDS, Medium, medium_of

FORBIDDEN = frozenset(",=/\\\n\r\0")
"""What names of domains are without: they are typed in lists and amounts, and files are called by them."""
LONGEST_NAME = 100
_EXPECTED = "expected a folder for each domain, or one folder with a subfolder for each domain"


@dataclass(frozen=True)
class Place:
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
    medium: Medium = "image"

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
    folders = [_folder(Path(source)) for source in sources]
    places = [_place(folder) for folder in folders] if len(folders) > 1 else _places(folders[0])
    _check_names(places)
    return _of_one_medium([_listed(place) for place in places])


def discover_whole(sources: Sequence[Path | str]) -> list[DomainFiles]:
    """List each folder of `sources` as one collection, whatever its subfolders; raises as `discover` does."""
    places = [_place(_folder(Path(source))) for source in sources]
    _check_names(places)
    return _of_one_medium([_listed(place) for place in places])


def _of_one_medium(domains: list[DomainFiles]) -> list[DomainFiles]:
    other = next((files for files in domains if files.medium != domains[0].medium), None)
    if other is not None:
        words = " but ".join(f"'{files.name}' has {KINDS[files.medium][0]}" for files in (domains[0], other))
        raise WorkError(f"{words}; domains are all of one medium")
    return domains


def rediscover(name: str, sources: Sequence[str]) -> DomainFiles:
    """List a known domain's files again, from the folders recorded in a run; raises as `discover` does."""
    train, *test = (_folder(Path(source)) for source in sources)
    return _listed(Place(name, train, test[0] if test else None))


def _folder(path: Path) -> Path:
    path = Path(os.path.abspath(path))  # noqa: PTH100 (resolve would follow links, and change the domain's name)
    if not path.exists():
        raise UsageError(f"{path}: does not exist; {_EXPECTED}")
    if not path.is_dir():
        raise UsageError(f"{path}: is a file; {_EXPECTED}")
    if is_trained(path):
        raise UsageError(f"{path}: is a run or a comparison of ours, not data; {_EXPECTED}")
    return path


def _places(root: Path) -> list[Place]:
    """The domains within one folder."""
    found = _subfolders(root)
    names = [name for name in found if not holds_ours_alone(root / name)]
    lettered = [match[1] for name in names if (match := re.fullmatch(r"train([A-Z])", name))]
    if len(lettered) > 1:
        return [Place(c, root / f"train{c}", root / f"test{c}" if f"test{c}" in names else None) for c in lettered]
    if "train" in names:
        inner = _subfolders(root / "train")
        tests = _subfolders(root / "test") if "test" in names else []
        places = [Place(n, root / "train" / n, root / "test" / n if n in tests else None) for n in inner]
    else:
        places = [_place(root / name) for name in names]
        if places and (ours := [name for name in found if name not in names]):
            note = "; ".join(filter(None, (places[0].note, left_out(ours))))
            places[0] = replace(places[0], note=note)
    if len(places) < 2:
        few = f"only one ('{places[0].name}')" if places else "none"
        raise UsageError(f"{root}: translating needs two domains or more, and this folder has {few}; {_EXPECTED}")
    return places


def holds_ours_alone(folder: Path, levels: int = 2) -> bool:
    """Whether a folder is what unpaired wrote, or holds nothing else (`runs`, and there the stages of a search)."""
    if is_ours(folder):
        return True
    inner = []
    for name, is_folder in _entries_quickly(folder):
        if is_folder:
            inner.append(name)
        elif medium_of(name) is not None and (folder / name).is_file():
            return False  # at the first, for there may be a million
    return levels > 0 and bool(inner) and all(holds_ours_alone(folder / name, levels - 1) for name in inner)


def left_out(ours: Sequence[str]) -> str:
    """What is said of folders that unpaired wrote."""
    return f"left out, as unpaired wrote {'it' if len(ours) == 1 else 'them'}: {', '.join(ours)}"


def _place(folder: Path) -> Place:
    names = _subfolders(folder)
    test = folder / "test" if "test" in names else None
    if "train" not in names:
        return Place(folder.name, folder, test)
    others = [name for name in names if name not in ("train", "test")]
    note = f"beside train/, these folders are not used: {', '.join(others)}" if others else ""
    return Place(folder.name, folder / "train", test, note)


def nameable(name: str) -> bool:
    """Whether a domain can be called so."""
    return 0 < len(name) <= LONGEST_NAME and name not in (".", "..") and not set(name) & FORBIDDEN


def _check_names(places: Sequence[Place]) -> None:
    seen: dict[str, Path] = {}
    for place in places:
        if not nameable(place.name):
            raise UsageError(
                f"{place.train}: a domain's name is its folder's, without ',' and '=', of at most {LONGEST_NAME} "
                "characters; rename the folder"
            )
        if place.name in seen:
            both = f"{seen[place.name]} and {place.train}"
            raise UsageError(f"two domains are named '{place.name}': {both}; rename one of the folders")
        seen[place.name] = place.train


def _listed(place: Place) -> DomainFiles:
    tally = _Tally()
    train = Paths.of(place.train, _files(place.train, place.test, tally))
    test = Paths.of(place.test, _files(place.test, None, tally)) if place.test else None
    if not len(train):
        others = f" ({tally.ignored} other files)" if tally.ignored else ""
        kinds = "; ".join(f"{what} ({', '.join(sorted(suffixes))})" for what, suffixes in KINDS.values())
        raise WorkError(f"{place.train}: no files to read for domain '{place.name}'{others}; expected {kinds}")
    if len(tally.first) > 1:
        both = " and ".join(f"{words} ({tally.first[m]})" for m, (words, _) in KINDS.items() if m in tally.first)
        raise WorkError(f"{place.train}: domain '{place.name}' has {both}; expected one kind, so move the others away")
    note = "; ".join(filter(None, (place.note, left_out(tally.ours) if tally.ours else "")))
    if test is not None and not len(test):
        note, test = "; ".join(filter(None, (note, "its test folder has no files to read"))), None
    return DomainFiles(place.name, train, test, tally.ignored, note, next(iter(tally.first)))


@dataclass
class _Tally:
    """What a walk through folders met beside files to read, and the first file of each medium."""

    ignored: int = 0
    ours: list[str] = field(default_factory=list)
    first: dict[Medium, str] = field(default_factory=dict)


def _files(root: Path, leave_out: Path | None, tally: _Tally) -> Iterator[tuple[str, int]]:
    """(relative name, size) of every file to read below `root`: a folder's by name, then its subfolders'."""
    seen: set[tuple[int, int]] = set()
    pending = [""]
    while pending:
        below = pending.pop()
        folder = os.path.join(root, below)  # noqa: PTH118 (a Path per folder entry is slow)
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            continue  # a link back to a folder already listed
        seen.add((status.st_dev, status.st_ino))
        files, folders = _entries(folder, tally)
        yield from ((below + name, size) for name, size in sorted(files))
        apart = leave_out.name if leave_out is not None and not below and leave_out.parent == root else None
        for name in sorted(folders, reverse=True):
            if is_ours(os.path.join(folder, name)):  # noqa: PTH118
                tally.ours.append(below + name)
            elif name != apart:
                pending.append(f"{below}{name}/")


def _entries(folder: str, tally: _Tally) -> tuple[list[tuple[str, int]], list[str]]:
    files, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif (medium := medium_of(entry.name)) is not None and entry.is_file():
                    files.append((entry.name, entry.stat().st_size))
                    tally.first[medium] = min(tally.first.get(medium, entry.name), entry.name)
                else:
                    tally.ignored += 1
    except OSError as error:
        raise WorkError(f"{folder}: the folder cannot be read ({error.strerror})") from error
    return files, folders


def _subfolders(folder: Path) -> list[str]:
    return sorted(name for name, is_folder in _entries_quickly(folder) if is_folder)


def _entries_quickly(folder: Path) -> Iterator[tuple[str, bool]]:
    """Names, and whether they are subfolders, without asking for sizes of what may be a million files."""
    try:
        with os.scandir(folder) as entries:
            yield from ((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise WorkError(f"{folder}: the folder cannot be read ({error.strerror})") from error
