"""Verdicts on routes for pictures, with synthetic metric values."""

from __future__ import annotations

from typing import Any

import pytest

from unpaired.media.image.verdict import beats_identity, content_kept, describe_likeness, describe_route
from unpaired.metrics.base import RouteEvaluation


def route(
    kid: float | None = None, error: float | None = 4.0, real: float | None = 6.0, **extra: Any
) -> RouteEvaluation:
    values = {} if kid is None else {"kid": kid}
    given: dict[str, Any] = {
        "sources": 20,
        "targets": 24,
        "values": values | extra.pop("values", {}),
        "errors": {} if error is None else {"kid": error},
        "baselines": {
            "do nothing": {"kid": 180.0, **extra.pop("nothing", {})},
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
    assert "no nearer to" in text and "L1 0.200; do nothing 0.100" in text


def test_content_kept_and_beats_identity() -> None:
    assert content_kept(route(values={"feature_similarity": 0.6, "edge_similarity": 0.8})) == pytest.approx(0.7)
    assert content_kept(route(values={"edge_similarity": 0.8})) == 0.8
    assert content_kept(route()) is None
    assert (
        beats_identity(route(171.0)) and not beats_identity(route(173.0)) and not beats_identity(route(1.0, error=None))
    )
