"""Comparisons of recordings: what ranks, what is advised, and one from folders to a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from voice_worlds import TINY, speaker

from unpaired.comparison import compare
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.page import format_comparison, render_page
from unpaired.comparison.result import Comparison, MethodResult
from unpaired.errors import UsageError
from unpaired.media.voice import comparison_measures, comparison_sections, evaluation, transcripts
from unpaired.media.voice.metrics import measurement
from unpaired.media.voice.metrics.judges import JudgeKind, Judges, parse_kinds
from unpaired.media.voice.metrics.measurement import VoiceEvaluator, VoiceMeasures
from unpaired.media.voice.metrics.word_errors import ErrorRates
from unpaired.media.voice.report import VoiceTest, read_test
from unpaired.runs.files import read_file_lists
from unpaired.runs.summary import read_run_summary

SHORT: dict[str, Any] = {**TINY, "steps": 2, "sample_every": 0, "evaluate_every": 0}


def row(system: str, mcd: float | None = None, route: str = "a -> b", **more: Any) -> VoiceMeasures:
    return VoiceMeasures(
        route=route,
        system=system,
        outputs=4,
        targets=4,
        mcd=mcd,
        frame_distance=more.pop("frame_distance", 9.0),
        **more,
    )


def comparison(*results: tuple[str, VoiceMeasures], baselines: tuple[VoiceMeasures, ...] = ()) -> Comparison:
    found = tuple(
        MethodResult(
            method=name, paper="", state="done", steps=10, seconds=1.0, translate_s=0.5, parameters=9, voices=(m,)
        )
        for name, m in results
    )
    return Comparison(
        unpaired="0",
        path="runs/compare",
        domains=("a", "b"),
        train_counts=(3, 3),
        budget="2 steps",
        preset="tiny",
        medium="voice",
        size=0,
        batch_size=1,
        seed=0,
        device="cpu",
        pairs=True,
        settings={},
        results=found,
        excluded={},
        baselines=baselines,
    )


FLOOR = (row("do nothing", 10.0), row("affine", 9.0), row("kNN", 8.0), row("real target"))


def test_methods_are_ranked_among_what_needs_no_training() -> None:
    one = comparison(
        ("x", row("converted", 7.5)), ("y", row("converted", 8.5)), ("z", row("converted", 7.6)), baselines=FLOOR
    )
    order = [(p.system, p.rank) for p in comparison_sections.rank_systems(one, "a -> b")]
    assert order == [("x", 1), ("z", 1), ("kNN", None), ("y", 3), ("affine", None), ("do nothing", None)]
    table = comparison_sections.build_direction_table(one, "a -> b")
    assert [cells[1] for cells in table] == ["method", "x", "z", "kNN", "y", "affine", "do nothing", "real target"]
    assert table[0][2] == "MCD" and table[1][2] == "7.50" and table[-1][2] == "-"
    assert [cells[:3] for cells in comparison_sections.build_methods_table(one)[1:4]] == [
        ["1", "x", "7.50"],
        ["1", "z", "7.60"],
        ["3", "y", "8.50"],
    ]
    told = format_comparison(one)
    assert "take x: MCD 7.50 dB (kNN 8.00, affine 9.00, do nothing 10.00). As near within 2%: z." in told
    assert "x is the one to take in every direction" in told


def test_nothing_is_taken_that_is_no_better_than_nearest_frames() -> None:
    one = comparison(("x", row("converted", 7.95)), baselines=FLOOR)
    assert comparison_sections.choose_system(one, "a -> b") is None
    told = dict(comparison_sections.recommend(one))
    assert "kNN, which needs no training, is as near to the target within 2% or nearer" in next(iter(told.values()))
    assert "no trained method is worth taking" in told["In all"]


def test_a_blurred_voice_is_taken_last_and_called_so() -> None:
    flat, clear = row("converted", 6.0, gv_bias=-3.0), row("converted", 7.0, gv_bias=-0.2, similarity=0.8)
    one = comparison(("flat", flat), ("clear", clear), baselines=FLOOR)
    told = comparison_sections.describe_direction(one, "a -> b")
    assert (
        told.startswith("take clear: MCD 7.00 dB, similarity 0.80")
        and "flat is nearer (MCD 6.00 dB), but blurred." in told
    )
    alone = comparison(("flat", flat), baselines=FLOOR)
    assert "take flat" in comparison_sections.describe_direction(
        alone, "a -> b"
    ) and "3.0 dB flatter" in comparison_sections.describe_direction(alone, "a -> b")


def test_lost_words_are_told() -> None:
    def told(wer: float) -> str:
        baselines = (row("do nothing", 10.0, wer=0.125), row("kNN", 7.5, wer=0.5))
        return comparison_sections.describe_direction(
            comparison(("x", row("converted", 6.0, wer=wer)), baselines=baselines), "a -> b"
        )

    assert told(0.5).endswith("But words are lost: of every hundred 50 are misheard, 12 of the sources'.")
    assert "lost" not in told(0.2)


def test_without_parallel_sentences_frames_rank() -> None:
    one = comparison(
        ("x", row("converted", frame_distance=5.0)),
        ("y", row("converted", frame_distance=4.0)),
        baselines=(row("kNN", frame_distance=4.5),),
    )
    assert [p.system for p in comparison_sections.rank_systems(one, "a -> b")] == ["y", "kNN", "x"]
    assert "frame distance 4.0 (kNN 4.5)" in comparison_sections.describe_direction(one, "a -> b")


def test_without_a_floor_the_best_is_taken() -> None:
    one = comparison(("x", row("converted", 7.0)), ("y", row("converted", 8.0)))
    assert comparison_sections.describe_direction(one, "a -> b") == "take x: MCD 7.00 dB."


class Deaf:
    """Hears the same in everything."""

    name = "deaf"

    def __call__(self, wave: Any, sample_rate_hz: int) -> str:
        return "a hum"


def unlike(references: Sequence[str], heard: Sequence[str]) -> ErrorRates:
    """Words that are others at their place; jiwer may not be installed."""
    pairs = [pair for a, b in zip(references, heard, strict=True) for pair in zip(a.split(), b.split(), strict=True)]
    return ErrorRates(sum(a != b for a, b in pairs) / len(pairs), 0.0)


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only judge that is installed."""
    monkeypatch.setattr(measurement, "compute_error_rates", unlike)
    for module in (evaluation, comparison_measures, transcripts):
        monkeypatch.setattr(module, "find_judges", lambda _: Judges(recogniser=Deaf()))


@pytest.fixture
def voices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("unpaired.media.voice.cache._MAX_INLINE_FILES", 1000)  # starting processes takes longer
    for name, hz in (("low", 110.0), ("high", 190.0)):
        speaker(tmp_path / "voices" / name, "train", hz, [0.6] * 4)
        speaker(tmp_path / "voices" / name, "test", hz, [0.6])
    return tmp_path / "voices"


@pytest.mark.usefixtures("deaf")
def test_voices_are_compared_and_heard_on_one_page(
    voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    ask: dict[str, Any] = {
        "methods": ("cyclegan", "unit"),
        "pairs": True,
        "judges": "words",
        "overrides": {"unit": {"mcep_order": 9}},
        "log": heard.append,
        **SHORT,
    }
    found = compare(voices, out=tmp_path / "out", **ask)
    assert {r.method: r.state for r in found.results} == {"cyclegan": "done", "unit": "done"}, heard
    assert found.medium == "voice" and set(found.directions) == {"high -> low", "low -> high"}
    assert {m.system for m in found.baselines} == {"do nothing", "affine", "kNN", "copy-synthesis", "real target"}
    assert all(m.mcd is not None for r in found.results for m in r.voices)
    assert all((r.translate_s or 0) > 0 for r in found.results)
    folder = ComparisonFolder(tmp_path / "out")
    shown = folder.page_file.read_text()
    assert shown.count("<audio") == 2 * 6 and "media-src data:" in shown  # source, two methods, affine, kNN, target
    assert "kNN" in shown and "MCD" in shown and "RECORDINGS" in shown and "mean MCD, dB" in shown
    ranking = json.loads(folder.results_file.read_text())["ranking"]
    assert ranking["measure"] == "mcd" and len(ranking["high -> low"]) == 5
    tests = [read_test(folder.get_run(name)) for name in ("cyclegan", "unit")]
    one, other = (
        [m for m in comparison_measures.select_baselines(test) if m.system == "affine"]
        for test in tests
        if test is not None
    )
    assert len(one) == len(other) == 2 and one != other, "each beside what is made of its own coefficients"
    monkeypatch.setattr(comparison_measures, "evaluate", lambda *_, **__: pytest.fail("measured twice"))
    again = compare(voices, out=tmp_path / "out", **ask)
    assert [r.voices for r in again.results] == [r.voices for r in found.results]
    assert render_page(folder, again).count("<audio") == 12


def test_judges_that_were_not_asked_before_are_asked_and_no_others(
    voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker(voices / "low", "test", 110.0, [0.6, 0.15])  # too short to be measured
    asked: list[tuple[JudgeKind, ...]] = []

    def nobody(kinds: tuple[JudgeKind, ...]) -> Judges:
        asked.append(kinds)
        return Judges(missing={kind: (f"no {kind}",) for kind in kinds})

    monkeypatch.setattr(evaluation, "find_judges", nobody)
    monkeypatch.setattr(comparison_measures, "find_judges", lambda _: Judges())

    compare(voices, out=tmp_path / "out", methods="unit", judges="none", log=lambda _: None, **SHORT)
    assert asked == [()]
    facts = read_run_summary(ComparisonFolder(tmp_path / "out").get_run("unit").path)
    sets = read_file_lists(facts.folder, facts.config).splits
    assert [len(part.test) for part in sets] == [1, 2]

    def again(judges: str) -> tuple[str, ...]:
        asked.clear()
        return (
            comparison_measures.measure_recordings(facts, sets, comparison_measures.JudgeSettings(parse_kinds(judges)))
            .measures[0]
            .missing
        )

    assert again("none") == () and not asked
    assert again("words,speakers") == ("no speakers", "no words") and asked == [("speakers", "words")]
    assert again("words") == ("no speakers", "no words") and not asked
    assert again("all") == ("no speakers", "no words", "no naturalness") and len(asked) == 1
    assert len(again("speakers,naturalness")) == 3 and again("none") and not asked

    found = read_test(facts.folder)
    assert found is not None and comparison_measures.is_current(found, facts, sets)
    assert {m.outputs for m in found.measures if m.system == "converted"} == {1}
    assert comparison_measures.is_current(replace(found, limit=2), facts, sets)  # all that there are
    for other in ({"limit": 1}, {"pairs": True}, {"step": 1}):
        assert not comparison_measures.is_current(replace(found, **other), facts, sets)
    assert not comparison_measures.JudgeSettings(("speakers",)).covers(replace(found, judge_kinds=("words",)))

    monkeypatch.setattr(comparison_measures, "find_judges", lambda _: Judges(recogniser=Deaf()))  # installed since
    assert not comparison_measures.JudgeSettings(("words",)).covers(found) and comparison_measures.JudgeSettings(
        ()
    ).installed_judges == ("deaf",)


@pytest.mark.usefixtures("deaf")
def test_texts_are_of_all_methods_and_what_stands_beside_is_measured_once(
    voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[VoiceEvaluator] = []
    copy = VoiceEvaluator.measure_copy_synthesis

    def counted(self: VoiceEvaluator) -> VoiceMeasures | None:
        copies.append(self)
        return copy(self)

    monkeypatch.setattr(VoiceEvaluator, "measure_copy_synthesis", counted)
    table = tmp_path / "texts.csv"
    table.write_text("file,text\nlow/00,a hum\n")
    ask: dict[str, Any] = {"methods": "cyclegan,unit", "judges": "words", "log": lambda _: None, **SHORT}
    with pytest.raises(UsageError, match="does not say what 1 of 1 recordings of 'high' say"):
        compare(voices, out=tmp_path / "out", texts=table, **ask)
    assert not (tmp_path / "out").exists()
    table.write_text("file,text\nlow/00,a hum\nhigh/00,a hiss\n")

    plain = compare(voices, out=tmp_path / "out", **ask)
    assert [m.wer for r in plain.results for m in r.voices] == [0.0] * 4  # the same is heard of all
    copies.clear()
    found = compare(voices, out=tmp_path / "out", texts=table, **ask)
    assert len(copies) == 2, "of each direction once"
    rates = {(r.method, m.route): m.wer for r in found.results for m in r.voices}
    assert rates == {
        (name, way): wer for name in ("cyclegan", "unit") for way, wer in (("high -> low", 0.5), ("low -> high", 0.0))
    }
    table.write_text(table.read_text().replace("a hiss", "a hum"))
    mended = compare(voices, out=tmp_path / "out", texts=table, **ask)
    assert [m.wer for r in mended.results for m in r.voices] == [0.0] * 4
    monkeypatch.setattr(comparison_measures, "evaluate", lambda *_, **__: pytest.fail("measured twice"))
    compare(voices, out=tmp_path / "out", texts=table.rename(tmp_path / "moved.csv"), **ask)


def test_what_stands_beside_is_known_of_every_direction_that_some_method_went() -> None:
    there, back = row("kNN"), row("kNN", route="b -> a")
    rows = ((there, row("converted"), back), (row("kNN", 9.0), row("converted")))  # the later goes one way alone
    tests = [
        VoiceTest(1, "", "last", "WORLD", True, comparison_measures.MAX_UTTERANCES, (), "", measures, is_own_data=True)
        for measures in rows
    ]
    assert comparison_measures.select_known_baselines(tests, comparison_measures.JudgeSettings(())) == (
        tests[1].measures[0],
        back,
    )
    assert (
        comparison_measures.select_known_baselines([replace(tests[0], limit=1)], comparison_measures.JudgeSettings(()))
        == ()
    )


def test_what_voices_cannot_be_compared_by(voices: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="gan does not learn from recordings: its only content constraint is a shallow generator"
    ):
        compare(voices, out=tmp_path / "out", methods="gan", **SHORT)
    with pytest.raises(UsageError, match="--audit: for pictures only"):
        compare(voices, out=tmp_path / "out", methods="unit", audit=True, **SHORT)
    with pytest.raises(UsageError, match="'size': for pictures only"):
        compare(voices, out=tmp_path / "out", methods="unit", size=64, **SHORT)
    with pytest.raises(UsageError, match="--texts: words are heard by a judge; ask it too: --judges words"):
        compare(voices, out=tmp_path / "out", methods="unit", judges="none", texts=tmp_path / "t.csv", **SHORT)
