"""History files: adding, reading and rewinding."""

from __future__ import annotations

from pathlib import Path

from unpaired.runs.history import History


def test_lines_are_read_by_kind_in_order(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    assert history.read() == []
    history.add("losses", 1, losses={"a": 0.5}, spent_s=1)
    history.add("notice", 2, message="é")
    history.add("losses", 3, losses={"a": 0.25}, spent_s=2)
    assert [line["step"] for line in history.read()] == [1, 2, 3]
    assert history.read("notice") == [{"kind": "notice", "step": 2, "message": "é"}]


def test_incomplete_line_is_skipped(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.add("mark", 1)
    with history.path.open("a") as file:
        file.write('{"kind": "lo')
    assert [line["step"] for line in history.read()] == [1]


def test_rewind_removes_later_lines(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for step in (1, 2, 3):
        history.add("mark", step)
    history.rewind(2)
    assert [line["step"] for line in history.read()] == [1, 2]
    assert [p.name for p in tmp_path.iterdir()] == ["history.jsonl"]


def test_rewind_removes_repeated_kinds_of_the_last_step(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for step in (1, 2, 3):
        history.add("mark", step)
        history.add("repeated", step)
    history.rewind(2, ("repeated",))
    assert [(line["kind"], line["step"]) for line in history.read()] == [("mark", 1), ("repeated", 1), ("mark", 2)]


def test_records_without_their_fields_are_skipped(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.add("losses", 1, losses={}, spent_s="x")
    history.add("evaluation", 1, metric="kid")
    history.add("samples", 1, route="a-b")
    history.add("notice", 1, message=None)
    history.add("evaluation", 2, metric="kid", value=None)
    assert [line["step"] for line in history.read()] == [2]
