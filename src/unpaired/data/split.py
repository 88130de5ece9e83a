"""Which files train, which choose the best state, and which only test; and the list of them that a run keeps."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from unpaired.atomic import whole
from unpaired.data.folders import DomainFiles
from unpaired.data.paths import Paths
from unpaired.errors import WorkError

Which = Literal["train", "validation", "test"]
SMALLEST = 10
"""Domains with fewer files have nothing held back."""
MOST_VALIDATION, MOST_TEST = 200, 1000
_SKIPPED, _TEST_SKIPPED = "skipped", "test-skipped"
_USES = (*get_args(Which), _SKIPPED, _TEST_SKIPPED)
_HEADER = "set\tbytes\tname\n"


@dataclass(frozen=True)
class Sets:
    """A domain's files by use. `skipped` (and `test_skipped`, of a test folder) are the ones that cannot be read."""

    name: str
    train: Paths
    validation: Paths
    test: Paths
    skipped: Paths
    test_skipped: Paths
    has_test_folder: bool

    def of(self, which: Which) -> Paths:
        """The files of one set."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[which]


def held_counts(count: int, held: float, has_test_folder: bool) -> tuple[int, int]:
    """How many of `count` files are held back to choose the best (at most 200), and to test (at most 1000).

    At least one each where anything is held, at most a third each; none where a domain has fewer than 10 files. With a
    test folder none is taken for testing.
    """
    if count < SMALLEST or held == 0:
        return 0, 0
    share = min(max(1, round(count * held)), count // 3)
    return min(share, MOST_VALIDATION), 0 if has_test_folder else min(share, MOST_TEST)


def split(files: DomainFiles, held: float, seed: int, unreadable: Container[str] = ()) -> Sets:
    """Hold files back by a hash of (seed, name without suffix): the same in every run, whatever the listing's order.

    Files of equal names in two domains hash alike, so true pairs are held back together. `unreadable` are whole paths.
    """
    readable, skipped = _parted(files.train, unreadable)
    has_test_folder = files.test is not None
    test, test_skipped = _parted(files.train.take([]) if files.test is None else files.test, unreadable)
    for_validation, for_test = held_counts(len(readable), held, has_test_folder)
    drawn = np.argsort(readable.hashes(f"split/{seed}", stems=True), kind="stable")
    taken = for_validation + for_test
    return Sets(
        name=files.name,
        train=readable.take(np.sort(drawn[taken:])),
        validation=readable.take(np.sort(drawn[for_test:taken])),
        test=test if has_test_folder else readable.take(np.sort(drawn[:for_test])),
        skipped=skipped,
        test_skipped=test_skipped,
        has_test_folder=has_test_folder,
    )


def held_back(sets: Sequence[Sets]) -> Which | None:
    """What a run is measured on: test items, or the ones that chose the best where more domains have such.

    None where not even two domains have any.
    """
    having = {which: sum(len(part.of(which)) > 0 for part in sets) for which in ("test", "validation")}
    which: Which = "validation" if having["validation"] > having["test"] else "test"
    return which if having[which] > 1 else None


def _parted(paths: Paths, unreadable: Container[str]) -> tuple[Paths, Paths]:
    if not unreadable:
        return paths, paths.take([])
    bad = np.fromiter((f"{paths.root}/{name}" in unreadable for name in paths), bool, len(paths))
    return paths.take(np.flatnonzero(~bad)), paths.take(np.flatnonzero(bad))


def write_files(path: Path, sets: Sets) -> None:
    """Write the list of a domain's files, "set, size, name" per line, whole or not at all; raises WorkError."""
    named = {which: sets.of(which) for which in get_args(Which)}
    named |= {_SKIPPED: sets.skipped, _TEST_SKIPPED: sets.test_skipped}
    with whole(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        file.write(_HEADER)
        for which, paths in named.items():
            for i, name in enumerate(paths):
                file.write(f"{which}\t{paths.sizes[i]}\t{_escaped(name)}\n")


def read_files(path: Path, name: str, sources: tuple[str, ...]) -> Sets:
    """Read a list of `write_files`; `sources` are the domain's folders. Raises WorkError where it is damaged.

    So it does for a domain without folders, which an imported run has.
    """
    if not sources:
        raise WorkError(f"domain '{name}' has no files of its own: its run was imported, not trained")
    roots = {which: Path(sources[-1] if which in ("test", _TEST_SKIPPED) else sources[0]) for which in _USES}
    paths = {which: Paths.of(root, ()) for which, root in roots.items()}
    try:
        for which, rows in groupby(_rows(path), key=lambda row: row[0]):
            paths[which] = Paths.of(roots[which], ((name, size) for _, name, size in rows))
    except (OSError, ValueError) as error:
        raise WorkError(f"{path}: cannot be read as a run's list of files ({error})") from error
    train, validation, test, skipped, test_skipped = (paths[which] for which in _USES)
    return Sets(name, train, validation, test, skipped, test_skipped, has_test_folder=len(sources) == 2)


def _rows(path: Path) -> Iterator[tuple[str, str, int]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        if next(file, "") != _HEADER:
            raise ValueError("its first line is not 'set, bytes, name'")
        for line in file:
            which, size, name = line.removesuffix("\n").split("\t", 2)
            if which not in _USES:
                raise ValueError(f"unknown set '{which}'")
            yield which, _unescaped(name), int(size)


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\n", "\\n")


def _unescaped(name: str) -> str:
    return "\\".join(piece.replace("\\n", "\n") for piece in name.split("\\\\"))


def changed(recorded: Sets, now: DomainFiles) -> list[str]:
    """How the files differ from the recorded ones (names and sizes), in sentences; empty where nothing has changed."""
    old = _Index([recorded.train, recorded.validation, recorded.skipped], [recorded.test, recorded.test_skipped])
    if not recorded.has_test_folder:
        old = _Index([*old.train, *old.test], [])
    new = _Index([now.train], [] if now.test is None else [now.test])
    found = {
        "missing": old.lacking(new),
        "new": new.lacking(old),
        "of another size": old.resized(new),
    }
    return [f"{now.name}: {_some(names)} {what}" for what, names in found.items() if names]


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{rest} {'is' if len(names) == 1 else 'are'}"


class _Index:
    """Hashes of names (and of which folder they are in) and sizes, to compare millions of files."""

    def __init__(self, train: list[Paths], test: list[Paths]) -> None:
        self.train, self.test = train, test
        parts = [(p, "train") for p in train] + [(p, "test") for p in test]
        self.paths = [p for p, _ in parts]
        hashes = np.concatenate([p.hashes(salt) for p, salt in parts])
        sizes = np.concatenate([p.sizes for p in self.paths])
        self.place = np.argsort(hashes)
        self.hashes, self.sizes = hashes[self.place], sizes[self.place]

    def lacking(self, other: _Index) -> list[str]:
        """Names here and not there."""
        return self._named(np.flatnonzero(~np.isin(self.hashes, other.hashes)))

    def resized(self, other: _Index) -> list[str]:
        """Names in both whose sizes differ."""
        _, mine, theirs = np.intersect1d(self.hashes, other.hashes, assume_unique=True, return_indices=True)
        return self._named(mine[self.sizes[mine] != other.sizes[theirs]])

    def _named(self, found: npt.NDArray[np.intp]) -> list[str]:
        bounds = np.cumsum([0] + [len(p) for p in self.paths])
        out = []
        for at in np.sort(self.place[found]):
            which = int(np.searchsorted(bounds, at, side="right")) - 1
            out.append(self.paths[which][int(at - bounds[which])])
        return out
