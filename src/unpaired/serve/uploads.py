"""Uploaded files: safe names, sizes, and zip archives."""

from __future__ import annotations

import lzma
import os
import re
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from unpaired.data.walk import explain_suffix, get_suffix, is_system_folder
from unpaired.file_names import normalize_name, shorten_name
from unpaired.media.base import Medium
from unpaired.serve.errors import RequestError

ZIP_SUFFIX = ".zip"
MAX_INFLATION = 4
"""The files of a zip may be this many times as large as the limit of an upload."""
_ARCHIVE_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, ValueError),
    *(FileExistsError, NotADirectoryError),  # an entry is both a file and a folder
)
_CHUNK_BYTES = 1 << 20
_MAX_NAME_BYTES = 180  # leaves room for other suffixes and temporary names
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069<>:"|?*\\/\ud800-\udfff]')


class UploadFolder:
    """Files of one request in the folder `path`; `skipped` describes files of zips that are not translated.

    Files must be such that runs of `medium` translate. At most `max_files` files with `max_bytes` in all are accepted
    (of zips, `MAX_INFLATION` times as many bytes). Raises RequestError with the status 400, 413 or 415.
    """

    def __init__(self, path: Path, medium: Medium, max_files: int, max_bytes: int) -> None:
        self.path, self.medium = path, medium
        self.max_files, self.max_bytes = max_files, max_bytes
        self.files: list[PurePosixPath] = []
        self.skipped: list[str] = []
        self.has_archive = False
        self._bytes = 0
        self._used: set[str] = set()

    def add(self, name: str | None, source: BinaryIO) -> None:
        """Add a file, or the files of a zip archive, from an open binary file."""
        base = clean_name((name or "").replace("\\", "/").rpartition("/")[2])
        if get_suffix(base) == ZIP_SUFFIX:
            self._add_archive(base, source)
            return
        if not self.medium.translates(base):
            hint = explain_suffix(get_suffix(base))
            raise RequestError(
                415,
                f"{base}: this run translates {self.medium.inputs_noun}; expected {self.medium.expected_inputs()} or "
                f"a .zip of them{'; ' if hint else ''}{hint}",
            )
        self._write(PurePosixPath(base), source, self.max_bytes)

    def _add_archive(self, base: str, source: BinaryIO) -> None:
        self.has_archive = True
        try:
            with zipfile.ZipFile(source) as archive:
                members = archive.infolist()
                if len(members) > 20 * self.max_files:
                    raise RequestError(
                        413, f"{base}: contains {len(members):,} entries; expected at most {20 * self.max_files:,}"
                    )
                for member in members:
                    if not member.is_dir():
                        self._add_member(base, archive, member)
        except _ARCHIVE_ERRORS as error:
            raise RequestError(400, f"{base}: cannot be read as a zip archive ({type(error).__name__})") from error
        if not self.files:
            raise RequestError(
                400,
                f"{base}: contains no {self.medium.inputs_noun}; expected {self.medium.expected_inputs()}",
            )

    def _add_member(self, base: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        path = _check_member(base, member)
        if any(is_system_folder(part) or part.startswith(".") for part in path.parts):
            return
        cleaned = PurePosixPath(*(clean_name(part) for part in path.parts))
        if not self.medium.translates(cleaned.name):
            self.skipped.append(f"{cleaned}: left out; expected {self.medium.inputs_noun}")
            return
        with archive.open(member) as source:
            self._write(cleaned, source, MAX_INFLATION * self.max_bytes)

    def _write(self, name: PurePosixPath, source: IO[bytes], max_bytes: int) -> None:
        if len(self.files) == self.max_files:
            raise RequestError(413, f"more than {self.max_files:,} files; send fewer at once")
        name = self._make_unique(name)
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while chunk := source.read(_CHUNK_BYTES):
                self._bytes += len(chunk)
                if self._bytes > max_bytes:
                    raise RequestError(413, f"{name}: the files have more than {max_bytes:,} bytes; send fewer at once")
                file.write(chunk)
        self.files.append(name)

    def _make_unique(self, name: PurePosixPath) -> PurePosixPath:
        """Return the name, with a number if another file has it; upper and lower case count as equal."""
        candidates = (name if n == 1 else name.with_name(f"{name.stem}-{n}{name.suffix}") for n in range(1, 1 << 30))
        unique = next(candidate for candidate in candidates if str(candidate).casefold() not in self._used)
        self._used.add(str(unique).casefold())
        return unique


def clean_name(name: str) -> str:
    """Return a file name without separators, control characters, leading dots, and characters that Windows forbids."""
    cleaned = _UNSAFE.sub("_", normalize_name(name)).strip(" ").lstrip(".").rstrip(". ")
    return shorten_name(cleaned, _MAX_NAME_BYTES) or "unnamed"


def _check_member(base: str, member: zipfile.ZipInfo) -> PurePosixPath:
    """Return a member's path; raises RequestError for links, encryption, and paths that lead out of the archive."""
    name = clean_name(member.filename)
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or re.match(r"[A-Za-z]:", path.parts[0]):
        raise RequestError(400, f"{base}: the name of its entry {name} leads out of the archive")
    mode = member.external_attr >> 16
    if mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise RequestError(400, f"{base}: its entry {name} is a link or a special file; expected files and folders")
    if member.flag_bits & 1:
        raise RequestError(400, f"{base}: is encrypted; send it without a password")
    if len(path.parts) > 16 or len(os.fsencode(str(path))) > 1024:
        raise RequestError(400, f"{base}: the name of its entry {name} is too long")
    return path
