"""Tests of voice comparisons: ranking, advice, and a complete comparison from folders to the page."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from voice_worlds import TINY, speaker

from unpaired.comparison import measurement, tables
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.page import format_comparison, render_page
from unpaired.comparison.recommendations import recommend
from unpaired.comparison.result import Comparison, MethodResult
from unpaired.comparison.runner import compare
from unpaired.errors import UsageError
from unpaired.media.voice import evaluation, judge_settings, transcripts
from unpaired.media.voice.comparison import VoiceAdvisor
from unpaired.media.voice.judge_settings import JudgeSettings, extend_judges
from unpaired.media.voice.metrics import measurement as voice_measurement
from unpaired.media.voice.metrics.judges import JudgeKind, Judges
from unpaired.media.voice.metrics.measurement import SystemMeasures, VoiceEvaluator
from unpaired.media.voice.metrics.word_errors import ErrorRates
from unpaired.media.voice.settings import VoiceEvaluateOptions
from unpaired.metrics.base import RouteEvaluation
from unpaired.runs.summary import read_run_summary

SHORT: dict[str, Any] = {**TINY, "steps": 2, "sample_every": 0, "evaluate_every": 0}
FLOOR = {
    "doing nothing": {"mcd": 10.0, "frame_distance": 9.0},
    "affine": {"mcd": 9.0, "frame_distance": 9.0},
    "kNN": {"mcd": 8.0, "frame_distance": 9.0},
    "real target": {"frame_distance": 1.0},
}


def measured(baselines: dict[str, dict[str, float]] = FLOOR, **values: float) -> RouteEvaluation:
    return RouteEvaluation(
        route="a -> b", sources=4, targets=4, values={"frame_distance": 9.0, **values}, baselines=baselines
    )


def comparison(**routes: RouteEvaluation) -> Comparison:
    results = tuple(
        MethodResult(
            method=name, paper="", state="done", steps=10, seconds=1.0, translate_s=0.5, parameters=9, routes=(route,)
        )
        for name, route in routes.items()
    )
    return Comparison(
        unpaired="0",
        path="runs/compare",
        domains=("a", "b"),
        train_counts=(3, 3),
        budget="2 steps",
        preset="tiny",
        medium="voice",
        size=16,
        item_size="in crops of 16 frames",
        batch_size=1,
        seeds=(0,),
        device="cpu",
        pairs=True,
        settings={},
        results=results,
        excluded={},
    )


def advise(**routes: RouteEvaluation) -> str:
    return VoiceAdvisor(comparison(**routes)).describe_direction("a -> b")


def test_methods_are_ranked_with_the_untrained_baselines() -> None:
    one = comparison(x=measured(mcd=7.5), y=measured(mcd=8.5), z=measured(mcd=7.6))
    table = tables.build_direction_table(one, "a -> b")
    assert table.head[:3] == ["rank", "method", "MCD, dB"]
    assert [row.cells[:3] for row in table.rows] == [
        ["1", "x", "7.50"],
        ["1", "z", "7.60"],
        ["–", "kNN", "8.00"],
        ["3", "y", "8.50"],
        ["–", "affine", "9.00"],
        ["–", "doing nothing", "10.00"],
        ["–", "real target", "–"],
    ]
    methods = tables.build_methods_table(one)
    assert methods.head[:6] == ["rank", "method", "mean MCD, dB", "GV bias, dB", "similarity", "WER"]
    assert [row.cells[:3] for row in methods.rows[:3]] == [["1", "x", "7.50"], ["1", "z", "7.60"], ["3", "y", "8.50"]]
    text = format_comparison(one)
    assert "take x: MCD 7.50 dB (kNN 8.00, affine 9.00, doing nothing 10.00). Equal within 2%: z." in text


def test_no_method_is_recommended_unless_it_beats_knn() -> None:
    text = advise(x=measured(mcd=7.95))
    assert text.startswith("take none yet") and "better than kNN" in text and "x: MCD 7.95 dB" in text
    assert "no method is recommended" in dict(recommend(comparison(x=measured(mcd=7.95))))["Overall"]


def test_blurred_methods_are_recommended_last() -> None:
    flat, clear = measured(mcd=6.0, gv_bias=-3.0), measured(mcd=7.0, gv_bias=-0.2, similarity=0.8)
    text = advise(flat=flat, clear=clear)
    assert (
        text.startswith("take clear: MCD 7.00 dB, similarity 0.80")
        and "flat is nearer" in text
        and "(MCD 6.00 dB)" in text
    )
    alone = advise(flat=flat)
    assert alone.startswith("take flat") and "3.0 dB flatter" in alone


@pytest.mark.parametrize(("wer", "is_lost"), [(0.5, True), (0.2, False)])
def test_warning_of_lost_words(wer: float, is_lost: bool) -> None:
    text = advise(x=measured({"doing nothing": {"mcd": 10.0, "wer": 0.125}, "kNN": {"mcd": 7.5}}, mcd=6.0, wer=wer))
    assert ("50 of 100 words are misrecognized" in text) is is_lost


def test_methods_are_ranked_by_frame_distance_without_pairs() -> None:
    floor = {"kNN": {"frame_distance": 4.5}}
    routes = {"x": measured(floor, frame_distance=5.0), "y": measured(floor, frame_distance=4.0)}
    table = tables.build_direction_table(comparison(**routes), "a -> b")
    assert [row.cells[1] for row in table.rows] == ["y", "kNN", "x"]
    assert "frame distance 4.0 (kNN 4.5)" in advise(**routes)


def test_best_method_is_recommended_without_baselines() -> None:
    assert advise(x=measured({}, mcd=7.0), y=measured({}, mcd=8.0)) == "take x: MCD 7.00 dB."


class ConstantRecognizer:
    """Recognizer that returns the same words for all waves."""

    name = "constant"

    def __call__(self, wave: Any, sample_rate_hz: int) -> str:
        return "a hum"


def unlike(references: Sequence[str], heard: Sequence[str]) -> ErrorRates:
    """Compute error rates without jiwer, which may not be installed, from the words that differ by position."""
    pairs = [pair for a, b in zip(references, heard, strict=True) for pair in zip(a.split(), b.split(), strict=True)]
    return ErrorRates(sum(a != b for a, b in pairs) / len(pairs), 0.0)


@pytest.fixture
def constant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speaker encoder that is the only installed judge."""
    monkeypatch.setattr(voice_measurement, "compute_error_rates", unlike)
    for module in (evaluation, judge_settings, transcripts):
        monkeypatch.setattr(module, "find_judges", lambda _: Judges(recognizer=ConstantRecognizer()))


@pytest.fixture
def voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("unpaired.media.voice.cache._MAX_INLINE_FILES", 1000)  # starting processes takes longer
    for name, hz in (("low", 110.0), ("high", 190.0)):
        speaker(tmp_path / "voices" / name, "train", hz, [0.6] * 4)
        speaker(tmp_path / "voices" / name, "test", hz, [0.6])
    return tmp_path / "voices"


@pytest.mark.usefixtures("constant")
def test_comparison_of_voices_writes_one_page_with_players(
    voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    arguments: dict[str, Any] = {
        "methods": ("cyclegan", "unit"),
        "pairs": True,
        "judges": "words",
        "overrides": {"unit": {"mcep_order": 9}},
        "log": messages.append,
        **SHORT,
    }
    found = compare(voices, out=tmp_path / "out", **arguments)
    assert {r.method: r.state for r in found.results} == {"cyclegan": "done", "unit": "done"}, messages
    assert found.medium == "voice" and set(found.directions) == {"high -> low", "low -> high"}
    routes = [route for r in found.results for route in r.routes]
    assert all("mcd" in route.values for route in routes)
    assert all([*r.baselines] == ["doing nothing", "affine", "kNN", "copy-synthesis", "real target"] for r in routes)
    assert all((r.translate_s or 0) > 0 for r in found.results)
    folder = ComparisonFolder(tmp_path / "out")
    shown = folder.page_file.read_text()
    assert shown.count("<audio") == 2 * 6 and "media-src data:" in shown  # source, two methods, affine, kNN, target
    assert "kNN" in shown and "MCD" in shown and "RECORDINGS" in shown and "mean MCD, dB" in shown
    values = json.loads(folder.results_file.read_text())
    assert values["ranking_metric"] == "mcd" and len(values["ranking"]["high -> low"]) == 2
    affine = [r.routes[0].baselines["affine"] for r in found.results]
    assert affine[0] != affine[1], "each beside what is made of its own coefficients"
    monkeypatch.setattr(measurement, "evaluate", lambda *_, **__: pytest.fail("measured twice"))
    again = compare(voices, out=tmp_path / "out", **arguments)
    assert [r.routes for r in again.results] == [r.routes for r in found.results]
    assert render_page(folder, again).count("<audio") == 12


@pytest.mark.usefixtures("constant")
def test_voices_are_compared_with_several_seeds(voices: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = compare(voices, out=out, methods="unit", pairs=True, judges="none", seeds="0,1", log=lambda _: None, **SHORT)
    assert [(seed.run, seed.state) for seed in done.results[0].seeds] == [("unit", "done"), ("unit-seed-1", "done")]
    for direction in done.directions:
        values = [
            route.values["mcd"] for seed in done.results[0].seeds for route in seed.routes if route.route == direction
        ]
        merged = done.results[0].get_route(direction)
        assert merged is not None and values[0] != values[1]
        assert merged.values["mcd"] == pytest.approx(statistics.mean(values))
        assert merged.spreads["mcd"] == pytest.approx(statistics.stdev(values))
    assert (out / "compare.html").read_text().count("<audio") == 2 * 5  # only the first seed has players


def test_only_judges_missing_in_earlier_evaluations_run(
    voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker(voices / "low", "test", 110.0, [0.6, 0.15])  # too short to be measured
    asked: list[tuple[JudgeKind, ...]] = []

    def find_nobody(kinds: tuple[JudgeKind, ...]) -> Judges:
        asked.append(kinds)
        return Judges(missing={kind: (f"no {kind}",) for kind in kinds})

    monkeypatch.setattr(evaluation, "find_judges", find_nobody)
    monkeypatch.setattr(judge_settings, "find_judges", lambda _: Judges())

    def run(judges: str) -> RouteEvaluation:
        asked.clear()
        found = compare(voices, out=tmp_path / "out", methods="unit", judges=judges, log=lambda _: None, **SHORT)
        return found.results[0].routes[0]

    assert run("none").sources == 1 and asked == [()]
    assert not run("none").notes and not asked
    assert run("words,speakers").notes == ("no speakers.", "no words.") and asked == [("speakers", "words")]
    assert run("words").notes == ("no speakers.", "no words.") and not asked
    assert len(run("all").notes) == 3 and asked == [("speakers", "words", "naturalness")]

    summary = read_run_summary(ComparisonFolder(tmp_path / "out").get_run("unit").path)
    assert summary.test is not None
    assert JudgeSettings(("words",)).covers(summary.test) and JudgeSettings(()).covers(summary.test)
    fewer = summary.test.model_copy(update={"options": {"judges": ["words"], "texts": ""}})
    assert not JudgeSettings(("speakers",)).covers(fewer)
    assert extend_judges(VoiceEvaluateOptions(judges="speakers"), fewer).judges == "speakers,words"
    monkeypatch.setattr(
        judge_settings, "find_judges", lambda _: Judges(recognizer=ConstantRecognizer())
    )  # installed since
    assert not JudgeSettings(("words",)).covers(summary.test) and JudgeSettings(()).installed_judges == {"constant"}


@pytest.mark.usefixtures("constant")
def test_transcripts_apply_to_all_methods_and_baselines_are_measured_once(
    voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[VoiceEvaluator] = []
    copy = VoiceEvaluator.measure_copy_synthesis

    def count(self: VoiceEvaluator) -> SystemMeasures | None:
        copies.append(self)
        return copy(self)

    monkeypatch.setattr(VoiceEvaluator, "measure_copy_synthesis", count)
    table = tmp_path / "texts.csv"
    table.write_text("file,text\nlow/00,a hum\n")
    arguments: dict[str, Any] = {"methods": "cyclegan,unit", "judges": "words", "log": lambda _: None, **SHORT}
    with pytest.raises(UsageError, match="1 of 1 recordings of 'high'"):
        compare(voices, out=tmp_path / "out", texts=table, **arguments)
    assert not (tmp_path / "out").exists()
    table.write_text("file,text\nlow/00,a hum\nhigh/00,a hiss\n")

    plain = compare(voices, out=tmp_path / "out", **arguments)
    assert [m.values["wer"] for r in plain.results for m in r.routes] == [
        0.0
    ] * 4  # the recognizer returns the same words for all waves
    copies.clear()
    found = compare(voices, out=tmp_path / "out", texts=table, **arguments)
    assert len(copies) == 2, "of each direction once"
    rates = {(r.method, m.route): m.values["wer"] for r in found.results for m in r.routes}
    assert rates == {
        (name, way): wer for name in ("cyclegan", "unit") for way, wer in (("high -> low", 0.5), ("low -> high", 0.0))
    }
    table.write_text(table.read_text().replace("a hiss", "a hum"))
    mended = compare(voices, out=tmp_path / "out", texts=table, **arguments)
    assert [m.values["wer"] for r in mended.results for m in r.routes] == [0.0] * 4
    monkeypatch.setattr(measurement, "evaluate", lambda *_, **__: pytest.fail("measured twice"))
    compare(voices, out=tmp_path / "out", texts=table.rename(tmp_path / "moved.csv"), **arguments)


def test_compare_raises_usage_error_for_options_of_images(voices: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gan does not learn from recordings"):
        compare(voices, out=tmp_path / "out", methods="gan", **SHORT)
    with pytest.raises(UsageError, match=r"--audit: .*recordings"):
        compare(voices, out=tmp_path / "out", methods="unit", audit=True, **SHORT)
    with pytest.raises(UsageError, match="--fid: for pictures only"):
        compare(voices, out=tmp_path / "out", methods="unit", fid=True, **SHORT)
    with pytest.raises(UsageError, match="'size': for pictures only"):
        compare(voices, out=tmp_path / "out", methods="unit", size=64, **SHORT)
    with pytest.raises(UsageError, match=r"--texts: .*--judges words"):
        compare(voices, out=tmp_path / "out", methods="unit", judges="none", texts=tmp_path / "t.csv", **SHORT)
    with pytest.raises(UsageError, match="--judges 'word'"):
        compare(voices, out=tmp_path / "out", methods="unit", judges="word", **SHORT)
