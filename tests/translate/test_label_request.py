from __future__ import annotations

import math
from pathlib import Path

import pytest
from label_worlds import LABELS, make_labelled_config

from unpaired.errors import UsageError
from unpaired.translate.label_request import LabelRequest, parse_label_request

NAN = math.nan


def asked(to: str, source: str | None = None, table: Path | None = None) -> LabelRequest:
    return parse_label_request(make_labelled_config(), LABELS, to, source, table)


def same(found: tuple[float, ...], *expected: float) -> None:
    assert found == pytest.approx(expected, nan_ok=True)


def test_value_changes_only_its_group() -> None:
    same(asked("blond").label, 0, 1, 0, NAN)
    same(asked("no-glasses").label, NAN, NAN, NAN, 0)
    same(asked("brown, glasses").label, 0, 0, 1, 1)


def test_amount_interpolates_from_the_other_value() -> None:
    same(asked("glasses=0.7").label, NAN, NAN, NAN, 0.7)
    same(asked("no-glasses=0.7").label, NAN, NAN, NAN, 0.3)
    same(asked("blond=0.7", source="black").label, 0.3, 0.7, 0, NAN)
    same(asked("blond=1.5", source="black").label, -0.5, 1.5, 0, NAN)


@pytest.mark.parametrize(
    ("to", "source", "words"),
    [
        ("blond,brown", None, "exclude each other"),
        ("blond=0.7", None, "--from DOMAIN"),
        ("blond=0.7", "glasses", "not one of black"),
        ("blond=much", None, "'much'; expected a number"),
        ("red", None, "domains: black"),
        ("blond=0.5", "green", "domains: black"),
    ],
)
def test_invalid_label_request_raises_usage_error(to: str, source: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        asked(to, source)


def test_known_labels_stay_unless_requested(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,black,blond,brown,glasses\nin/a.png,1,0,0,1\n")
    wish = asked("blond", table=table)
    same(wish.get_target_label(Path("elsewhere/a.png")), 0, 1, 0, 1)
    same(wish.get_target_label(Path("b.png")), 0, 1, 0, NAN)
    assert wish.digest != asked("blond").digest


def test_table_rows_match_paths_and_file_names(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("file,glasses\none/a.png,1\ntwo/a.png,0\nb.png,1\nc.png,\n")
    wish = asked("blond", table=table)
    same(wish.get_target_label(Path("in/one/a.png")), 0, 1, 0, 1)
    same(wish.get_target_label(Path("in/two/a.png")), 0, 1, 0, 0)
    same(wish.get_target_label(Path("in/a.png")), 0, 1, 0, NAN)
    same(wish.get_target_label(Path("in/b.webp")), 0, 1, 0, 1)
    same(wish.get_target_label(Path("in/c.png")), 0, 1, 0, NAN)
    assert wish.check_inputs([Path("in/b.png"), Path("in/one/a.png")]) == []
    (note,) = wish.check_inputs([Path("in/b.png"), Path("in/x.png"), Path("in/y.png")])
    assert "no row for 2 of 3 inputs, for instance in/x.png" in note
    with pytest.raises(
        UsageError, match=r"labels\.csv: has no row for any of the inputs, for instance x\.png; expected"
    ):
        wish.check_inputs([Path("x.png"), Path("y.png")])
    assert asked("blond").check_inputs([Path("x.png")]) == []
    table.write_text("file,smiling\nb.png,1\n")
    with pytest.raises(UsageError, match="has none of this run's labels: black, blond, brown, glasses, no-glasses"):
        asked("blond", table=table)
    with pytest.raises(UsageError, match="no such file"):
        asked("blond", table=tmp_path / "none.csv")
    same(asked(" blond , glasses = 0.7").label, 0, 1, 0, 0.7)
