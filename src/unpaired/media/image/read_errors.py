"""Conversion of the errors of decoders to errors that name the file and the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from unpaired.errors import UnpairedError, UnreadableFileError, raise_resource_limit
from unpaired.limits import get_max_pixels

_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((FileNotFoundError,), "does not exist"),
    ((PermissionError,), "no permission to read it"),
    ((IsADirectoryError,), "is a folder"),
    ((MemoryError,), "does not fit into memory"),
)


@contextmanager
def name_unreadable(path: Path) -> Iterator[None]:
    """Convert every error inside of the context to UnreadableFileError; errors for the user pass.

    Raises ResourceLimitError if no open files or memory are left, which is no fault of this file.
    """
    try:
        yield
    except UnpairedError:
        raise
    except Exception as error:
        raise_resource_limit(path, error)
        # Decoders raise all kinds of errors for damaged files: SyntaxError, struct.error, KeyError, zlib.error ...
        raise UnreadableFileError(path, _explain_error(path, error)) from error


def require_size(path: Path, width: int, height: int) -> None:
    """Raise UnreadableFileError if a picture has more pixels than the limit."""
    if width * height > get_max_pixels():
        raise UnreadableFileError(path, f"{width} x {height} pixels, more than {_describe_limit()}")


def _describe_limit() -> str:
    return f"the limit of {get_max_pixels():,} pixels (--max-pixels raises it)"


def _explain_error(path: Path, error: Exception) -> str:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more pixels than {_describe_limit()}"
    for error_types, reason in _REASONS:
        if isinstance(error, error_types):
            return reason
    if path.is_file() and path.stat().st_size == 0:
        return "is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "is not a supported picture (PNG, JPEG, WebP, BMP, TIFF, GIF ...), or its header is damaged"
    if "truncated" in str(error).lower():
        return f"is cut short ({error})"
    return f"is damaged ({error or type(error).__name__})"
