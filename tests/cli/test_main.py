"""Command line: results, exit codes, and error messages without a traceback."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from conftest import TINY
from PIL import Image

from unpaired import __version__
from unpaired.cli import COMMANDS
from unpaired.cli.main import main
from unpaired.console import create_error_console, progress_bar
from unpaired.errors import WorkError
from unpaired.methods import METHODS

FLAGS = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def run(discs: Path, tmp_path: Path, without_features: None) -> Path:
    out = tmp_path / "run"
    assert main(["train", str(discs), "--steps", "2", "--out", str(out), *FLAGS]) == 0
    return out


def test_train_translate_evaluate(
    run: Path, discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert main(["translate", str(run), str(discs / "red"), "--to", "blue", "--out", str(out)]) == 0
    assert "Translated 12 files" in capsys.readouterr().out
    with Image.open(out / "003.png") as picture:
        assert picture.size == (20, 18)
    assert main(["translate", str(run), str(discs / "red"), "--to", "blue", "--out", str(out)]) == 0
    assert "Skipped 12 up to date" in capsys.readouterr().out
    assert main(["evaluate", str(run)]) == 0
    shown = capsys.readouterr().out
    assert "red -> blue" in shown
    assert "pip install" in shown
    assert (run / "evaluation.json").is_file()
    monkeypatch.chdir(tmp_path)
    assert main(["translate", str(run), str(discs / "blue" / "000.png"), "--to", "red"]) == 0
    assert (tmp_path / "translated-red" / "000.png").is_file()


def test_unreadable_file_is_reported_and_others_are_translated(
    run: Path, discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (discs / "red" / "bad.png").write_bytes(b"no picture")
    assert main(["translate", str(run), str(discs / "red"), "--to", "blue", "--out", str(tmp_path / "out")]) == 1
    output = capsys.readouterr()
    assert "Translated 12 files" in output.out
    assert "bad.png" in output.err


def test_resume_by_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", str(run), "--steps", "3"]) == 0
    assert "the schedule follows it" in capsys.readouterr().err
    assert main(["train", "--resume", str(run), "--steps", "5", "--batch-size", "4"]) == 2
    assert "--batch-size" in capsys.readouterr().err
    assert main(["train", "elsewhere", "--resume", str(run)]) == 2


def test_a_damaged_model_is_refused(run: Path, discs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = run / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-10])
    assert main(["translate", str(run), str(discs / "red"), "--to", "blue"]) == 1
    assert "damaged or truncated" in capsys.readouterr().err
    (run / "config.yaml").write_text("format: 99")
    assert main(["translate", str(run), str(discs / "red"), "--to", "blue"]) == 1
    assert "format 99" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "did you mean 'train'"),
        (["report", "DATA"], "did you mean 'evaluate'"),
        (["methods", "cyclegan"], "cyclegan: unexpected argument"),
        (["evaluate"], "required: RUN;"),
        (["audit"], "required: RUN;"),
        (["train", "DATA", "--widht", "3"], "did you mean '--width'"),
        (["train", "DATA", "--depth", "4"], "--depth is a setting of gan, discogan; cyclegan has: --"),
        (["train", "DATA", "--method", "cut", "--no-one-way"], "--no-one-way is a setting of cyclegan; cut has: --"),
        (["train", "--resume", "DATA", "--depth", "4"], "--depth: a resumed run keeps its value"),
        (
            ["compare", "DATA", "--depth", "4"],
            "--depth is a setting of gan, discogan; to set it: --set gan.depth=VALUE",
        ),
        (["compare", "DATA", "--teacher", "RUN"], "--teacher: a comparison gives all methods the same data and budget"),
        (["compare", "DATA", "--set", "xgan.teacher=RUN"], "--set xgan.teacher=RUN: a comparison gives all"),
        (["compare", "DATA", "--auto-depth"], "--auto-depth: trains several runs"),
        (["train", "DATA", "--method", "cyclegam"], "did you mean 'cyclegan'"),
        (["train", "DATA", "--preset", "huge"], "tiny, small, paper"),
        (["train", "DATA", "--size", "big"], "given 'big'"),
        (["train", "DATA", "--steps", "5", "--minutes", "1"], "both steps and minutes"),
        (["train", "DATA", "--device", "tpu"], "device 'tpu'"),
        (["train", "DATA", "--precision", "fp16-mixed", "--device", "cpu"], "needs a CUDA device"),
        (["train", "DATA", "--batch-size", "3", "--grad-accumulation", "2"], "must be a multiple"),
        (["train", "DATA", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["train", "DATA", "--method", "gan", "--depth", "99"], "depth 99"),
        (["train", "DATA", "--size", "18"], "need a multiple of 4; try --size 16 or 20"),
        (["train", "DATA", "--size", "30", "--method", "gan"], "need a multiple of 8; try --size 24 or 32"),
        (["train", "DATA", "--lr", "-1"], "'lr': given '-1'"),
        (["train", "DATA", "--lr", "nan"], "finite"),
        (["train", "DATA", "--pool-size", "-4"], "'pool_size': given '-4'"),
        (["train", "DATA", "--seed", "99999999999999999999"], "'seed'"),
        (["train", "DATA", "--steps", "1" + "0" * 400], "'steps'"),
        (["train", "DATA", "--minutes", "1e300"], "'minutes'"),
        (["train", "DATA", "--batch-size", "1000000000"], "'batch_size'"),
        (["train", "DATA", "--device", "meta"], "training runs on cpu, cuda or mps"),
        (["train", "DATA", "--config"], "expected one argument"),
        (["train", "DATA", "--pairs"], "--pairs: the test items"),
        (["train"], "no data given"),
        (["train", "nowhere/", "nothing/"], "does not exist"),
        (["train", "--resume", "nowhere/"], "not a run"),
        (["translate", "nowhere/", "x.png"], "no such folder"),
        (["translate"], "required: RUN;"),
        (["evaluate", "DATA"], "not a run"),
        (["evaluate", "DATA", "--judges", "speaker"], "not a run"),
        (["compare", "DATA", "--judges", "all,words"], "--judges: for recordings only"),
        (["compare", "DATA", "--no-judges"], "--no-judges"),
        (["check", "nowhere/"], "does not exist"),
        (["methods", "--al"], "--al"),
    ],
)
def test_wrong_usage_exits_with_2_and_an_explanation(
    words: list[str], message: str, discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--pairs" in words:
        for path in (discs / "red").iterdir():
            path.rename(path.with_name(f"red{path.name}"))
    assert main([str(discs) if word == "DATA" else word for word in words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "unpaired: " in err


@pytest.mark.parametrize("is_reported", [False, True])
def test_error_reported_by_another_process_is_not_printed(
    is_reported: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        error = WorkError("lost")
        error.is_reported_elsewhere = is_reported
        raise error

    monkeypatch.setitem(COMMANDS, "methods", fail)
    assert main(["methods"]) == 1
    assert capsys.readouterr().err == ("" if is_reported else "unpaired: lost\n")


def test_usage_error_appears_without_a_progress_bar(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["audit", str(run), "--limit", "1"]) == 2
    assert capsys.readouterr().err == "unpaired: --limit 1: expected 2 or more\n"
    assert main(["translate", str(run), "nowhere/", "--to", "blue"]) == 2
    assert capsys.readouterr().err == "unpaired: nowhere: no such file or folder\n"


def test_a_bar_is_shown_from_the_first_progress_on(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("working") as advance:
        assert capsys.readouterr().err == ""
        advance(1, 2)
        advance(2, 2)
    assert "working" in capsys.readouterr().err


def test_unknown_domain_lists_the_known(run: Path, discs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", str(run), str(discs / "red"), "--to", "purple"]) == 2
    assert "blue, red" in capsys.readouterr().err


def test_unusable_data_exit_with_1(discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["train", str(discs / "red"), str(tmp_path / "empty"), "--steps", "1"]) == 1
    assert "no files to read" in capsys.readouterr().err
    (tmp_path / "one").mkdir()
    (discs / "red" / "000.png").rename(tmp_path / "one" / "000.png")
    assert main(["train", str(discs / "red"), str(tmp_path / "one"), "--steps", "1"]) == 1
    assert "at least 2" in capsys.readouterr().err
    assert main(["check", str(discs / "red"), str(tmp_path / "one")]) == 1


def test_check_reports(discs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (discs / "red" / "bad.jpg").write_bytes(b"")
    assert main(["check", str(discs), "--size", "16"]) == 0
    shown = capsys.readouterr().out
    assert "12 pictures" in shown
    assert "bad.jpg" in shown
    assert "Training would" in shown


def test_check_says_what_train_would_do(discs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(discs)]) == 0
    shown = capsys.readouterr().out
    assert "scale the shorter side to 16 px" in shown or "cut squares of 16 px" in shown
    assert "size: 16 px" in shown
    assert main(["check", str(discs), "--size", "3"]) == 2
    assert "'size': given 3" in capsys.readouterr().err


def test_methods_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown and row.paper in shown for name, row in METHODS.items())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"unpaired {command}" in capsys.readouterr().out


def test_version_and_overview(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert __version__ in capsys.readouterr().out
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name}" in shown for name in COMMANDS)


def test_judges_of_recordings_are_refused_for_pictures(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--judges", "speakers"]) == 2
    assert "--judges: for recordings only" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "audit"])
def test_a_run_that_cannot_be_written_is_refused_before_it_is_measured(
    command: str, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # the tests may run as root
    assert main([command, str(run)]) == 1
    assert "is not writable" in capsys.readouterr().err


def test_permission_error_names_the_file(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", denied)
    assert main(["evaluate", str(run)]) == 1
    assert f"unpaired: {run / 'config.yaml'}: Permission denied" in capsys.readouterr().err


def test_lines_of_the_log_are_not_broken_at_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    create_error_console().print(command := "unpaired translate 'runs/a name with spaces' holiday/ --to paintings")
    assert stream.getvalue() == f"{command}\n"
