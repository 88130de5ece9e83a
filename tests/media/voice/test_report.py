"""Tests of the verdict on voice routes and of the listening samples in the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unpaired.media.voice.report import render_listening
from unpaired.media.voice.verdict import describe_route, is_blurred
from unpaired.metrics.base import RouteEvaluation
from unpaired.runs.folder import RunFolder

BASELINES = {
    "doing nothing": {"similarity": 0.5, "mcd": 10.0},
    "affine": {"similarity": 0.6, "mcd": 8.7},
    "kNN": {"similarity": 0.8, "mcd": 8.3},
    "copy-synthesis": {"similarity": 0.99, "mcd": 2.5},
}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"similarity": 0.9, "mcd": 7.0}, ("beats every baseline", "similarity 0.900", "MCD 7.00 dB")),
        ({"similarity": 0.7, "mcd": 7.0}, ("no better than kNN",)),
        ({"mcd": 8.5}, ("no better than kNN", "doing nothing 10.00, affine 8.70")),
        ({"mcd": 7.0, "gv_bias": -3.2}, ("3.2 dB flatter", "blurred")),
        ({}, ("not measured.",)),
    ],
)
def test_route_is_compared_with_untrained_baselines(values: dict[str, float], words: tuple[str, ...]) -> None:
    route = RouteEvaluation(route="a -> b", sources=5, targets=5, values=values, baselines=BASELINES)
    text = describe_route(route)
    assert all(word in text for word in words) and "copy-synthesis" not in text
    assert is_blurred(route) is ("gv_bias" in values)


def test_damaged_listening_samples_are_skipped(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert "evaluate the run" in render_listening(folder)
    folder.listening_samples.mkdir()
    gone = {"route": "a -> b", "sentence": "1", "files": {"source": "../gone.flac"}}
    for text in ("{", "3", "[3]", json.dumps([gone])):
        (folder.listening_samples / "listening.json").write_text(text)
        assert "evaluate the run" in render_listening(folder)
