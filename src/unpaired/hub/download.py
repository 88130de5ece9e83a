"""Download of shared runs: `hf:user/name` or `hf:user/name@REVISION` in place of a run's folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from unpaired.errors import UsageError, WorkError, format_first_line
from unpaired.packages import import_package

PREFIX = "hf:"
"""Beginning of the name of a shared run."""
LOADED_FILES = ("config.yaml", "*.safetensors")
"""Patterns of the files that a translation loads; nothing else is downloaded."""


def locate_run(run: str | os.PathLike[str]) -> Path:
    """Return the folder of a run; a name such as `hf:user/name@v1` is downloaded to the hub's cache, or found there.

    A revision is a branch, a tag or a commit. Raises UsageError for an invalid name, a missing repository or revision,
    or if huggingface_hub is missing; WorkError if the download fails.
    """
    text = os.fspath(run)
    if not text.startswith(PREFIX):
        return Path(run)
    name, _, revision = text.removeprefix(PREFIX).partition("@")
    hub = import_hub(text)
    errors = hub.errors
    try:
        return Path(hub.snapshot_download(name, revision=revision or None, allow_patterns=list(LOADED_FILES)))
    except errors.HFValidationError as error:
        raise UsageError(f"{text}: expected {PREFIX}user/name or {PREFIX}user/name@REVISION") from error
    except errors.RevisionNotFoundError as error:
        raise UsageError(f"{text}: the repository has no revision '{revision}'") from error
    except errors.RepositoryNotFoundError as error:
        raise UsageError(
            f"{text}: no such repository, or it is private; check the name, or log in with `hf auth login`"
        ) from error
    except (errors.HTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise WorkError(
            f"{text}: cannot be downloaded, and is not in the cache ({format_first_line(error)})"
        ) from error


def get_run_name(run: str | os.PathLike[str]) -> str:
    """Return the name of a run: of its folder, or of its repository without the user."""
    text = os.fspath(run)
    if text.startswith(PREFIX):
        return text.removeprefix(PREFIX).partition("@")[0].rpartition("/")[2]
    return Path(run).resolve().name


def import_hub(name: str) -> Any:
    """Import huggingface_hub; raises UsageError with the install command if it is missing."""
    import_package("huggingface_hub.errors", name, "hub")
    return import_package("huggingface_hub", name, "hub")
