"""Declared metrics, evaluations, and the tables generated from them."""

from __future__ import annotations

import json
import math

import pytest
from pydantic import ValidationError

from unpaired.media import MEDIA
from unpaired.metrics.base import (
    DOING_NOTHING,
    Better,
    Evaluation,
    Metric,
    RouteEvaluation,
    average_routes,
    keep_finite,
)
from unpaired.metrics.few_items import describe_few_items
from unpaired.metrics.route_table import build_route_tables, list_definitions
from unpaired.metrics.significance import significantly_better, significantly_lower
from unpaired.metrics.verdict import describe_against_baselines


def metric(better: Better, **more: float) -> Metric:
    return Metric("m", "measure", better, 1, "how much.", unit="dB", **more)  # type: ignore[arg-type]


def evaluation(*routes: RouteEvaluation, medium: str = "image") -> Evaluation:
    return Evaluation(
        run="runs/r",
        medium=medium,
        items="test items",
        checkpoint="best",
        step=7,
        is_own_data=True,
        limit=500,
        routes=routes,
    )


ROUTE = RouteEvaluation(
    route="a -> b",
    sources=5,
    targets=6,
    available=9,
    pairs=2,
    values={"kid": 30.25, "l1": 0.05, "change": 0.1},
    errors={"kid": 2.0},
    baselines={DOING_NOTHING: {"kid": 44.0}, "real to real": {"kid": 0.5}},
    networks={"features": "Net"},
    notes=("a note",),
)


@pytest.mark.parametrize(
    ("better", "value", "other", "expected"),
    [
        ("lower", 1, 2, True),
        ("higher", 1, 2, False),
        ("zero", -1, 2, True),
        ("one", 1.5, 0.4, True),
        ("none", 1, 2, False),
        ("lower", 1, 1, False),
    ],
)
def test_is_better_follows_the_declaration(better: Better, value: float, other: float, expected: bool) -> None:
    assert metric(better).is_better(value, other) is expected


def test_values_are_formatted_with_sign_and_digits() -> None:
    signed = Metric("m", "m", "zero", 2, "", is_signed=True)
    assert (signed.format(1.234), signed.format(None), signed.format(math.nan, "?")) == ("+1.23", "-", "?")


def test_significance_by_standard_errors_or_by_tolerance() -> None:
    assert significantly_lower(10, 20.1, 3, 4) and not significantly_lower(10, 19.9, 3, 4)
    assert not significantly_lower(20.1, 10, 3, 4) and not significantly_lower(0, 1000, None, 4)
    assert significantly_better(metric("higher"), 20.1, 10, 3, 4) and not significantly_better(metric("none"), 0, 9, 1)
    tolerant = metric("lower", rank_tolerance=0.02)
    assert significantly_better(tolerant, 7.5, 8.0) and not significantly_better(tolerant, 7.95, 8.0, 0.0)


def test_baselines_are_measured_or_known_by_definition() -> None:
    known = Metric("change", "change", "none", 1, "", known_baselines={DOING_NOTHING: 0.0})
    assert ROUTE.baseline(DOING_NOTHING, known) == 0 and ROUTE.baseline("real to real", known) is None


def test_the_mean_is_none_unless_every_route_has_a_value() -> None:
    kid = MEDIA["image"].validation_metric
    bare = ROUTE.model_copy(update={"values": {}})
    assert average_routes(kid, [ROUTE, ROUTE]) == 30.25
    assert average_routes(kid, [ROUTE, bare]) is None and average_routes(kid, []) is None
    assert keep_finite({"a": 1.0, "b": None, "c": math.inf, "d": math.nan}) == {"a": 1.0}


def test_an_evaluation_survives_json_and_rejects_nan() -> None:
    whole = evaluation(ROUTE)
    assert Evaluation.model_validate(json.loads(whole.model_dump_json())) == whole
    with pytest.raises(ValidationError):
        RouteEvaluation(route="a -> b", sources=1, targets=1, values={"kid": math.nan})


def test_the_text_table_has_a_row_per_metric_and_a_column_per_baseline() -> None:
    bare = RouteEvaluation(route="b -> a", sources=3, targets=3, values={"change": 0.2})
    lines = evaluation(ROUTE, bare).text(with_definitions=True).splitlines()
    assert "runs/r" in lines[0] and "best" in lines[0] and "step 7" in lines[0] and "test items" in lines[0]
    assert lines[2] == "a -> b (5 of 9 pictures translated, 6 of the target, 2 true pairs)"
    first = next(i for i, line in enumerate(lines) if line.startswith("  KID"))
    head = ["translated", "doing", "nothing", "real", "to", "real", "better"]
    assert sorted(" ".join(lines[3:first]).split()) == sorted(head)
    lines = [*lines[:3], " ".join(lines[3:first]), *lines[first:]]  # the headings as one line
    assert lines[4].split() == ["KID", "x1000", "(EfficientNet-Lite0)", "30.2", "+-", "2.0", "44.0", "0.5", "lower"]
    assert lines[5].split() == ["L1", "to", "the", "truth", "0.050", "-", "-", "lower"]
    assert lines[6].split() == ["change", "0.100", "0.000", "-", "0", "=", "none"]
    assert "closed 32%" in lines[7]
    assert lines[9] == "b -> a (3 pictures translated, 3 of the target)"
    assert next(line for line in lines[10:] if line.startswith("  change")).split()[:3] == ["change", "0.200", "0.000"]
    assert len({len(line) for line in lines[4:6]}) == 1
    assert {"features: Net.", "a note."} <= {*lines} and any(
        line.startswith("KID x1000 (EfficientNet-Lite0): ") for line in lines
    )
    brief = evaluation(ROUTE, bare).text().splitlines()
    assert "a note." in brief and not any(line.startswith("KID x1000 (EfficientNet-Lite0): ") for line in brief)


def test_a_narrow_terminal_gets_the_figures_without_the_last_column() -> None:
    wide, narrow = (
        evaluation(ROUTE).text().split("verdict")[0],
        evaluation(ROUTE).text(max_width=66).split("verdict")[0],
    )
    assert "better" in wide and "better" not in narrow and "44.0" in narrow and "0 = none" not in narrow
    assert max(len(line) for line in narrow.split("pairs)")[1].splitlines()) <= 66


@pytest.mark.parametrize(("sources", "targets", "is_few"), [(19, 20, True), (20, 19, True), (20, 20, False)])
def test_few_items_are_named_in_evaluations(sources: int, targets: int, is_few: bool) -> None:
    few = ROUTE.model_copy(update={"sources": sources, "targets": targets})
    assert ("only 19 items" in evaluation(few).text()) is is_few
    assert ("--holdout-fraction" in describe_few_items([few])) is is_few
    assert describe_few_items([]) == ""


def test_is_better_is_none_without_a_measured_baseline() -> None:
    (table,) = build_route_tables(MEDIA["image"], [ROUTE])
    assert {row.metric.name: row.is_better for row in table.rows} == {"kid": True, "l1": None, "change": None}


@pytest.mark.parametrize("name", MEDIA)
def test_declarations_of_media_are_consistent(name: str) -> None:
    medium = MEDIA[name]
    names = [m.name for m in medium.metrics]
    assert len(set(names)) == len(names) and all(m.definition.endswith(".") for m in medium.metrics)
    assert {*medium.ranking_metrics, medium.validation_metric} <= {*medium.metrics}
    assert all(m in medium.metrics for column in medium.summary_columns for m in column.metrics)
    baselines = {b.name for b in medium.baselines}
    assert DOING_NOTHING in baselines and all(m.known_baselines.keys() <= baselines for m in medium.metrics)
    measured = RouteEvaluation(route="a -> b", sources=1, targets=1, values=dict.fromkeys(names, 1.0))
    definitions = list_definitions(medium, [measured])
    assert all(any(m.label in line for line in definitions) for m in medium.metrics)


def test_the_verdict_names_the_best_baseline() -> None:
    medium = MEDIA["image"]
    worse = ROUTE.model_copy(update={"values": {"kid": 50.0}})
    assert "doing nothing 44.0" in describe_against_baselines(ROUTE, medium.ranking_metrics, medium.baselines)
    text = describe_against_baselines(worse, medium.ranking_metrics, medium.baselines)
    assert text.startswith("no better than doing nothing") and "real to real" not in text
    assert (
        describe_against_baselines(ROUTE.model_copy(update={"values": {}}), medium.ranking_metrics, [])
        == "not measured."
    )
