"""Errors that are the user's to mend. The command line prints them without a traceback and exits with their code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UnpairedError(Exception):
    """Something that a user can mend: the message says what was given, what was expected and how to mend it."""

    exit_code = 1
    is_reported_elsewhere = False
    """Whether another process says it, and this one is silent."""


class UsageError(UnpairedError):
    """Wrong usage: a flag, a setting, a name of a method or domain, a path that does not exist (exit code 2)."""

    exit_code = 2


class WorkError(UnpairedError):
    """Work that failed: unusable data, a damaged checkpoint, some files not done (exit code 1)."""


class UnreadableFileError(WorkError):
    """One file that cannot be used; names it and says why. Callers skip it, count it, and go on."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableFileError], tuple[str, str]]:
        """As other processes get it: exceptions are otherwise made anew from their message alone."""
        return type(self), (self.path, self.reason)


class UnpairedWarning(UserWarning):
    """Something that a user should know although the work goes on. The command line prints it as a note."""


class DivergenceError(WorkError):
    """Training left the numbers behind: a term became non-finite or exploded."""


def suggest_name(name: str, candidates: Iterable[str]) -> str:
    """Say which known name is meant: "did you mean 'cyclegan'?", or the list of all known names."""
    names = sorted(candidates)
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if matches:
        return f"did you mean '{matches[0]}'?"
    return f"known: {', '.join(names)}" if names else "none is known"
