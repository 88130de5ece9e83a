from __future__ import annotations

from pathlib import Path

import pytest

from unpaired.data.file_lists import read_file_names
from unpaired.data.folders import discover, rediscover
from unpaired.data.split import read_file_list, split_files, write_file_list
from unpaired.errors import UsageError, WorkError


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")
    return root


def test_lines_are_relative_to_the_list_or_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "lists/1.png", "here/2.png", "here/sub/3.png")
    path = tmp_path / "lists" / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf1.png\r\n\n2.png\nsub\nnone.png\n1.png\n")
    monkeypatch.chdir(tmp_path / "here")
    found = read_file_names(path)
    assert [entry.name for entry in found.entries] == ["1.png", "2.png", "sub"] and found.missing == ("none.png",)
    assert found.common_folder == tmp_path


def test_read_file_names_raises_errors_for_missing_empty_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.txt"):
        read_file_names(tmp_path / "none.txt")
    for content in (b"", b"\x89PNG\0\0", b"x.png\n"):
        (tmp_path / "a.txt").write_bytes(content)
        with pytest.raises(WorkError, match=r"a\.txt"):
            read_file_names(tmp_path / "a.txt")


def test_discover_accepts_file_lists_as_domains(tmp_path: Path) -> None:
    tree(tmp_path, *(f"all/{i:02}.png" for i in range(24)), "all/deep/1.png", "x.psd")
    (tmp_path / "cats.txt").write_text("".join(f"all/{i:02}.png\n" for i in range(12)) + "x.psd\ngone.png\n")
    (tmp_path / "dogs.txt").write_text("".join(f"all/{i:02}.png\n" for i in range(12, 24)) + "all/deep\n")
    cats, dogs = discover([tmp_path / "cats.txt", tmp_path / "dogs.txt"])
    assert (cats.name, len(cats.train), cats.ignored) == ("cats", 12, 1)
    assert ".psd 1" in cats.note and "gone.png" in cats.note
    assert list(dogs.train)[-1] == "all/deep/1.png" and dogs.train.get_path(0).is_file()
    assert cats.sources == (str(tmp_path / "cats.txt"),)
    assert list(rediscover("cats", cats.sources).train) == list(cats.train)
    splits = split_files(cats, 0.1, 0)
    write_file_list(tmp_path / "cats.tsv", splits)
    back = read_file_list(tmp_path / "cats.tsv", "cats", cats.sources)
    assert list(back.train) == list(splits.train) and back.train.get_path(0).is_file()
    with pytest.raises(UsageError, match="second list"):
        discover([tmp_path / "cats.txt"])
