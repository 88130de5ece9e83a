"""Optional packages: their import, and the folders of those that only contain data. Imports no torch."""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unpaired.errors import UsageError


def import_package(name: str, purpose: str, extra: str) -> Any:
    """Import an optional package; raises UsageError with the install command if it is missing."""
    disable_telemetry()
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{purpose}: needs the package {error.name or name}, which is missing: pip install 'unpaired[{extra}]'"
        ) from error


def find_package_folder(name: str) -> Path | None:
    """Return the folder of an installed package without importing it; None if it is missing."""
    spec = find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin).parent if spec.origin else None


def disable_telemetry() -> None:
    """Make OpenVINO's telemetry, which reports imports and conversions over the network, count as missing.

    Call this before the first import of OpenVINO or NNCF; both work without the package.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # its import raises ImportError
