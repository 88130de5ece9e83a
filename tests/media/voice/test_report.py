from __future__ import annotations

import json
from pathlib import Path

import pytest

from unpaired.media.voice.metrics.measurement import VoiceMeasures
from unpaired.media.voice.report import describe_route, read_test, render_listening
from unpaired.runs.folder import RunFolder


def row(system: str, **values: float) -> VoiceMeasures:
    return VoiceMeasures(route="a -> b", system=system, outputs=5, targets=5).model_copy(update=values)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ({"similarity": 0.9, "mcd": 7.0}, "beats every converter without training: similarity to the target 0.90"),
        ({"similarity": 0.7, "mcd": 7.0}, "no better than kNN, which needs no training"),
        ({"mcd": 8.5}, "no better than kNN, which needs no training: MCD in dB 8.5 (do nothing 10.0, affine 8.7"),
        ({"mcd": 7.0, "gv_bias": -3.2}, "Its spectrum is 3.2 dB flatter than the target's, that is, blurred."),
        ({}, "not measured."),
    ],
)
def test_a_route_is_judged_by_what_needs_no_training(run: dict[str, float], words: str) -> None:
    floor = [
        row("do nothing", similarity=0.5, mcd=10.0),
        row("affine", similarity=0.6, mcd=8.7),
        row("kNN", similarity=0.8, mcd=8.3),
        row("copy-synthesis", similarity=0.99, mcd=2.5),
    ]
    assert words in describe_route([row("converted", **run), *floor])


def test_what_is_damaged_is_left_out(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert read_test(folder) is None and "evaluate the run" in render_listening(folder)
    for text in ("{", "[]", json.dumps({"routes": []}), json.dumps({"voices": [{"surprise": 1}], "step": 1})):
        folder.evaluation.write_text(text)
        assert read_test(folder) is None
    folder.listening_samples.mkdir()
    gone = {"route": "a -> b", "sentence": "1", "files": {"source": "../gone.flac"}}
    for text in ("{", "3", "[3]", json.dumps([gone])):
        (folder.listening_samples / "listening.json").write_text(text)
        assert "evaluate the run" in render_listening(folder)
