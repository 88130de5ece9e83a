"""Compact list of file names below one folder, for millions of files."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unpaired.file_names import normalize_name

_ITEM_NAME = re.compile(r"(?:([a-z]+)-)?([0-9]{1,9})")
_DIGITS = np.frombuffer(b"0123456789", np.uint8)


class Paths:
    """File names below one folder, with file sizes, in one block of bytes and three arrays: about 60 bytes per file.

    `paths[i]` is the i-th name relative to `root`, with "/" between folders; `paths.get_path(i)` the full path;
    `paths.sizes` the sizes in bytes (int64). Subsets share the block of names.
    """

    def __init__(
        self,
        root: Path,
        names: bytes | bytearray,
        starts: npt.NDArray[np.int64],
        lengths: npt.NDArray[np.int32],
        sizes: npt.NDArray[np.int64],
    ) -> None:
        self.root = root
        self._names = names
        self._starts = starts
        self._lengths = lengths
        self.sizes = sizes

    @classmethod
    def from_files(cls, root: Path, files: Iterable[tuple[str, int]]) -> Paths:
        """Create the list from pairs (name relative to `root`, size in bytes), in their order."""
        names = bytearray()
        starts, lengths, sizes = array("q"), array("i"), array("q")
        for name, size in files:
            encoded = os.fsencode(name)
            starts.append(len(names))
            lengths.append(len(encoded))
            sizes.append(size)
            names += encoded
        arrays = (np.frombuffer(starts, np.int64), np.frombuffer(lengths, np.int32), np.frombuffer(sizes, np.int64))
        return cls(root, names, *arrays)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> str:
        start = int(self._starts[index])
        return os.fsdecode(bytes(self._names[start : start + int(self._lengths[index])]))

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))

    def get_path(self, index: int) -> Path:
        """Return the full path of the i-th file."""
        return self.root / self[index]

    def take(self, indices: npt.NDArray[np.integer] | list[int]) -> Paths:
        """Return the files at `indices`, in that order."""
        selected_indices = np.asarray(indices, np.int64)
        return Paths(
            self.root,
            self._names,
            self._starts[selected_indices],
            self._lengths[selected_indices],
            self.sizes[selected_indices],
        )

    def join(self, other: Paths) -> Paths:
        """Return these files followed by those of another list below the same folder."""
        pairs = [(paths[i], int(paths.sizes[i])) for paths in (self, other) for i in range(len(paths))]
        return Paths.from_files(self.root, pairs)

    def merge_items(self) -> Paths:
        """Return the files, each once, of which items are listed, as "stack.tif/0003"."""
        names = np.frombuffer(self._names, np.uint8)
        if not np.isin(names[self._starts + self._lengths - 1], _DIGITS).any():
            return self
        return Paths.from_files(
            self.root, {get_file_name(name): int(self.sizes[i]) for i, name in enumerate(self)}.items()
        )

    def hash_names(self, salt: str, ignore_suffix: bool = False) -> npt.NDArray[np.uint64]:
        """Return a 64-bit BLAKE2b hash (N,) of each name, keyed by `salt`.

        With `ignore_suffix`, the two files of a true pair have equal hashes.
        """
        key = blake2b(salt.encode(), digest_size=16).digest()
        out = np.empty(len(self), np.uint64)
        for i in range(len(self)):
            start = int(self._starts[i])
            name = bytes(self._names[start : start + int(self._lengths[i])])
            if ignore_suffix:
                name = name[: get_stem_length(name)]
                if not name.isascii():
                    name = os.fsencode(normalize_name(os.fsdecode(name)))
            out[i] = int.from_bytes(blake2b(name, digest_size=8, key=key).digest(), "little")
        return out


class ItemName(NamedTuple):
    """Last part of the name of an item within a file: "0003", or "axial-0003" with a prefix. Numbers begin at 1."""

    prefix: str
    number: int

    def __str__(self) -> str:
        return f"{self.prefix}-{self.number:04}" if self.prefix else f"{self.number:04}"


def parse_item_name(text: str) -> ItemName | None:
    """Return the name of an item within a file; None for other texts, such as names of files, which have a suffix."""
    match = _ITEM_NAME.fullmatch(text)
    return None if match is None else ItemName(match[1] or "", int(match[2]))


def split_item_path(path: Path) -> tuple[Path, ItemName | None]:
    """Split the path of an item within a file, as "stack.tif/0003", into both; other paths have no item."""
    item = parse_item_name(path.name)
    return (path, None) if item is None or not path.parent.suffix or path.is_file() else (path.parent, item)


def get_file_name(name: str) -> str:
    """Return the name of the file that an item is in: "a/stack.tif" for "a/stack.tif/0003", else the same name."""
    file, _, last = name.rpartition("/")
    is_item = parse_item_name(last) is not None and "." in file.rpartition("/")[2]
    return file if is_item else name


def get_stem_length(name: bytes) -> int:
    """Return the number of bytes of a name before its suffix."""
    dot = name.rfind(b".")
    return dot if dot > name.rfind(b"/") + 1 else len(name)


def remove_suffix(name: str) -> str:
    """Return a relative name without its suffix; the two files of a true pair have equal results."""
    encoded = os.fsencode(name)
    return os.fsdecode(encoded[: get_stem_length(encoded)])
