"""Trends of synthetic curves with a known course."""

from __future__ import annotations

import math
import random

import pytest

from unpaired.metrics.base import Metric
from unpaired.metrics.trend import Trend, TrendPoint, classify_trend, describe_decline, describe_trend, find_decline

KID = Metric("kid", "KID", "lower", 1, "")
SCORE = Metric("score", "score", "higher", 1, "")


def curve(values: list[float], noise: float = 0.0, seed: int = 0) -> list[TrendPoint]:
    source = random.Random(seed)
    return [TrendPoint(100 * (i + 1), value + source.gauss(0, noise)) for i, value in enumerate(values)]


FALLING = [300 * math.exp(-i / 10) + 20 for i in range(15)]
LEVEL = [300 * math.exp(-i / 2) + 100 for i in range(30)]
RISING = [300 * math.exp(-i / 3) + 60 + 8 * max(0, i - 10) for i in range(24)]
RISEN = [300 * math.exp(-i / 2) + 60 + 8 * min(max(0, i - 6), 10) for i in range(30)]


@pytest.mark.parametrize(
    ("values", "noise", "expected"),
    [
        (FALLING, 0.0, "gains"),
        (FALLING, 6.0, "gains"),
        (LEVEL, 0.0, "settled"),
        (LEVEL, 6.0, "settled"),
        (RISING, 0.0, "worse"),
        (RISING, 6.0, "worse"),
        (RISEN, 4.0, "worse"),
        ([100.0] * 9, 60.0, "unclear"),
        ([100.0] * 5, 0.0, "unclear"),
        ([], 0.0, "unclear"),
    ],
)
def test_known_trends_are_classified_despite_noise(values: list[float], noise: float, expected: Trend) -> None:
    trends = [classify_trend(curve(values, noise, seed), KID) for seed in range(40)]
    assert trends.count(expected) >= 34, trends


def test_noise_about_a_constant_is_rarely_a_trend() -> None:
    trends = [classify_trend(curve([100.0] * n, 8.0, seed), KID) for n in (6, 9, 15, 30) for seed in range(100)]
    assert trends.count("gains") + trends.count("worse") < 40


def test_one_outlier_does_not_change_the_trend() -> None:
    history = curve(LEVEL, 2.0)
    history[-2] = TrendPoint(history[-2].step, math.nan)
    assert classify_trend(history, KID) == "settled"
    history[-2] = TrendPoint(history[-2].step, 160.0)
    assert classify_trend(history, KID) == "settled"


def test_the_description_contains_the_values() -> None:
    assert "3 evaluations, 6 are needed" in describe_trend(curve([3.0, 2.0, 1.0]), KID)
    gains = describe_trend(curve([90.0, 80.0, 70.0, 60.0, 50.0, 40.0]), KID)
    assert "KID is 45 over the last 2 evaluations, 65 over the 2 before" in gains
    worse = describe_trend(curve([90.0, 50.0, 40.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0]), KID)
    assert "40 at step 300" in worse


@pytest.mark.parametrize("values", [FALLING, LEVEL, RISING, RISEN])
def test_trend_of_a_metric_that_is_better_when_higher(values: list[float]) -> None:
    mirrored = curve([-value for value in values])
    assert classify_trend(mirrored, SCORE) == classify_trend(curve(values), KID)
    assert f"at step {mirrored[values.index(min(values))][0]}" in describe_trend(mirrored, SCORE) or values is not RISEN


def test_a_decline_is_found_if_the_whole_last_third_is_worse_than_the_best() -> None:
    values = [90.0, 50.0, 40.0, 44.0, 46.0, 48.0, 50.0, 52.0, 54.0]
    decline = find_decline(curve(values), KID)
    assert decline is not None and (decline.best.step, decline.last.value, decline.window) == (300, 50.0, 3)
    text = describe_decline(curve(values), KID)
    assert "step 300" in text and "KID has risen" in text and "50 at best" in text
    assert "fallen" in describe_decline(curve([-v for v in values]), SCORE)
    # One value as good as the best in the last third, or a difference within the standard errors, is no decline.
    assert find_decline(curve([*values[:-1], 40.5]), KID) is None
    with_errors = [TrendPoint(point.step, point.value, 8.0) for point in curve(values)]
    assert find_decline(with_errors, KID) is None and describe_decline(with_errors, KID) == ""
    assert find_decline([point._replace(error=7.0) for point in with_errors], KID) is not None
    assert find_decline(curve(values[:5]), KID) is None


def test_noise_about_a_constant_is_rarely_a_decline() -> None:
    found = [find_decline(curve([100.0] * n, 8.0, seed), KID) for n in (6, 9, 15, 30) for seed in range(100)]
    assert sum(decline is not None for decline in found) < 20
