"""Verdicts on routes for pictures, with synthetic metric values."""

from __future__ import annotations

from typing import Any

import pytest

from unpaired.media.image.verdict import (
    beats_identity,
    beats_linear,
    beats_untrained,
    content_kept,
    describe_likeness,
    describe_route,
    is_nearer_to_truth,
    is_nearly_input,
)
from unpaired.metrics.base import RouteEvaluation


def route(
    kid: float | None = None, error: float | None = 4.0, real: float | None = 6.0, **extra: Any
) -> RouteEvaluation:
    values = {} if kid is None else {"kid": kid}
    given: dict[str, Any] = {
        "sources": 20,
        "targets": 24,
        "values": values | extra.pop("values", {}),
        "errors": ({} if error is None else {"kid": error}) | extra.pop("more_errors", {}),
        "baselines": {
            "doing nothing": {"kid": 180.0, **extra.pop("nothing", {})},
            "linear color transfer": extra.pop("linear", {}),
            "real to real": {} if real is None else {"kid": real},
        },
        "networks": {"features": "Net"},
    }
    return RouteEvaluation.model_validate({"route": "a -> b"} | given | extra)


@pytest.mark.parametrize(
    ("kid", "verdict"),
    [
        (190.0, "did not work"),
        (175.0, "no significant gain"),
        (150.0, "hardly worked: translations closed 17%"),
        (93.0, "worked in part: translations closed 50%"),
        (40.0, "worked: translations closed 80%"),
        (13.0, "worked: by KID"),
    ],
)
def test_describe_likeness_depends_on_kid_and_its_error(kid: float, verdict: str) -> None:
    assert describe_likeness(route(kid)).startswith(verdict)


def test_describe_likeness_mentions_few_items_and_a_missing_network() -> None:
    assert "3 and 4 items" in describe_likeness(route(40.0, error=None, real=None, sources=3, targets=4))
    assert "20 and 24 held-out items" in describe_likeness(route())
    assert "pip install 'unpaired[features]'" in describe_likeness(route(networks={}))


def test_describe_route_adds_the_distance_to_true_translations() -> None:
    text = describe_route(route(40.0, values={"l1": 0.2}, nothing={"l1": 0.1}))
    assert "no nearer to" in text and "L1 0.200; doing nothing 0.100" in text


def test_a_loss_by_kid_is_no_failure_if_the_truth_is_nearer() -> None:
    truth: dict[str, Any] = {"values": {"l1": 0.1}, "nothing": {"l1": 0.3}}
    assert describe_route(route(190.0)).startswith("did not work")
    assert describe_route(route(190.0, **truth)).startswith("by KID, translations are further")


def test_content_kept_and_beats_identity() -> None:
    assert content_kept(route(values={"feature_similarity": 0.6, "edge_similarity": 0.8})) == pytest.approx(0.7)
    assert content_kept(route(values={"edge_similarity": 0.8})) == 0.8
    assert content_kept(route()) is None
    assert (
        beats_identity(route(171.0)) and not beats_identity(route(173.0)) and not beats_identity(route(1.0, error=None))
    )


def second(kid: float, nothing: float = 90.0, **extra: Any) -> dict[str, Any]:
    return {
        "values": {"kid_alexnet": kid, **extra.pop("values", {})},
        "nothing": {"kid_alexnet": nothing},
        "more_errors": {"kid_alexnet": 5.0},
        **extra,
    }


def test_a_gain_counts_unless_the_second_network_contradicts() -> None:
    assert beats_identity(route(40.0, **second(95.0)))
    assert not beats_identity(route(40.0, **second(101.0)))
    assert beats_identity(route(175.0, **second(79.0))) and not beats_identity(route(175.0, **second(81.0)))
    contradicted = describe_route(route(40.0, **second(101.0)))
    assert "disagree" in contradicted and "worked" not in contradicted
    assert "KID (AlexNet) 101.0; doing nothing 90.0" in contradicted
    assert "disagree" not in describe_route(route(40.0, **second(85.0)))


def test_the_color_transfer_must_be_beaten_by_kid_or_by_l1_if_the_truth_is_known() -> None:
    assert beats_linear(route(40.0, linear={"kid": 49.0})) and not beats_linear(route(40.0, linear={"kid": 47.0}))
    assert beats_untrained(route(40.0)) and not beats_untrained(route(40.0, linear={"kid": 47.0}))
    text = describe_route(route(40.0, linear={"kid": 30.0}))
    assert "do not beat the linear color transfer" in text and "40.0 against 30.0" in text
    nearer = route(60.0, values={"l1": 0.1}, nothing={"l1": 0.3}, linear={"kid": 30.0, "l1": 0.2})
    assert beats_linear(nearer) and is_nearer_to_truth(nearer)
    assert "They beat the linear color transfer (L1 0.100 against 0.200" in describe_route(nearer)
    assert not is_nearer_to_truth(route(60.0, values={"l1": 0.198}, nothing={"l1": 0.3}, linear={"l1": 0.2}))
    assert "linear" not in describe_route(route(40.0))


@pytest.mark.parametrize(
    ("kid", "change", "linear", "expected"),
    [
        (178.0, 0.01, 0.1, True),
        (100.0, 0.01, 0.1, False),  # small, but nearer to the target
        (178.0, 0.03, 0.1, False),
        (178.0, 0.003, 0.0, True),  # domains of equal colors: below one level of 8 bits
        (178.0, 0.005, 0.0, False),
        (240.0, 0.01, 0.1, True),
    ],
)
def test_a_translation_is_nearly_the_input_if_it_changes_little_and_gains_nothing(
    kid: float, change: float, linear: float, expected: bool
) -> None:
    found = route(kid, values={"change": change}, linear={"change": linear})
    assert is_nearly_input(found) is expected
    assert ("nearly the input" in describe_route(found)) is expected
    assert not is_nearly_input(route(178.0, values={"change": 0.001}))
