"""Conversion of compare.json to rows of the benchmark results."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from test_ranking import BACK, THERE, comparison, measured, result

from benchmarks import comparison as benchmark
from benchmarks import results
from unpaired.comparison import page
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.result import HiddenInformation


def test_each_finished_method_gets_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = result(
        "both", measured(THERE, 20.0), measured(BACK, 30.0), hidden={BACK: HiddenInformation(fraction=0.2, error=0.1)}
    )
    page.write_page(ComparisonFolder(tmp_path), comparison(both, result("lost", state="failed", reason="why")))
    written = tmp_path / "results.jsonl"
    monkeypatch.setattr(benchmark, "append_row", partial(results.append_row, path=written))
    assert benchmark.main([str(tmp_path)]) == 0
    (row,) = results.rows("comparison", written)
    figures = row["figures"]
    assert (figures["method"], figures["budget"], figures["seconds"]) == ("both", "5 minutes", 20)
    assert figures["ranks"] == {"all": 1, THERE: 1, BACK: 1}
    assert figures["routes"][BACK]["kid"] == 30.0
    assert figures["translate_ms"] == 4.0
    assert figures["hidden"] == {BACK: 0.2}
