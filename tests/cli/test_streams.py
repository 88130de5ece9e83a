"""Closed, broken and full output streams, limited encodings, system errors and `unpaired doctor`."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unpaired.cli import COMMANDS
from unpaired.cli.main import main

COMMAND = [sys.executable, "-m", "unpaired"]


def run_command(*words: str, redirect: str = "", **environment: str) -> tuple[int, bytes, bytes]:
    """Run a command in a shell with a redirection; return the exit code and both outputs."""
    done = subprocess.run(
        ["sh", "-c", f'"$@" {redirect}', "sh", *COMMAND, *words],
        capture_output=True,
        check=False,
        env=os.environ | environment,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_characters_outside_the_encoding_are_escaped(encoding: str, discs: Path, tmp_path: Path) -> None:
    data = tmp_path / "データ"
    discs.rename(data)
    (data / "red").rename(data / "赤")
    code, out, err = run_command("check", str(data / "赤"), str(data / "blue"), PYTHONIOENCODING=encoding)
    assert code == 0 and b"Traceback" not in err
    assert ("赤" if encoding == "utf-8" else "\\u8d64").encode() in out


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
@pytest.mark.parametrize(("redirect", "code"), [(">&-", 0), (">&- 2>&-", 0), ("| true", 0), ("2>&1 | head -c 1", 0)])
def test_closed_or_broken_output_exits_with_0(redirect: str, code: int, discs: Path) -> None:
    found, _, err = run_command("check", str(discs), redirect=redirect)
    assert found == code and b"Traceback" not in err and b"Exception ignored" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_full_output_exits_with_1(discs: Path) -> None:
    code, _, err = run_command("check", str(discs), redirect="> /dev/full")
    assert code == 1 and b"standard output" in err
    assert b"Traceback" not in err and b"Exception ignored" not in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: No space left on device"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"), "a -> b: Invalid cross-device link"),
        (OSError("no number"), "no number"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_system_errors_are_printed_in_one_line(
    error: BaseException, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setitem(COMMANDS, "methods", fail)
    assert main(["methods"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f"unpaired: {message}") and printed.count("\n") == 1


def test_doctor_prints_versions_threads_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("torch", "python", "OMP_NUM_THREADS", "cores", str(tmp_path), "fp32", "ms"))
    assert "voice" in shown and not list(tmp_path.iterdir())


def test_doctor_fails_where_nothing_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--out", str(tmp_path / "missing")]) == 1
    assert any(
        line.startswith("WRONG") and str(tmp_path / "missing") in line for line in capsys.readouterr().out.splitlines()
    )
