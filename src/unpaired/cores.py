"""Processor cores that this process may use. Imports no torch, so that analysis workers start fast."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from unpaired.control_groups import iterate_group_folders

_THREADS_AT_START = os.environ.get("OMP_NUM_THREADS", "")
"""The user's setting, read at import because Lightning overwrites the variable for its processes."""


def count_cores() -> int:
    """Return the number of cores that CPU affinity and container quota allow; all cores if these are unknown."""
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = read_cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def count_threads(process_count: int = 1) -> int:
    """Return the default number of threads of each of `process_count` processes.

    This is OMP_NUM_THREADS if it is set, else the number of cores divided by `process_count`, at least 1.
    """
    return parse_thread_count(_THREADS_AT_START) or max(1, count_cores() // process_count)


def parse_thread_count(text: str) -> int | None:
    """Return the first number of an OMP_NUM_THREADS value, a list by nesting level; None if it is no number above 0."""
    first = text.partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def read_cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the number of cores that the control groups (v1 or v2) of this process grant.

    `docker --cpus 1.5` gives 1.5. The smallest quota of the group and its ancestors applies. Returns None without a
    limit, and on systems other than Linux.
    """
    folders = iterate_group_folders("cpu", root)
    quotas = [quota for folder in folders if (quota := _read_group_quota(folder)) is not None]
    return min(quotas, default=None)


def _read_group_quota(folder: Path) -> float | None:
    """Return the quota of one control group in cores; None without a limit."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # "max": no limit
        return None
