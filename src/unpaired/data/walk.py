"""One walk through a folder for every command: the files that can be read, and a count of everything left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unpaired.data.artifacts import is_artifact
from unpaired.errors import raise_resource_limit
from unpaired.media import MEDIA, Medium, infer_medium

SYSTEM_FOLDERS = frozenset(
    {
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@__thumb",
        "@tmp",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "__macosx",
        "__pycache__",
        "network trash folder",
        "temporary items",
        "_gsdata_",
    }
)
"""Folders, in lower case, that computers and storage keep for themselves: thumbnails, deleted files, indexes."""
_MAX_NAMES = 5


def is_system_folder(name: str) -> bool:
    """Whether a folder of this name belongs to a computer or a network storage, not to its user."""
    return name.lower() in SYSTEM_FOLDERS


@dataclass
class SkippedFiles:
    """Files and folders that a walk skipped, by reason. Names are relative to the root of the walk."""

    other_suffixes: Counter[str] = field(default_factory=Counter)
    hidden_files: list[str] = field(default_factory=list)
    hidden_folders: list[str] = field(default_factory=list)
    system_folders: list[str] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    @property
    def ignored(self) -> int:
        """Number of files that no medium reads."""
        return self.other_suffixes.total()

    def describe(self) -> list[str]:
        """Say what was left out, one sentence for each reason."""
        return [
            *describe_other_suffixes(self.other_suffixes),
            *_describe("hidden files", self.hidden_files),
            *_describe("hidden folders", self.hidden_folders),
            *_describe("system folders (thumbnails, deleted files)", self.system_folders),
            *([describe_skipped_artifacts(self.artifacts)] if self.artifacts else []),
            *_describe("links or special files that cannot be read", self.broken),
            *_describe("links to folders that are listed already", self.repeated),
            *([f"follows links that lead out of the folder: {format_names(self.outside)}"] if self.outside else []),
        ]


def _describe(what: str, names: Sequence[str]) -> list[str]:
    return [f"left out, {len(names):,} {what}: {format_names(names)}"] if names else []


def format_names(names: Sequence[str]) -> str:
    """Join the first few names, and count the others."""
    rest = f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + rest


def describe_other_suffixes(suffixes: Counter[str]) -> list[str]:
    """Describe files of unsupported types: their number by suffix, and how to convert them."""
    if not suffixes:
        return []
    ordered = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    kinds = format_names([f"{suffix or 'no suffix'} {count:,}" for suffix, count in ordered])
    count = suffixes.total()
    text = f"left out, {count:,} file{'' if count == 1 else 's'} of other kinds: {kinds}"
    hints = dict.fromkeys(hint for suffix in suffixes if (hint := explain_suffix(suffix)))
    return ["; ".join([text, *hints])]


def explain_suffix(suffix: str) -> str:
    """Return how to convert files of an unsupported type; empty for unknown types."""
    hints = (medium.conversion_hints.get(suffix.lower(), "") for medium in MEDIA.values())
    return next((hint for hint in hints if hint), "")


def describe_skipped_artifacts(artifacts: Sequence[str]) -> str:
    """Describe folders that are skipped because unpaired wrote them."""
    return f"left out, as unpaired wrote {'it' if len(artifacts) == 1 else 'them'}: {format_names(artifacts)}"


def walk_files(
    root: Path,
    skipped: SkippedFiles,
    on_error: Callable[[str, OSError], None],
    exclude: Callable[[str], bool] = lambda _: False,
    visited: Container[tuple[int, int]] = (),
) -> Iterator[tuple[str, int, Medium]]:
    """Yield (relative name, size in bytes, medium) of every file below `root` to read, and count the rest in `skipped`.

    Files are sorted by name within a folder and come before those of its subfolders. Folders whose relative name
    `exclude` accepts, and folders (device, inode) in `visited`, are skipped without being counted. `on_error` receives
    folders that cannot be listed.
    """
    seen: set[tuple[int, int]] = set()
    real_root = os.path.realpath(root)
    pending = [""]
    while pending:
        relative_folder = pending.pop()
        folder = os.path.join(root, relative_folder)  # noqa: PTH118 (a Path per folder entry is slow)
        try:
            status = os.stat(folder)  # noqa: PTH116
            key = (status.st_dev, status.st_ino)
            if key in visited:
                continue
            if key in seen:
                skipped.repeated.append(relative_folder.rstrip("/"))
                continue
            seen.add(key)
            files, folders, links = _scan_folder(folder, relative_folder, skipped)
        except OSError as error:
            raise_resource_limit(folder, error)
            on_error(folder, error)
            continue
        yield from ((relative_folder + name, size, medium) for name, size, medium in sorted(files, key=lambda f: f[0]))
        for name in sorted(folders, reverse=True):
            relative_name = relative_folder + name
            if exclude(relative_name):
                continue
            if is_system_folder(name):
                skipped.system_folders.append(relative_name)
            elif is_artifact(os.path.join(folder, name)):  # noqa: PTH118
                skipped.artifacts.append(relative_name)
            else:
                if name in links and not _is_below(os.path.realpath(os.path.join(folder, name)), real_root):  # noqa: PTH118
                    skipped.outside.append(relative_name)
                pending.append(f"{relative_name}/")


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _scan_folder(
    folder: str, relative_folder: str, skipped: SkippedFiles
) -> tuple[list[tuple[str, int, Medium]], list[str], set[str]]:
    """Return the readable files of one folder, its subfolders, and which of these are links."""
    files: list[tuple[str, int, Medium]] = []
    folders: list[str] = []
    links: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            medium = infer_medium(entry.name)
            is_folder = entry.is_dir()
            if entry.name.startswith("."):
                if is_folder:
                    skipped.hidden_folders.append(relative_folder + entry.name)
                elif medium is not None:
                    skipped.hidden_files.append(relative_folder + entry.name)
            elif is_folder:
                folders.append(entry.name)
                if entry.is_symlink():
                    links.add(entry.name)
            elif medium is None:
                skipped.other_suffixes[get_suffix(entry.name)] += 1
            elif entry.is_file():
                files.append((entry.name, entry.stat().st_size, medium))
            else:
                skipped.broken.append(relative_folder + entry.name)
    return files, folders, links


def get_suffix(name: str) -> str:
    """Return the suffix of a name in lower case, with its dot; empty if there is none of at most 8 characters."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if stem and dot and len(suffix) <= 8 else ""


def list_subfolders(folder: Path, skipped: list[str] | None = None) -> list[str]:
    """Return the sorted names of a folder's subfolders; names of system folders are appended to `skipped`."""
    names = []
    for name, is_folder in scan_names(folder):
        if is_folder and not is_system_folder(name):
            names.append(name)
        elif is_folder and skipped is not None:
            skipped.append(name)
    return sorted(names)


def scan_names(folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield the names in a folder that are not hidden, and whether each is a subfolder, without reading sizes."""
    with os.scandir(folder) as entries:
        yield from ((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))


def count_loose_files(folder: Path) -> int:
    """Count the files of any medium directly in a folder."""
    return sum(not is_folder and infer_medium(name) is not None for name, is_folder in scan_names(folder))


def count_files(folder: Path) -> int:
    """Count the files of any medium in a folder and its subfolders."""
    return sum(1 for _ in walk_files(folder, SkippedFiles(), lambda *_: None))


def describe_unused(root: Path, names: Sequence[str]) -> str:
    """Name subfolders that are not used, each with the number of its files."""
    return format_names([f"{name}/ ({count_files(root / name):,} files)" for name in names])
