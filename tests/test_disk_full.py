"""A full disk stops commands with one line, damages nothing, and they continue; `benchmarks/disk_full.py` tries all."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from benchmarks.commands import import_everything, make_images, own_cache, run_command
from benchmarks.disk_full import TRAIN_FLAGS, list_damaged, make_cases, mounted_disk, try_command
from unpaired.errors import WorkError
from unpaired.media.voice.audio_io import write
from unpaired.runs.history import History

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def test_a_full_file_system_during_training_and_translation(tmp_path: Path) -> None:
    import_everything()
    with own_cache(tmp_path):
        cases = make_cases(tmp_path, tmp_path / "log", with_voices=False)
        try:
            with mounted_disk(tmp_path / "disk") as disk:
                reports = [
                    try_command(cases["train"], disk, tmp_path / "log", every_file=11, every_page=250),
                    try_command(cases["translate"], disk, tmp_path / "log", every_file=8, every_page=8),
                ]
        except (PermissionError, FileNotFoundError) as error:
            pytest.skip(str(error))
    assert [fault for report in reports for fault in report.faults] == []
    assert all(report.failures["files"] and report.failures["pages"] for report in reports)


def test_a_limit_of_file_sizes_during_training(tmp_path: Path) -> None:
    """No file may have more than 4 kB, so that the first large one fails in the middle."""

    def limit_file_size() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    import_everything()
    arguments = ["train", *make_images(tmp_path), "--out", tmp_path / "run", *TRAIN_FLAGS, "--size", "16"]
    result = run_command(*arguments, log=tmp_path / "log", prepare=limit_file_size)
    assert result.find_fault((1,)) == ""
    assert str(tmp_path / "run") in result.output.splitlines()[-1]
    assert list(list_damaged(tmp_path / "run")) == []


def test_an_incomplete_line_of_the_history_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path / "history.jsonl")
    history.add("notice", 1, message="a")
    before = history.path.read_bytes()
    before_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, before_limits[1]))
    try:
        with pytest.raises(OSError, match=r"history\.jsonl"):
            history.add("notice", 2, message="b" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before_limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert history.path.read_bytes() == before


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".aiff", ".caf"])
def test_a_recording_that_does_not_fit_is_an_error(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 100_000).astype(np.float32)
    before_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before_limits[1]))
    try:
        with pytest.raises(WorkError, match="File too large"):
            write(tmp_path / f"a{suffix}", noise, 16000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before_limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not any(tmp_path.iterdir())
