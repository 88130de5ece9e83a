"""Properties of the parsers of tables, lists and names: any input is read back, or refused with the file's name."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from unpaired.data.file_lists import read_file_names
from unpaired.data.label_table import read_table
from unpaired.data.layouts import parse_split_name
from unpaired.data.paths import Paths
from unpaired.data.split import DomainSplits, read_file_list, write_file_list
from unpaired.errors import WorkError
from unpaired.file_names import MAX_NAME_BYTES, shorten_name
from unpaired.media.image.pipeline import ImagePipeline
from unpaired.media.voice.pipeline import VoicePipeline

NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=300).filter(
    lambda n: n not in (".", "..")
)
"""File names as a file system allows them, apart from their length."""
CELLS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\ufeff"), max_size=8
)


def encode_lines(lines: list[str]) -> bytes:
    return "\n".join(lines).encode()


def write(content: bytes, folder: str, name: str) -> Path:
    path = Path(folder) / name
    path.write_bytes(content)
    return path


@given(
    st.dictionaries(CELLS.filter(bool), st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    st.lists(CELLS.filter(bool), min_size=2, max_size=2, unique=True),
)
def test_tables_are_read_as_written(rows: dict[str, tuple[str, str]], columns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["file", *columns], *([name, *cells] for name, cells in rows.items())])
        table = read_table(path)
    assert table.columns == tuple(columns)
    assert table.cells_by_name == rows


@given(st.binary(max_size=200) | st.text('a,;\t"\r\n01\0', max_size=60).map(str.encode))
def test_tables_of_any_content_are_read_or_refused_by_name(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            table = read_table(write(content, folder, "labels.csv"))
        except WorkError as error:
            assert "labels.csv" in str(error)
        else:
            assert all(len(cells) == len(table.columns) for cells in table.cells_by_name.values())


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from(["a.png", "b.png", "none", "", " "]), max_size=6).map(encode_lines)
)
def test_lists_name_every_line_once(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.png", "b.png"):
            write(b"", folder, name)
        lines = {os.fsdecode(line) for line in content.replace(b"\r", b"").removeprefix(b"\xef\xbb\xbf").split(b"\n")}
        try:
            found = read_file_names(write(content, folder, "list.txt"))
        except WorkError as error:
            assert "list.txt" in str(error)
            return
        assert all(entry.exists() for entry in found.entries)
        if b"\r" not in content:
            assert set(found.missing) <= lines
            assert len(found.missing) + len(found.entries) <= len(content.split(b"\n"))


@given(st.lists(st.tuples(NAMES, st.integers(0, 2**40)), max_size=5, unique_by=lambda pair: pair[0]))
def test_lists_of_a_run_are_read_as_written(files: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, path = Path(folder), Path(folder) / "files.tsv"
        train, nothing = Paths.from_files(root, files), Paths.from_files(root, ())
        write_file_list(path, DomainSplits("a", train, nothing, train, nothing, nothing, has_test_folder=False))
        splits = read_file_list(path, "a", (folder,))
    assert list(splits.train) == list(splits.test) == [name for name, _ in files]
    np.testing.assert_array_equal(splits.train.sizes, [size for _, size in files])


@given(st.binary(max_size=200).map(b"set\tbytes\tname\n".__add__))
def test_damaged_lists_of_a_run_raise_work_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            read_file_list(write(content, folder, "files.tsv"), "a", (folder,))
        except WorkError as error:
            assert "files.tsv" in str(error)


@given(NAMES)
def test_shortened_names_fit_and_keep_their_suffix(name: str) -> None:
    short = shorten_name(name)
    assert len(os.fsencode(short)) <= MAX_NAME_BYTES and "/" not in short
    assert short == shorten_name(name) and shorten_name(short) == short
    if len(os.fsencode(name)) <= MAX_NAME_BYTES:
        assert short == name


@given(NAMES, st.sampled_from([".png", ".gif", ".JPG", ".wav", ".mp3", ".Flac", ""]))
def test_outputs_are_single_names_in_a_format_that_is_written(stem: str, suffix: str) -> None:
    name = stem + suffix
    for pipeline in (ImagePipeline, VoicePipeline):
        output = pipeline.make_output_name(None, name)  # type: ignore[arg-type]
        assert output not in ("", ".", "..") and "/" not in output
        assert pipeline.make_output_name(None, output) == output  # type: ignore[arg-type]


@given(st.text(max_size=30))
def test_names_of_splits_are_parsed_or_not(name: str) -> None:
    parsed = parse_split_name(name)
    assert parsed is None or (parsed[1] and parsed[1] in name)
