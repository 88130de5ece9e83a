"""Ranks, ties, tables and recommendations for given metrics."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

from unpaired.comparison import page, recommendations, tables
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.ranking import RankedMethod, assign_ranks, rank_overall
from unpaired.comparison.result import Comparison, HiddenInformation, MethodResult, SeedResult
from unpaired.media.image.advice import ImageAdvisor
from unpaired.media.image.metrics import KID
from unpaired.metrics.base import RouteEvaluation

THERE, BACK = "photos -> paintings", "paintings -> photos"
KINDS = ("_error", "_nothing", "_linear", "_real")


def measured(route: str, kid: float | None, **more: Any) -> RouteEvaluation:
    """Return a route; `more` contains metrics, `NAME_error`, `NAME_nothing`, `NAME_linear`, `NAME_real`, `networks`."""
    given: dict[str, Any] = {
        **{"kid": kid, "kid_error": 3.0, "kid_nothing": 100.0, "kid_real": 5.0},
        **{"feature_similarity": 0.6, "edge_similarity": 0.8, "change": 0.1},
    }
    networks = more.pop("networks", {"features": "Net"})
    parts: dict[str, dict[str, float]] = {kind: {} for kind in ("", "error", "nothing", "linear", "real")}
    for key, value in (given | more).items():
        name, _, kind = key.rpartition("_") if key.endswith(KINDS) else (key, "", "")
        if value is not None:
            parts[kind][name] = value
    return RouteEvaluation(
        route=route,
        sources=50,
        targets=60,
        values=parts[""],
        errors=parts["error"],
        baselines={
            "doing nothing": parts["nothing"],
            **({"linear color transfer": parts["linear"]} if parts["linear"] else {}),
            "real to real": parts["real"],
        },
        networks=networks,
    )


def result(name: str, *routes: RouteEvaluation, **more: Any) -> MethodResult:
    given: dict[str, Any] = {
        "state": "done",
        "steps": 100,
        "seconds": 20.0,
        "parameters": 1000,
        "total_parameters": 2000,
        "translate_s": 0.004,
    }
    values = given | more
    seed = SeedResult(seed=0, run=name, state=values["state"], reason=values.get("reason", ""), routes=routes)
    return MethodResult(method=name, paper="Somebody", routes=routes, **{"seeds": (seed,), **values})


def comparison(*results: MethodResult, **more: Any) -> Comparison:
    given: dict[str, Any] = {
        "unpaired": "0.1.0",
        "path": "runs/compare",
        "domains": ("photos", "paintings"),
        "train_counts": (300, 200),
        "budget": "5 minutes",
        "preset": "small",
        "medium": "image",
        "size": 64,
        "item_size": "at 64 px",
        "batch_size": 4,
        "seeds": (0,),
        "device": "cpu",
        "pairs": False,
        "settings": {},
        "excluded": {},
    }
    return Comparison(results=results, **(given | more))


def describe(*results: MethodResult, direction: str = THERE) -> str:
    return ImageAdvisor(comparison(*results)).describe_direction(direction)


def test_different_batch_sizes_are_described_as_a_range() -> None:
    assert "in batches of 4," in recommendations.describe_setup(comparison())
    sizes = {"gan": {"training": {"batch_size": 1}}, "stargan": {"training": {"batch_size": 16}}}
    assert "in batches of 1 to 16," in recommendations.describe_setup(comparison(settings=sizes))


def test_rank_is_one_more_than_the_number_of_significantly_better_methods() -> None:
    given = [("far", 60.0), ("first", 10.0), ("near", 17.0), ("between", 21.0), ("unmeasured", None)]
    found = assign_ranks([RankedMethod(name, kid, 3.0) for name, kid in given], KID)
    # 2 sqrt(18) is 8.5: near is tied with both neighbors, between is worse than first only, far than all three.
    assert [(s.method, s.rank) for s in found] == [
        ("first", 1),
        ("near", 1),
        ("between", 2),
        ("far", 4),
        ("unmeasured", None),
    ]


def judged(kid: float, second: float, **more: Any) -> RouteEvaluation:
    second_judge = {"kid_alexnet": second, "kid_alexnet_error": 3.0, "kid_alexnet_nothing": 100.0}
    return measured(THERE, kid, **second_judge | more)


def test_a_method_is_better_only_if_no_judge_contradicts() -> None:
    # "fooled" has by far the lowest KID by the first network, but not by the second.
    results = [
        result("fooled", judged(10.0, 60.0)),
        result("good", judged(40.0, 30.0)),
        result("bad", judged(80.0, 80.0)),
    ]
    table = tables.build_direction_table(comparison(*results), THERE)
    assert {row.cells[1]: row.cells[0] for row in table.rows if row.cells[0].isdigit()} == {
        "fooled": "1",
        "good": "1",
        "bad": "3",
    }
    methods = tables.build_methods_table(comparison(*results))
    assert methods.head[2:4] == ["mean KID (EfficientNet-Lite0)", "mean KID (AlexNet)"]
    assert [row.cells[2:4] for row in methods.rows if row.cells[1] == "good"] == [["40.0 ± 3.0", "30.0 ± 3.0"]]
    assert all(len(row.cells) == len(methods.head) for row in methods.rows)
    alone = [result("fooled", judged(10.0, 60.0)), result("good", measured(THERE, 40.0))]
    ranks = {row.cells[1]: row.cells[0] for row in tables.build_direction_table(comparison(*alone), THERE).rows}
    assert (ranks["fooled"], ranks["good"]) == ("1", "2")


def test_a_method_that_one_judge_finds_worse_than_the_input_is_not_recommended() -> None:
    assert describe(result("fooled", judged(10.0, 120.0))).startswith("take none yet")
    text = describe(result("good", judged(10.0, 50.0)))
    assert text.startswith("take good") and "KID (AlexNet) 50.0 ± 3.0 (doing nothing 100.0)" in text


def test_a_method_must_beat_the_linear_color_transfer() -> None:
    text = describe(result("a", measured(THERE, 40.0, kid_linear=42.0)))
    assert text.startswith("take none yet") and "linear color transfer 42" in text
    assert describe(result("a", measured(THERE, 40.0, kid_linear=50.0))).startswith("take a")
    pairs = {"l1_nothing": 0.3, "l1_linear": 0.1}
    assert "None is notably nearer" in describe(result("a", measured(THERE, 20.0, l1=0.1, **pairs)))
    assert "a is the nearest" in describe(result("a", measured(THERE, 20.0, l1=0.09, **pairs)))


def test_overall_ranking_needs_all_directions_and_combines_their_errors() -> None:
    results = [
        result("both", measured(THERE, 10.0, kid_error=3.0), measured(BACK, 30.0, kid_error=4.0)),
        result("one way", measured(THERE, 1.0)),
        result("lost", measured(THERE, None), measured(BACK, 2.0)),
    ]
    first, last = rank_overall(results, (THERE, BACK), (KID,))
    assert (first.method, first.value, first.error) == ("both", 20.0, 2.5)
    assert (last.method, last.value, last.rank) == ("lost", None, None)


def test_recommends_the_method_with_most_content_kept_among_ties() -> None:
    a, b = result("a", measured(THERE, 20.0)), result("b", measured(THERE, 24.0, edge_similarity=1.0))
    text = describe(a, b)
    assert text.startswith(
        "take b: KID (EfficientNet-Lite0) 24.0 ± 3.0 (doing nothing 100.0, real to real 5.0), content kept 0.80."
    )
    assert "a is within the error of KID" in text
    assert "trade-off" not in text


def test_describes_a_trade_off_between_kid_and_content_kept() -> None:
    a = result("a", measured(THERE, 20.0, feature_similarity=0.3))
    b = result("b", measured(THERE, 50.0))
    text = describe(a, b)
    assert text.startswith("take a:")
    assert "No other comes within the error" in text
    assert "A trade-off: b keeps more of the input (KID (EfficientNet-Lite0) 50.0 ± 3.0" in text
    # A method that does not beat the unchanged input is no alternative.
    assert "trade-off" not in describe(a, result("b", measured(THERE, 98.0)))


def test_warns_of_translations_unrelated_to_their_inputs() -> None:
    text = describe(result("a", measured(THERE, 20.0, feature_similarity=0.02, edge_similarity=0.1)))
    assert "little to do with their inputs (0.02)" in text


def test_recommends_none_if_no_method_beats_the_baselines() -> None:
    text = describe(result("a", measured(THERE, 95.0)), result("b", measured(THERE, 140.0)))
    assert text.startswith("take none yet") and "best: a, KID (EfficientNet-Lite0) 95" in text
    alike = describe(result("a", measured(THERE, 4.0, kid_nothing=4.5)))
    assert alike.startswith("take none") and "--pairs" in alike
    few = describe(result("a", measured(THERE, 4.0, kid_error=None)))
    assert "50 and 60 held-out items" in few


def test_true_pairs_decide_the_recommendation() -> None:
    true = {"l1_nothing": 0.3}
    sharp = result("sharp", measured(THERE, 20.0, l1=0.2, **true))
    close = result("close", measured(THERE, 60.0, l1=0.1, **true))
    text = describe(sharp, close)
    assert text.startswith("take close: KID (EfficientNet-Lite0) 60")
    assert "By KID sharp is nearer to the target" in text
    assert "close is the nearest to the true translations." in text
    assert "sharp is as near within 3%" in describe(sharp, result("close", measured(THERE, 20.0, l1=0.196, **true)))
    blurred = describe(result("close", measured(THERE, 99.0, l1=0.1, **true)))
    assert "nearest to the true translations, though its KID" in blurred
    neither = describe(result("sharp", measured(THERE, 20.0, l1=0.3, **true)))
    assert "None is notably nearer to the true translations than the input" in neither


def test_without_kid_only_true_pairs_decide() -> None:
    plain = measured(THERE, None, networks={}, kid_error=None)
    assert "pip install" in describe(result("a", plain))
    near, far = (measured(THERE, None, networks={}, kid_error=None, l1=l1, l1_nothing=0.3) for l1 in (0.1, 0.2))
    assert describe(result("a", far), result("b", near)).startswith("take b, the nearest to the true translations")


def test_overall_recommendation_is_one_method_or_one_per_direction() -> None:
    two = result("two", measured(THERE, 20.0), measured(BACK, 20.0), is_still_improving=True)
    assert dict(recommendations.recommend(comparison(two)))["Overall"] == (
        "take two in every direction. Of the methods that support every direction, two has the best mean "
        "KID (EfficientNet-Lite0) (20.0). To translate: two 1,000 parameters, 4 ms per item (on cpu). two was still "
        "improving at the end: the ranking may change with a larger budget."
    )
    one = result("one", measured(THERE, 5.0))
    text = dict(recommendations.recommend(comparison(two, one)))["Overall"]
    assert text.startswith("by direction: photos → paintings one; paintings → photos two.")
    none = result("none", measured(THERE, 100.0), measured(BACK, 100.0))
    assert "no method is recommended" in dict(recommendations.recommend(comparison(none)))["Overall"]
    assert (
        recommendations.recommend(comparison(result("a", state="failed", reason="why")))[0][0]
        == "Nothing to compare yet"
    )
    assert recommendations.recommend(comparison(result("a")))[0][0] == "Not measured"


def test_the_unchanged_input_is_a_row_of_the_table() -> None:
    good, bad = result("good", measured(THERE, 20.0)), result("bad", measured(THERE, 140.0))
    failed = result("failed", state="diverged", reason="lost")
    found = tables.build_direction_table(comparison(bad, good, failed), THERE)
    assert found.head == ["rank", "method", "KID (EfficientNet-Lite0)", "kept: features", "kept: edges", "change"]
    assert [(row.cells[:3], row.style) for row in found.rows] == [
        (["1", "good", "20.0 ± 3.0"], "first"),
        (["–", "doing nothing", "100.0"], "nothing"),
        (["2", "bad", "140.0 ± 3.0"], "ranks"),
        (["–", "real to real", "5.0"], "real"),
    ]
    assert found.rows[1].cells[3:] == ["1.000", "1.000", "0.000"]
    rows = tables.build_methods_table(comparison(bad, good, failed, result("one", measured(BACK, 3.0)))).rows
    assert [row.cells[1] for row in rows] == ["bad", "good", "one", "failed", "doing nothing", "real to real"]
    assert rows[2].cells[2] == "3.0 ± 3.0 (1 of 2 directions)"
    assert rows[3].cells[2] == "diverged" and rows[4].cells[3] == "1.00"


def test_hidden_information_is_a_column_and_a_sentence_if_known() -> None:
    hider = result("hider", measured(THERE, 20.0), hidden={THERE: HiddenInformation(fraction=0.4, error=0.02)})
    honest = result("honest", measured(THERE, 60.0), hidden={THERE: HiddenInformation(fraction=0.08, error=0.05)})
    whole = comparison(hider, honest, result("unknown", measured(THERE, 80.0)))
    table = tables.build_direction_table(whole, THERE)
    assert table.head[-1] == "hidden"
    assert [row.cells[-1] for row in table.rows] == ["0.40 ± 0.02", "0.08 ± 0.05", "–", "0.00", "–"]
    methods = tables.build_methods_table(whole)
    assert methods.head[4] == "hidden"
    assert [row.cells[4] for row in methods.rows] == ["0.40", "0.08", "–", "0.00", "–"]
    assert "hider 40% of the input" in dict(recommendations.recommend(whole))["Overall"]
    assert "hidden" not in tables.build_methods_table(comparison(result("a", measured(THERE, 20.0)))).head


def test_the_page_lists_failures_and_escapes_text(tmp_path: Path) -> None:
    whole = comparison(
        result("good", measured(THERE, 20.0)),
        result("bad", state="failed", reason="<b>broken</b>"),
        result("late", state="waiting"),
        excluded={"odd": "odd takes four. Methods that take two: good", "even": "even takes four"},
        settings={"good": {"method_settings": {"lr": 0.1}, "data": {"size": 64}, "training": {"batch_size": 4}}},
    )
    folder = ComparisonFolder(tmp_path)
    page.write_page(folder, whole)
    text = folder.page_file.read_text()
    assert "bad failed: &lt;b&gt;broken&lt;/b&gt;" in text
    assert "Not finished: late" in text
    assert "Excluded: odd and even: takes four." in text
    assert all(str(escape(rule)) in text for rule in recommendations.list_rules(whole))
    figures = json.loads(folder.results_file.read_text())
    assert page.replace_non_finite({"a": [math.inf, 1.0]}) == {"a": [None, 1.0]}
    assert figures["ranking_metric"] == "kid"
    assert figures["ranking"][THERE] == [{"method": "good", "rank": 1, "value": 20.0, "error": 3.0, "spread": None}]
    assert figures["advice"][0]["text"].startswith("take good")
    assert page.format_comparison(whole).count("good") >= 3


@pytest.mark.parametrize("count", [2, 3])
def test_many_directions_get_only_the_overall_recommendation(count: int) -> None:
    routes = [measured(f"a -> {i}", 20.0) for i in range(count)]
    heads = [head for head, _ in recommendations.recommend(comparison(result("m", *routes)))]
    assert heads == (["a → 0", "a → 1", "Overall"] if count == 2 else ["Overall"])
