from __future__ import annotations

from pathlib import Path

from unpaired.data.attributes import discover_labelled_data
from unpaired.data.split import split_files


def test_files_without_a_row_and_rows_without_a_file_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(14):
        (folder / f"{i:02}.png").write_bytes(b"12345")
    rows = "".join(f"{i:02}.png,{i % 2}\n" for i in range(8))
    (tmp_path / "faces.csv").write_text(f"file,blond\n{rows}99.png,1\n")
    (files,), _, _ = discover_labelled_data([folder], ["blond"])
    assert len(files.train) == 8
    assert "6 of 14 files without a row" in files.note and "08.png" in files.note and "99.png" in files.note
    splits = split_files(files, 0, 0)
    assert (len(splits.train), len(splits.skipped)) == (8, 6)
