"""Memory that this process may still use, by the machine and by the limits of its container."""

from __future__ import annotations

from pathlib import Path

from unpaired.control_groups import iterate_group_folders

_UNLIMITED = 1 << 60
"""Limits of control groups above this mean "no limit"."""


def read_available_bytes(root: Path = Path("/")) -> int | None:
    """Return the bytes that are free for this process; None if unknown.

    This is the smaller of the machine's available memory and of what the control groups (v1 or v2) of the process
    still grant. Page cache counts as free, since the kernel drops it when memory is needed.
    """
    amounts = [amount for amount in (_read_machine_bytes(root), _read_group_bytes(root)) if amount is not None]
    return min(amounts, default=None)


def _read_machine_bytes(root: Path) -> int | None:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux
        return None
    text = dict(line.split(":", 1) for line in lines if ":" in line).get("MemAvailable")
    return None if text is None else int(text.split()[0]) * 1024


def _read_group_bytes(root: Path) -> int | None:
    amounts = []
    for folder in iterate_group_folders("memory", root):
        for limit_name, usage_name, cache_key in (
            ("memory.max", "memory.current", "file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"),
        ):
            limit, usage = _read_number(folder / limit_name), _read_number(folder / usage_name)
            if limit is not None and usage is not None and limit < _UNLIMITED:
                cache = _read_statistic(folder / "memory.stat", cache_key)
                amounts.append(max(0, limit - max(0, usage - cache)))
    return min(amounts, default=None)


def _read_number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max": no limit
        return None


def _read_statistic(path: Path, key: str) -> int:
    try:
        return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.partition(" ")[0] == key)
    except (OSError, ValueError, StopIteration):
        return 0
