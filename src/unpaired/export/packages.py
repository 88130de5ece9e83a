"""Optional packages of the export, imported by name so that a missing one gives the command that installs it."""

from __future__ import annotations

import importlib
from typing import Any

from unpaired.errors import UsageError
from unpaired.translate.runtimes import disable_telemetry


def import_package(name: str, purpose: str, extra: str = "export") -> Any:
    """Import an optional package; raises UsageError with the install command if it is missing."""
    disable_telemetry()
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{purpose}: needs the package {error.name or name}, which is missing: pip install 'unpaired[{extra}]'"
        ) from error
