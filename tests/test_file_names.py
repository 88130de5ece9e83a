"""Shortening and normalization of file names."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from unpaired.file_names import MAX_NAME_BYTES, normalize_name, shorten_name, suggest_path


@pytest.mark.parametrize(
    "name", ["a.png", "x" * 300 + ".png", "日" * 200 + ".tsv", "😀" * 100, "é" * 200 + "." + "y" * 40, "." + "z" * 400]
)
def test_long_names_are_shortened_and_remain_distinct(name: str) -> None:
    short = shorten_name(name)
    assert len(os.fsencode(short)) <= MAX_NAME_BYTES
    assert short == shorten_name(name) and short.encode().decode() == short  # no split character
    assert (short == name) == (len(os.fsencode(name)) <= MAX_NAME_BYTES)
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        assert short != shorten_name("!" + name)


def test_suffix_is_kept_and_undecodable_bytes_are_accepted() -> None:
    assert shorten_name("x" * 300 + ".labels.csv").endswith(".csv")
    undecodable = os.fsdecode(b"\xff" * 300)
    assert len(os.fsencode(shorten_name(undecodable))) <= MAX_NAME_BYTES


def test_unicode_normal_forms_are_equal() -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != decomposed and normalize_name(decomposed) == normalize_name(composed)


def test_the_most_similar_existing_path_is_suggested(tmp_path: Path) -> None:
    for name in ("Photos/train", "paintings"):
        (tmp_path / name).mkdir(parents=True)
    assert f"'{tmp_path / 'Photos'}'" in suggest_path(tmp_path / "photo")
    assert f"'{tmp_path / 'Photos' / 'train'}'" in suggest_path(tmp_path / "photso" / "train")
    assert suggest_path(tmp_path / "photso" / "test") == ""  # the suggestion would not exist either
    assert suggest_path(tmp_path / "xyz") == ""
    assert suggest_path(Path("/")) == ""


def test_a_name_that_a_shell_split_at_a_space_is_suggested_whole(tmp_path: Path) -> None:
    (tmp_path / "My photos (2024)").mkdir()
    suggestion = suggest_path(tmp_path / "my")
    assert f"'{tmp_path / 'My photos (2024)'}'" in suggestion and "quotes" in suggestion
    assert suggest_path(tmp_path / "my" / "train") == ""
    (tmp_path / "My videos").mkdir()
    assert suggest_path(tmp_path / "my") == ""  # either could be meant
