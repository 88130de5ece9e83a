"""Errors that a user can fix. The command line prints them without a traceback and exits with their exit code."""

from __future__ import annotations

import difflib
import errno
import os
import reprlib
from collections.abc import Iterable, Mapping


class UnpairedError(Exception):
    """An error that a user can fix: the message says what was given, what was expected and how to fix it."""

    exit_code = 1
    is_reported_elsewhere = False
    """Whether another process reports the error, so that this one prints nothing."""


class UsageError(UnpairedError):
    """Wrong usage, such as an unknown flag, setting, method or domain, or a missing path (exit code 2)."""

    exit_code = 2


class WorkError(UnpairedError):
    """Failed work, such as unusable data, a damaged checkpoint or a full disk (exit code 1)."""


class OutOfMemoryError(WorkError):
    """A device has too little memory for one item."""


class ResourceLimitError(WorkError):
    """The process or the system has no open files or memory left. This is no fault of the file that is read."""


class UnreadableFileError(WorkError):
    """One unusable file, with the reason. Callers skip the file, count it and continue."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableFileError], tuple[str, str]]:
        """Pickle both arguments; by default an exception is rebuilt from its message alone."""
        return type(self), (self.path, self.reason)


class UnpairedWarning(UserWarning):
    """A warning for the user; the work continues. The command line prints it as a note."""


class DivergenceError(WorkError):
    """Training diverged: a loss became non-finite or exceeded the divergence threshold."""


def format_system_error(error: OSError) -> str:
    """Format a system error with the file names that it concerns."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    reason = error.strerror or str(error)
    return f"{' -> '.join(names)}: {reason}" if names else reason


_FILE_LIMIT_ADVICE = "raise the limit of open files (ulimit -n 4096), or end other programs"
_LIMIT_ADVICE: Mapping[int | None, str] = {
    errno.EMFILE: _FILE_LIMIT_ADVICE,
    errno.ENFILE: _FILE_LIMIT_ADVICE,
    errno.ENOMEM: "end other programs, which need the memory",
}
RESOURCE_ERRNOS = frozenset(code for code in _LIMIT_ADVICE if code is not None)
"""Numbers of system errors that concern the process or the system, and not the file that is read or written."""


def raise_resource_limit(path: object, error: BaseException) -> None:
    """Raise ResourceLimitError if reading a file failed because no open files or memory are left.

    Every reader calls this before it reports the file at `path` as unreadable.
    """
    if isinstance(error, OSError) and error.errno in RESOURCE_ERRNOS:
        raise ResourceLimitError(f"{path}: cannot be read ({error.strerror}); {_LIMIT_ADVICE[error.errno]}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python, NumPy or torch (on a CPU or GPU) means that memory could not be allocated."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and any(text in str(error) for text in _TORCH_MEMORY_ERRORS))
    )


_TORCH_MEMORY_ERRORS = ("can't allocate memory", "not enough memory", "size calculation overflowed")
_MAX_COMPARED_NAMES, _MAX_LISTED_NAMES = 1000, 60
_MAX_COMPARED_CHARACTERS = 200  # the comparison takes quadratic time
_GIVEN = reprlib.Repr()
_GIVEN.maxlevel, _GIVEN.maxstring, _GIVEN.maxother = 2, 200, 200


def format_first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type if it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def format_given(value: object) -> str:
    """Return a value that a user gave for an error message, shortened if it is long or deeply nested."""
    return _GIVEN.repr(value)


def find_similar_name(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most similar to an unknown name; None if none is similar."""
    names = sorted(candidates)[:_MAX_COMPARED_NAMES]
    return next(iter(difflib.get_close_matches(name[:_MAX_COMPARED_CHARACTERS], names, n=1, cutoff=0.6)), None)


def suggest_name(name: str, candidates: Iterable[str]) -> str:
    """Return a suggestion for an unknown name: "did you mean 'cyclegan'?", or the list of candidates."""
    names = sorted(candidates)
    if similar := find_similar_name(name, names):
        return f"did you mean '{similar}'?"
    more = f" and {len(names) - _MAX_LISTED_NAMES:,} more" if len(names) > _MAX_LISTED_NAMES else ""
    return f"known: {', '.join(names[:_MAX_LISTED_NAMES])}{more}" if names else "none is known"
