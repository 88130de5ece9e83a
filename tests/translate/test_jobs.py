from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from unpaired.data.file_lists import read_file_names
from unpaired.errors import UsageError
from unpaired.media import MEDIA
from unpaired.translate.jobs import TranslationJobs, ignores_case

IMAGE = MEDIA["image"]


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")
    return root


def outputs(jobs: TranslationJobs) -> list[str]:
    return [str(job.output.relative_to(jobs.out)) for job in jobs]


def test_runs_and_translations_are_skipped_with_a_note(tmp_path: Path) -> None:
    root = tree(
        tmp_path / "in",
        "1.png",
        "2.PSD",
        "runs/a-b/config.yaml",
        "runs/a-b/history.jsonl",
        "runs/a-b/samples/1.png",
        "translated-b/.unpaired.sqlite",
        "translated-b/1.png",
        "@eaDir/1.png",
        "sound.wav",
    )
    jobs = TranslationJobs([root], root / "translated-a", IMAGE)
    assert outputs(jobs) == ["1.png"]
    text = "\n".join(jobs.notes)
    for fact in (".psd 1", ".wav 1", "runs/a-b", "translated-b", "@eaDir"):
        assert fact in text
    assert outputs(TranslationJobs([root / "translated-b"], tmp_path / "out", IMAGE)) == ["1.png"]  # given explicitly


def test_a_list_of_inputs(tmp_path: Path) -> None:
    tree(tmp_path, "x/1.png", "x/deep/1.png", "y/1.png", "y/talk.m4a", "z/2.png")
    (tmp_path / "list.txt").write_text("x/1.png\nx/deep/1.png\nx/../y/1.png\nz\ny/talk.m4a\nx/none.png\n")
    jobs = TranslationJobs([], tmp_path / "out", IMAGE, file_list=read_file_names(tmp_path / "list.txt"))
    assert outputs(jobs) == ["x/1.png", "x/deep/1.png", "y/1.png", "z/2.png"]
    failed = {path.name: reason for path, reason in jobs.unlisted}
    assert set(failed) == {"talk.m4a", "none.png"} and "ffmpeg" in failed["talk.m4a"]
    (tmp_path / "up.txt").write_text(f"../{tmp_path.name}/x/1.png\n{tmp_path}/y/1.png\n")
    up = TranslationJobs([], tmp_path / "out", IMAGE, file_list=read_file_names(tmp_path / "up.txt"))
    assert outputs(up) == ["x/1.png", "y/1.png"]


def test_unsupported_format_raises_usage_error(tmp_path: Path) -> None:
    tree(tmp_path, "1.psd")
    with pytest.raises(UsageError, match="export PSD"):
        TranslationJobs([tmp_path / "1.psd"], tmp_path / "out", IMAGE)


def test_database_is_closed_with_the_last_reference(tmp_path: Path) -> None:
    jobs = TranslationJobs([tree(tmp_path / "in", "1.png")], tmp_path / "out", IMAGE)
    database = jobs._database
    del jobs
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")


def test_outputs_that_differ_in_case_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "x/A.png", "y/a.png")
    inputs = [tmp_path / "x" / "A.png", tmp_path / "y" / "a.png"]
    if not ignores_case(tmp_path):
        assert outputs(TranslationJobs(inputs, tmp_path / "out", IMAGE)) == ["A.png", "a.png"]
    monkeypatch.setattr("unpaired.translate.jobs.ignores_case", lambda _: True)
    with pytest.raises(UsageError, match=r"A\.png.*a\.png"):
        TranslationJobs(inputs, tmp_path / "out", IMAGE)
    assert len(TranslationJobs(inputs[:1], tmp_path / "out", IMAGE)) == 1


def test_a_missing_input_is_named_with_the_most_similar_one(tmp_path: Path) -> None:
    tree(tmp_path, "photos/1.png")
    with pytest.raises(UsageError, match=rf"{tmp_path}/photo: .*'{tmp_path}/photos'"):
        TranslationJobs([tmp_path / "photo"], tmp_path / "out", IMAGE)
