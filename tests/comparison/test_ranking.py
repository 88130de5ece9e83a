"""Who is better, who is within the error, and what is advised, on made-up measures."""

from __future__ import annotations

import json
import math
from html import escape
from pathlib import Path
from typing import Any

import pytest

from unpaired.comparison import page, ranking, recommendations, tables
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.ranking import RankedMethod, assign_ranks, rank_direction, rank_overall
from unpaired.comparison.result import Comparison, HiddenInformation, MethodResult
from unpaired.media.image.measurement import RouteMeasures
from unpaired.metrics.significance import significantly_lower

THERE, BACK = "photos -> paintings", "paintings -> photos"


def measured(route: str, kid: float | None, **more: Any) -> RouteMeasures:
    given: dict[str, Any] = {
        "features": "Net",
        "sources": 50,
        "targets": 60,
        "kid_error": 3.0,
        "kid_baseline": 100.0,
        "kid_real": 5.0,
        "feature_similarity": 0.6,
        "edge_similarity": 0.8,
        "change": 0.1,
    }
    return RouteMeasures(route=route, kid=kid, **(given | more))


def result(name: str, *routes: RouteMeasures, **more: Any) -> MethodResult:
    given: dict[str, Any] = {
        "state": "done",
        "steps": 100,
        "seconds": 20.0,
        "parameters": 1000,
        "total_parameters": 2000,
        "translate_s": 0.004,
    }
    return MethodResult(method=name, paper="Somebody", routes=routes, **(given | more))


def comparison(*results: MethodResult, **more: Any) -> Comparison:
    given: dict[str, Any] = {
        "unpaired": "0.1.0",
        "path": "runs/compare",
        "domains": ("photos", "paintings"),
        "train_counts": (300, 200),
        "budget": "5 minutes",
        "preset": "small",
        "size": 64,
        "batch_size": 4,
        "seed": 0,
        "device": "cpu",
        "pairs": False,
        "settings": {},
        "excluded": {},
    }
    return Comparison(results=results, **(given | more))


def told(*results: MethodResult, direction: str = THERE) -> str:
    return recommendations.describe_direction(rank_direction(results, direction))


def test_batches_that_differ_are_told_from_the_fewest_to_the_most() -> None:
    assert "in batches of 4," in recommendations.describe_setup(comparison())
    sizes = {"gan": {"training": {"batch_size": 1}}, "stargan": {"training": {"batch_size": 16}}}
    assert "in batches of 1 to 16," in recommendations.describe_setup(comparison(settings=sizes))


def test_apart_is_twice_the_error_of_the_difference() -> None:
    assert significantly_lower(10, 20.1, 3, 4)
    assert not significantly_lower(10, 19.9, 3, 4)
    assert not significantly_lower(20.1, 10, 3, 4)
    assert not significantly_lower(0, 1000, None, 4)


def test_ranks_count_who_is_better_beyond_the_error() -> None:
    given = [("far", 60.0), ("first", 10.0), ("near", 17.0), ("between", 21.0), ("unmeasured", None)]
    found = assign_ranks([RankedMethod(name, None, kid, 3.0) for name, kid in given])
    # 2 sqrt(18) is 8.5: near is tied with both neighbours, between is worse than first only, far than all three.
    assert [(s.method, s.rank) for s in found] == [
        ("first", 1),
        ("near", 1),
        ("between", 2),
        ("far", 4),
        ("unmeasured", None),
    ]


def test_a_mean_over_directions_has_the_error_of_a_mean_and_takes_all_of_them() -> None:
    results = [
        result("both", measured(THERE, 10.0, kid_error=3.0), measured(BACK, 30.0, kid_error=4.0)),
        result("one way", measured(THERE, 1.0)),
        result("lost", measured(THERE, math.nan), measured(BACK, 2.0)),
    ]
    first, last = rank_overall(results, (THERE, BACK))
    assert (first.method, first.kid, first.error) == ("both", 20.0, 2.5)
    assert (last.method, last.kid, last.rank) == ("lost", None, None)


def test_of_those_within_the_error_the_one_that_keeps_most_is_advised() -> None:
    a, b = result("a", measured(THERE, 20.0)), result("b", measured(THERE, 24.0, edge_similarity=1.0))
    text = told(a, b)
    assert text.startswith("take b: KID 24 ± 3 (doing nothing 100, real to real 5), content kept 0.80.")
    assert "a is within the error of KID" in text
    assert "trade-off" not in text


def test_a_better_likeness_that_keeps_less_is_a_trade_off() -> None:
    a = result("a", measured(THERE, 20.0, feature_similarity=0.3))
    b = result("b", measured(THERE, 50.0))
    text = told(a, b)
    assert text.startswith("take a:")
    assert "No other comes within the error" in text
    assert "A trade-off: b keeps more of the input (KID 50 ± 3" in text
    # What keeps more without beating doing nothing is no alternative.
    assert "trade-off" not in told(a, result("b", measured(THERE, 98.0)))


def test_translations_of_something_else_are_told() -> None:
    text = told(result("a", measured(THERE, 20.0, feature_similarity=0.02, edge_similarity=0.1)))
    assert "little to do with their inputs (0.02)" in text


def test_nothing_beats_doing_nothing() -> None:
    text = told(result("a", measured(THERE, 95.0)), result("b", measured(THERE, 140.0)))
    assert text.startswith("take none yet: nothing beats doing nothing by more than the error of KID (best: a, KID 95")
    alike = told(result("a", measured(THERE, 4.0, kid_baseline=4.5)))
    assert "cannot be told from real ones by KID" in alike
    few = told(result("a", measured(THERE, 4.0, kid_error=None)))
    assert "too few to tell" in few


def test_where_the_truth_is_known_it_decides() -> None:
    true = {"pairs": 20, "l1_baseline": 0.3}
    sharp = result("sharp", measured(THERE, 20.0, l1=0.2, **true))
    close = result("close", measured(THERE, 60.0, l1=0.1, **true))
    text = told(sharp, close)
    assert text.startswith("take close: KID 60")
    assert "By KID sharp is nearer to the target" in text
    assert "close is the nearest to the true translations." in text
    assert "sharp is as near within 3%" in told(sharp, result("close", measured(THERE, 20.0, l1=0.196, **true)))
    blurred = told(result("close", measured(THERE, 99.0, l1=0.1, **true)))
    assert "nearest to the true translations, though by KID it gains nothing" in blurred
    neither = told(result("sharp", measured(THERE, 20.0, l1=0.3, **true)))
    assert "None is notably nearer to the true translations than the input" in neither


def test_without_kid_truth_decides_or_nothing_does() -> None:
    plain = measured(THERE, None, features=None, kid_error=None)
    assert "pip install" in told(result("a", plain))
    near = plain.model_copy(update={"l1": 0.1, "l1_baseline": 0.3})
    far = plain.model_copy(update={"l1": 0.2, "l1_baseline": 0.3})
    assert told(result("a", far), result("b", near)).startswith("take b, the nearest to the true translations")


def test_in_all_one_for_both_ways_or_which_for_which() -> None:
    two = result("two", measured(THERE, 20.0), measured(BACK, 20.0), is_still_improving=True)
    assert dict(recommendations.recommend(comparison(two)))["In all"] == (
        "two is the one to take in every direction. Of the methods that go every way, two has the lowest mean KID "
        "(20). To translate: two 1,000 parameters, 4 ms an item (on cpu). two was still getting better at the "
        "end: with a larger budget the order may change."
    )
    one = result("one", measured(THERE, 5.0))
    text = dict(recommendations.recommend(comparison(two, one)))["In all"]
    assert text.startswith("by direction: photos → paintings one; paintings → photos two.")
    none = result("none", measured(THERE, 100.0), measured(BACK, 100.0))
    assert "no method is worth taking" in dict(recommendations.recommend(comparison(none)))["In all"]
    assert (
        recommendations.recommend(comparison(result("a", state="failed", reason="why")))[0][0]
        == "Nothing to compare yet"
    )
    assert recommendations.recommend(comparison(result("a")))[0][0] == "Not measured"


def test_doing_nothing_is_a_row_in_its_place() -> None:
    good, bad = result("good", measured(THERE, 20.0)), result("bad", measured(THERE, 140.0))
    failed = result("failed", state="diverged", reason="lost")
    found = tables.build_direction_table(comparison(bad, good, failed), THERE)
    assert found[0] == ["rank", "method", "KID", "kept: features", "kept: edges", "change"]
    assert [row[:3] for row in found[1:]] == [
        ["1", "good", "20.0 ± 3.0"],
        ["–", "doing nothing", "100.0"],
        ["2", "bad", "140.0 ± 3.0"],
        ["–", "real to real", "5.0"],
    ]
    assert found[2][3:] == ["1.000", "1.000", "0.000"]
    rows = tables.build_methods_table(comparison(bad, good, failed, result("one", measured(BACK, 3.0))))
    assert [row[1] for row in rows] == ["method", "bad", "good", "one", "failed", "doing nothing"]
    assert rows[3][2] == "3.0 ± 3.0 (1 of 2 ways)"
    assert rows[4][2] == "diverged"


def test_hidden_information_is_a_column_and_a_word_where_it_is_known() -> None:
    hider = result("hider", measured(THERE, 20.0), hidden={THERE: HiddenInformation(fraction=0.4, error=0.02)})
    honest = result("honest", measured(THERE, 60.0), hidden={THERE: HiddenInformation(fraction=0.08, error=0.05)})
    whole = comparison(hider, honest, result("unknown", measured(THERE, 80.0)))
    column = [row[-1] for row in tables.build_direction_table(whole, THERE)]
    assert column == ["hidden", "0.40 ± 0.02", "0.08 ± 0.05", "–", "0.00", "–"]
    assert [row[4] for row in tables.build_methods_table(whole)] == ["hidden", "0.40", "0.08", "–", "0.00"]
    said = dict(recommendations.recommend(whole))["In all"]
    assert "signal that eyes do not see: hider 40% of the input." in said
    assert "hidden" not in tables.build_methods_table(comparison(result("a", measured(THERE, 20.0))))[0]


def test_the_page_hides_nothing_and_escapes_what_it_shows(tmp_path: Path) -> None:
    whole = comparison(
        result("good", measured(THERE, 20.0, psnr=math.inf)),
        result("bad", state="failed", reason="<b>broken</b>"),
        result("late", state="waiting"),
        excluded={"odd": "odd takes four. Methods that take two: good", "even": "even takes four"},
        settings={"good": {"method_settings": {"lr": 0.1}, "data": {"size": 64}, "training": {"batch_size": 4}}},
    )
    folder = ComparisonFolder(tmp_path)
    page.write_page(folder, whole)
    text = folder.page_file.read_text()
    assert "bad failed: &lt;b&gt;broken&lt;/b&gt;" in text
    assert "Not finished: late. The same command goes on." in text
    assert "Left out: odd and even: takes four." in text
    assert all(escape(rule) in text for rule in recommendations.RULES)
    figures = json.loads(folder.results_file.read_text())
    assert figures["results"][0]["routes"][0]["psnr"] is None
    assert figures["ranking"][THERE] == [{"method": "good", "rank": 1, "kid": 20.0, "kid_error": 3.0}]
    assert figures["advice"][0]["text"].startswith("take good")
    assert page.format_comparison(whole).count("good") >= 3


@pytest.mark.parametrize("count", [2, 3])
def test_of_many_directions_only_the_whole_is_told(count: int) -> None:
    routes = [measured(f"a -> {i}", 20.0) for i in range(count)]
    heads = [head for head, _ in recommendations.recommend(comparison(result("m", *routes)))]
    assert heads == (["a → 0", "a → 1", "In all"] if count == 2 else ["In all"])
    assert ranking.content_kept(routes[0]) == pytest.approx(0.7)
