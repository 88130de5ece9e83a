"""Damaged files are read or refused by name; `benchmarks/fuzz.py` tries more files."""

from __future__ import annotations

from pathlib import Path

from benchmarks.damage import damage_files, make_pictures, make_recordings
from benchmarks.damage_texts import edit_files, make_settings, make_tables
from benchmarks.fuzz import fuzz, read_label_table, read_picture, read_recording, read_settings_file


def test_damaged_pictures(tmp_path: Path) -> None:
    result = fuzz(damage_files(make_pictures(), 216, seed=0), read_picture, tmp_path)
    assert result.faults == [] and result.outcomes["read"] > 20 and result.outcomes["refused"] > 20


def test_damaged_recordings(tmp_path: Path) -> None:
    result = fuzz(damage_files(make_recordings(), 180, seed=0), read_recording, tmp_path)
    assert result.faults == [] and result.outcomes["read"] > 20 and result.outcomes["refused"] > 20


def test_valid_files_are_read(tmp_path: Path) -> None:
    for files, reader in ((make_pictures(), read_picture), (make_recordings(), read_recording)):
        assert fuzz(list(files.items()), reader, tmp_path).outcomes == {"read": len(files)}


def test_hostile_settings_files(tmp_path: Path) -> None:
    result = fuzz(edit_files(make_settings(), 150, seed=0), read_settings_file, tmp_path)
    assert result.faults == [] and result.outcomes["read"] > 4 and result.outcomes["refused"] > 20


def test_hostile_tables(tmp_path: Path) -> None:
    files = {name: content for name, content in make_tables().items() if len(content) < 1_000_000}
    result = fuzz(edit_files(files, 150, seed=0), read_label_table, tmp_path)
    assert result.faults == [] and result.outcomes["read"] > 4 and result.outcomes["refused"] > 20
