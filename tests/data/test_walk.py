from __future__ import annotations

from pathlib import Path

import pytest

from unpaired.data.folders import discover
from unpaired.data.walk import SkippedFiles, explain_suffix, walk_files
from unpaired.errors import WorkError


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")
    return root


def walk(root: Path) -> tuple[list[str], SkippedFiles]:
    skipped = SkippedFiles()
    return [name for name, _, _ in walk_files(root, skipped, lambda *_: None)], skipped


def test_every_file_is_listed_or_counted_with_its_reason(tmp_path: Path) -> None:
    root = tree(
        tmp_path / "a",
        "1.png",
        "2.jfif",
        "3.PSD",
        "notes.txt",
        "noending",
        ".hidden.png",
        ".git/x.png",
        "@eaDir/1.png/SYNOPHOTO_THUMB_M.png",
        "sub/#recycle/4.png",
        "run/config.yaml",
        "run/history.jsonl",
        "run/5.png",
        "made/.unpaired.sqlite",
        "made/6.png",
    )
    (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "sub" / "loop").symlink_to(root)
    tree(tmp_path / "elsewhere", "7.png")
    (root / "out").symlink_to(tmp_path / "elsewhere")
    names, skipped = walk(root)
    assert names == ["1.png", "2.jfif", "out/7.png"]
    assert skipped.other_suffixes == {".psd": 1, ".txt": 1, "": 1} and skipped.ignored == 3
    assert skipped.hidden_files == [".hidden.png"] and skipped.hidden_folders == [".git"]
    assert skipped.system_folders == ["@eaDir", "sub/#recycle"]
    assert sorted(skipped.artifacts) == ["made", "run"]
    assert skipped.broken == ["gone.png"] and skipped.repeated == ["sub/loop"] and skipped.outside == ["out"]
    text = "\n".join(skipped.describe())
    for fact in (".psd 1", "export PSD", "@eaDir", "made", "gone.png", "sub/loop", ".hidden.png", ".git", "out"):
        assert fact in text


def test_thumbnails_and_other_kinds_are_in_the_note_of_a_domain(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "a/@eaDir/1.png/SYNOPHOTO_THUMB_M.png", "a/2.psd", "b/1.png", "@eaDir/x.png")
    a, b = discover([tmp_path])
    assert len(a.train) == 1 and a.ignored == 1 and b.note == ""
    assert "@eaDir" in a.note and ".psd 1" in a.note


def test_a_domain_of_files_that_are_not_read_says_how_to_convert_them(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.wav", "b/1.m4a", "b/2.m4a")
    with pytest.raises(WorkError, match=r"\.m4a 2.*ffmpeg"):
        discover([tmp_path])
    assert explain_suffix(".M4A") and not explain_suffix(".xyz")


def test_kinds_of_a_domain_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "a/2.JFIF", "a/3.jfif", "b/1.png")
    a, b = discover([tmp_path])
    assert ".jfif 2" in a.describe_kinds() and ".png 1" in a.describe_kinds() and b.describe_kinds() == ""
