"""Many translations in one process leave one output each; `benchmarks/load.py` translates more files."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import load


def test_every_picture_of_a_load_has_one_output(tmp_path: Path) -> None:
    result = load.measure_load(60, tmp_path)
    assert result.faults == [] and result.peak_mib >= result.tenth_mib > 0


def test_growing_memory_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = iter([100.0, 100.0 + 2 * load.MAX_GROWTH_MIB])
    monkeypatch.setattr(load, "get_peak_mib", lambda: next(peaks))
    faults = load.measure_load(20, tmp_path).faults
    assert len(faults) == 1 and "228" in faults[0]
