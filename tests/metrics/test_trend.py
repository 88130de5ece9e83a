"""What is said of synthetic curves whose course is known."""

from __future__ import annotations

import math
import random

import pytest

from unpaired.metrics.trend import Trend, classify_trend, describe_trend


def curve(values: list[float], noise: float = 0.0, seed: int = 0) -> list[tuple[int, float]]:
    source = random.Random(seed)
    return [(100 * (i + 1), value + source.gauss(0, noise)) for i, value in enumerate(values)]


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
def test_known_courses_are_named_under_noise(values: list[float], noise: float, expected: Trend) -> None:
    said = [classify_trend(curve(values, noise, seed)) for seed in range(40)]
    assert said.count(expected) >= 34, said


def test_noise_about_a_level_is_seldom_called_a_trend() -> None:
    said = [classify_trend(curve([100.0] * n, 8.0, seed)) for n in (6, 9, 15, 30) for seed in range(100)]
    assert said.count("gains") + said.count("worse") < 40


def test_one_wild_value_changes_nothing() -> None:
    history = curve(LEVEL, 2.0)
    history[-2] = (history[-2][0], math.nan)
    assert classify_trend(history) == "settled"
    history[-2] = (history[-2][0], 160.0)
    assert classify_trend(history) == "settled"


def test_words_give_figures_and_advice() -> None:
    assert "3 evaluations, 6 are needed" in describe_trend(curve([3.0, 2.0, 1.0]))
    gains = describe_trend(curve([90.0, 80.0, 70.0, 60.0, 50.0, 40.0]), "KID")
    assert "still gains: KID is 45 over the last 2 evaluations, 65 over the 2 before" in gains
    worse = describe_trend(curve([90.0, 50.0, 40.0, 60.0, 70.0, 80.0, 90.0, 100.0, 110.0]))
    assert "gets worse" in worse and "40 at step 300" in worse
    assert "settled" in describe_trend(curve(LEVEL))
    assert "No clear trend" in describe_trend(curve([100.0, 10.0, 180.0, 30.0, 150.0, 20.0, 190.0, 50.0, 100.0]))
