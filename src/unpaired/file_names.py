"""File names: shortening to the limit of the file system, and Unicode normalization."""

from __future__ import annotations

import difflib
import hashlib
import os
import unicodedata
from itertools import islice
from pathlib import Path

MAX_NAME_BYTES = 255
"""Maximum length of a file name in bytes on common file systems."""

_MAX_COMPARED_NAMES = 1000


def shorten_name(name: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return `name`; if it exceeds `max_bytes`, its beginning with a hash of the full name and its suffix.

    Lengths count encoded bytes; multi-byte characters are not split. Equal names give equal results.
    """
    encoded = os.fsencode(name)
    if len(encoded) <= max_bytes:
        return name
    stem, dot, suffix = name.rpartition(".")
    ending = f"~{hash_name(name)}"
    if stem and len(os.fsencode(suffix)) < 16:
        ending += dot + suffix
    end = max_bytes - len(os.fsencode(ending))
    while end > 0 and encoded[end] & 0xC0 == 0x80:  # within a character of UTF-8
        end -= 1
    return os.fsdecode(encoded[:end]) + ending


def hash_name(name: str) -> str:
    """Return a 64-bit BLAKE2b hash of a name as 16 hexadecimal digits."""
    return hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()


def normalize_name(name: str) -> str:
    """Return a name with composed accents (NFC): macOS stores "é" as two code points, most other systems as one."""
    return unicodedata.normalize("NFC", name)


def suggest_path(path: Path) -> str:
    """Return "; did you mean 'X'?" for a path that does not exist, or an empty string if no name is similar.

    X replaces the first part of the path that does not exist by the most similar name beside it, or by the only one
    that continues it after a space, if a shell has split a name without quotes. Letters count as equal in upper and
    lower case.
    """
    missing, rest = path, Path()
    while not os.path.lexists(missing.parent) and missing.parent != missing:
        missing, rest = missing.parent, Path(missing.name) / rest
    try:
        with os.scandir(missing.parent) as entries:
            names = {entry.name.casefold(): entry.name for entry in islice(entries, _MAX_COMPARED_NAMES)}
    except OSError:
        return ""
    matches = difflib.get_close_matches(missing.name.casefold(), names, n=3, cutoff=0.6)
    suggestions = [missing.with_name(names[match]) / rest for match in matches]
    if found := next((suggestion for suggestion in suggestions if suggestion.exists()), None):
        return f"; did you mean '{found}'?"
    longer = [name for folded, name in names.items() if folded.startswith(f"{missing.name.casefold()} ")]
    is_split = len(longer) == 1 and rest == Path()
    return (
        f"; did you mean '{missing.with_name(longer[0])}'? Put it in quotes, as names with spaces need"
        if is_split
        else ""
    )
