"""How many cores there are for us; without torch, which processes that analyse recordings import late."""

from __future__ import annotations

import os
import sys


def count_cores() -> int:
    """Cores that this process may use; all, where the system does not tell (macOS, Windows)."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
