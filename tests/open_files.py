"""Helpers for tests of how files are opened."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def no_more_open_files(path: Path) -> Iterator[None]:
    """Context in which this process can open no further file; `path` is any file. Skips where limits do not exist."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with path.open("rb") as file:
        first_free = os.dup(file.fileno())
        os.close(first_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def count_openings(monkeypatch: pytest.MonkeyPatch, path: Path, read: Callable[[Path], object]) -> int:
    """Return how often `read` opens the file at `path`."""
    opened: list[object] = []
    original = io.open

    def open_and_record(file: Any, *arguments: Any, **options: Any) -> Any:
        opened.append(file)
        return original(file, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", open_and_record)
        patch.setattr(io, "open", open_and_record)
        read(path)
    return sum(isinstance(file, str | Path) and Path(file) == path for file in opened)
