"""Killed runs and translations reach the results of uninterrupted ones; `benchmarks/kill.py` runs more trials."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.commands import own_cache
from benchmarks.kill import TRIALS
from benchmarks.kill_worker import MediumName

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("work", TRIALS)
@pytest.mark.parametrize("medium", ["image", "voice"])
def test_killed_work_reaches_the_uninterrupted_result(work: str, medium: MediumName, tmp_path: Path) -> None:
    with own_cache(tmp_path):
        report = TRIALS[work](medium, 2, 1, tmp_path)
    assert report.faults == []
    assert sum(report.kills.values()) + report.finished_before == 2
