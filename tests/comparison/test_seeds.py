"""Comparisons with several seeds: mean, spread, ranks, and the runs of each seed."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY
from test_ranking import BACK, THERE, comparison, describe, measured, result

from unpaired.cli.main import main
from unpaired.comparison import recommendations, tables
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.ranking import RankedMethod, assign_ranks, rank_overall
from unpaired.comparison.result import Comparison, HiddenInformation, MethodResult, SeedResult
from unpaired.comparison.runner import ComparisonRunner, compare
from unpaired.comparison.seed_means import merge_seeds
from unpaired.comparison.seeds import parse_seeds
from unpaired.errors import UsageError, WorkError
from unpaired.media.image.metrics import KID

QUICK: dict[str, Any] = {**TINY, "sample_every": 0, "evaluate_every": 0, "steps": 2}


def repeated(name: str, *kids: float, back: tuple[float, ...] = (), **more: Any) -> MethodResult:
    """Return a method with one run per KID, merged; `back` are the KIDs of the other direction."""
    results = []
    for seed, kid in enumerate(kids):
        routes = [measured(THERE, kid, **more)] + [measured(BACK, value) for value in back[seed : seed + 1]]
        run = SeedResult(seed=seed, run=f"{name}-{seed}", state="done", routes=tuple(routes))
        results.append(result(name, *routes, seeds=(run,)))
    return merge_seeds(results)


@pytest.mark.parametrize("text", ["", "0,", "0,a", "-1", "1.5", "1,1"])
def test_raises_usage_error_for_bad_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds"):
        parse_seeds(text)


def test_seeds_are_parsed_from_text_and_numbers() -> None:
    assert parse_seeds("0, 1,7") == parse_seeds([0, 1, 7]) == (0, 1, 7)
    with pytest.raises(UsageError, match="--seeds"):
        parse_seeds([])


def test_mean_and_standard_deviation_over_seeds() -> None:
    merged = repeated("a", 10.0, 20.0, 60.0, back=(20.0, 20.0, 20.0))
    route = merged.get_route(THERE)
    assert route is not None
    assert route.value(KID) == 30.0
    # Deviations -20, -10 and 30: (400 + 100 + 900) / 2 = 700.
    assert route.spread(KID) == pytest.approx(700**0.5)
    assert route.error(KID) == 3.0
    assert [seed.seed for seed in merged.seeds] == [0, 1, 2]
    overall = rank_overall([merged], (THERE, BACK), [KID])[0]
    assert overall.value == 25.0
    # The means over both directions are 15, 20 and 40.
    assert overall.spread == pytest.approx(statistics.stdev([15.0, 20.0, 40.0]))


def test_only_finished_seeds_and_common_metrics_are_averaged() -> None:
    first = result("a", measured(THERE, 10.0, l1=0.1), hidden={THERE: HiddenInformation(fraction=0.1, error=0.0)})
    second = result("a", measured(THERE, 20.0), hidden={THERE: HiddenInformation(fraction=0.3, error=0.0)})
    failed = result("a", state="diverged", reason="nan")
    merged = merge_seeds([first, failed, second])
    assert merged.state == "done"
    assert (merged.finished_seeds, len(merged.seeds), len(merged.failed_seeds)) == (2, 3, 1)
    assert merged.routes[0].values["kid"] == 15.0
    assert "l1" not in merged.routes[0].values
    assert merged.hidden[THERE].fraction == pytest.approx(0.2)
    assert merged.hidden[THERE].error == pytest.approx(0.02**0.5)
    assert merge_seeds([failed, result("a", state="waiting")]).state == "waiting"
    assert merge_seeds([failed, failed]).reason == "nan"


def test_a_difference_below_the_combined_spread_is_no_difference() -> None:
    close = [RankedMethod("a", 10.0, 0.1, spread=3.0), RankedMethod("b", 14.9, 0.1, spread=4.0)]
    assert [m.rank for m in assign_ranks(close, KID)] == [1, 1]
    apart = [RankedMethod("a", 10.0, 0.1, spread=3.0), RankedMethod("b", 15.1, 0.1, spread=4.0)]
    assert [m.rank for m in assign_ranks(apart, KID)] == [1, 2]


def test_recommendation_and_tables_show_the_spread() -> None:
    a, b = repeated("a", 18.0, 22.0), repeated("b", 20.0, 26.0, edge_similarity=1.0)
    text = describe(a, b)
    assert re.match(r"take b: KID \S* ?23.0 ± 4.2", text)
    assert "a is within the error of KID" in text
    whole = comparison(a, b, seeds=(0, 1))
    table = tables.build_methods_table(whole)
    row = dict(zip(table.head, table.rows[0].cells, strict=True))
    assert row["mean KID (EfficientNet-Lite0)"] == "20.0 ± 2.8"
    assert row["seeds"] == "2"
    assert {len(row.cells) for row in table.rows} == {len(table.head)}
    assert "standard deviation" in recommendations.describe_uncertainty(whole)
    assert recommendations.SEEDS_RULE in recommendations.list_rules(whole)
    assert "seeds 0, 1" in recommendations.describe_setup(whole)


def test_no_method_is_recommended_if_its_gain_is_below_its_spread() -> None:
    text = describe(repeated("a", 10.0, 140.0))
    assert text.startswith("take none")
    pairs = {"l1_nothing": 0.3, "kid_nothing": 10.0}
    runs = [result("a", measured(THERE, 20.0, l1=l1, **pairs)) for l1 in (0.05, 0.4)]
    assert describe(merge_seeds(runs)).startswith("take none")


def compared(data: Path, out: Path, seeds: str, *methods: str, **more: Any) -> Comparison:
    messages = more.pop("messages", [])
    return compare(data, methods=methods, out=out, seeds=seeds, log=messages.append, **{**QUICK, **more})


@pytest.mark.usefixtures("without_features")
def test_each_method_is_trained_with_each_seed_on_the_same_splits(discs: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    done = compared(discs, tmp_path / "out", "3,4", "gan", messages=messages)
    assert "2 trainings" in messages[0] and "4 steps in total" in messages[0]
    folder = ComparisonFolder(tmp_path / "out")
    runs = [folder.get_run(name) for name in ("gan", "gan-seed-4")]
    assert [run.load_config().training.seed for run in runs] == [3, 4]
    assert [run.load_config().split_seed for run in runs] == [3, 3]
    lists = [sorted(path.read_text() for path in run.files.iterdir()) for run in runs]
    assert lists[0] == lists[1]
    assert done.seeds == (3, 4)
    figures = json.loads(folder.results_file.read_text())
    assert [seed["run"] for seed in figures["results"][0]["seeds"]] == ["gan", "gan-seed-4"]
    single = [seed["routes"][0]["values"]["change"] for seed in figures["results"][0]["seeds"]]
    assert single[0] != single[1]
    route = figures["results"][0]["routes"][0]
    assert route["values"]["change"] == pytest.approx(statistics.mean(single))
    assert route["spreads"]["change"] == pytest.approx(statistics.stdev(single))
    assert "gan-seed-4" in folder.manifest.read_text()


@pytest.mark.usefixtures("without_features")
def test_seeds_are_added_and_interrupted_comparisons_continue(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    compare(discs, methods="gan", out=out, log=lambda _: None, **QUICK)
    before = {path: path.stat().st_mtime_ns for path in (out / "gan" / "checkpoints").rglob("*")}
    original = ComparisonRunner._train_run

    def interrupt(self: ComparisonRunner, name: str, *arguments: Any) -> None:
        if name == "gan-seed-2":
            raise KeyboardInterrupt
        original(self, name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ComparisonRunner, "_train_run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            compared(discs, out, "0,1,2", "gan")
    partial = json.loads((out / "compare.json").read_text())["results"][0]
    assert [seed["state"] for seed in partial["seeds"]] == ["done", "done", "waiting"]
    messages: list[str] = []
    done = compared(discs, out, "0,1,2", "gan", messages=messages)
    assert done.results[0].finished_seeds == 3
    assert {path: path.stat().st_mtime_ns for path in (out / "gan" / "checkpoints").rglob("*")} == before
    assert sum("is trained" in message for message in messages) == 2


@pytest.mark.usefixtures("without_features")
def test_a_seed_that_fails_is_named_and_the_others_count(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = ComparisonRunner._train_run

    def fail(self: ComparisonRunner, name: str, *arguments: Any) -> None:
        if name == "gan-seed-1":
            raise WorkError("planted")
        original(self, name, *arguments)

    monkeypatch.setattr(ComparisonRunner, "_train_run", fail)
    done = compared(discs, tmp_path / "out", "0,1", "gan")
    assert done.results[0].state == "done"
    assert "gan, seed 1 failed: planted" in recommendations.list_notices(done)


def test_seed_and_seeds_exclude_each_other(discs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(discs), "--seed", "1", "--seeds", "0,1"]) == 2
    message = capsys.readouterr().err
    assert "--seed" in message and "--seeds" in message
