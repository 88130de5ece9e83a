from __future__ import annotations

from pathlib import Path

from unpaired.runs.history import History


def test_lines_come_back_by_kind_and_in_order(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    assert history.read() == []
    history.add("terms", 1, terms={"a": 0.5})
    history.add("notice", 2, words="é")
    history.add("terms", 3, terms={"a": 0.25})
    assert [line["step"] for line in history.read()] == [1, 2, 3]
    assert history.read("notice") == [{"kind": "notice", "step": 2, "words": "é"}]


def test_a_line_cut_short_is_passed_over(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.add("terms", 1)
    with history.path.open("a") as file:
        file.write('{"kind": "te')
    assert [line["step"] for line in history.read()] == [1]


def test_rewinding_forgets_what_came_after(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for step in (1, 2, 3):
        history.add("losses", step)
    history.rewind(2)
    assert [line["step"] for line in history.read()] == [1, 2]
    assert [p.name for p in tmp_path.iterdir()] == ["history.jsonl"]
