"""Files from strangers cannot leave a folder, run code, control a terminal, or exhaust memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import yaml
from conftest import draw_domain
from PIL import Image
from tiny_runs import make_run

from unpaired.cli.main import main, show_thread_error
from unpaired.console import escape_control_characters, log_to_terminal
from unpaired.data.attributes import discover_labelled_data
from unpaired.errors import WorkError
from unpaired.runs.folder import RunFolder


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "", "a\\b"])
def test_domain_names_that_are_paths_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder(make_run(tmp_path / "run"))
    config = yaml.safe_load(run.config.read_text())
    config["domains"][1]["name"] = name
    run.config.write_text(yaml.safe_dump(config))
    with pytest.raises(WorkError, match=r"config\.yaml.*domains\.1\.name"):
        run.load_config()
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    assert main(["translate", str(run.path), str(tmp_path / "a.png"), "--to", name]) == 1
    assert "config.yaml" in capsys.readouterr().err


def test_names_in_tables_are_compared_but_never_opened(tmp_path: Path) -> None:
    draw_domain(tmp_path, "red", 3)
    secret = tmp_path / "secret.png"
    secret.write_text("secret")
    rows = [f"{i:03}.png,{i % 2}" for i in range(3)]
    (tmp_path / "red.csv").write_text("\n".join(["file,smiling", *rows, f"{secret},1", "../secret.png,0"]))
    files, _, _ = discover_labelled_data([tmp_path / "red"], ["smiling"])
    assert list(files[0].train) == ["000.png", "001.png", "002.png"]
    assert "2 rows" in files[0].note


def test_a_link_in_the_output_folder_is_replaced_and_not_followed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    precious = tmp_path / "precious.png"
    precious.write_text("precious")
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to(precious)
    arguments = ["translate", str(run), str(tmp_path / "a.png"), "--to", "paintings", "--out", str(tmp_path / "out")]
    assert main([*arguments, "--overwrite", "--device", "cpu"]) == 0
    assert precious.read_text() == "precious"
    assert not (tmp_path / "out" / "a.png").is_symlink()


def test_control_characters_in_messages_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_terminal("a\x1b[31m\x07\x9b.png\ttab\nline é")
    assert capsys.readouterr().err == "a\\x1b[31m\\x07\\x9b.png\ttab\nline é\n"
    assert escape_control_characters("\r\0\x7f") == "\\x0d\\x00\\x7f"


def test_a_system_error_of_a_thread_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(28, "No space left on device", b"/run/log/events")
    show_thread_error(threading.ExceptHookArgs((OSError, error, None, None)))
    assert capsys.readouterr().err == "note: /run/log/events: No space left on device\n"
