"""Settings files and configurations of runs: hostile YAML is refused in little time, with the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_runs import make_run

from benchmarks.damage_texts import make_settings
from unpaired.config.resolve import SettingsRequest
from unpaired.config.yaml_files import MAX_DEPTH, read_yaml
from unpaired.errors import UsageError, WorkError
from unpaired.runs.folder import RunFolder

HOSTILE = make_settings()


@pytest.mark.parametrize(
    "name",
    [
        *("aliases", "merges", "cycle", "deep", "deep-blocks", "large-integer", "hexadecimal", "date", "repeated"),
        *("repeated-inside", "object", "tags", "key", "binary", "many", "documents", "latin1", "nul"),
    ],
)
def test_hostile_files_raise_value_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(HOSTILE[f"{name}.yaml"])
    if name == "many":
        assert len(read_yaml(path)) == 20_000
        return
    with pytest.raises(ValueError, match=r"\w") as caught:
        read_yaml(path)
    assert len(str(caught.value)) < 1000
    with pytest.raises(UsageError, match=r"settings\.yaml"):
        SettingsRequest.read(file=path)
    run = RunFolder(make_run(tmp_path / "run"))
    run.config.write_bytes(HOSTILE[f"{name}.yaml"])
    with pytest.raises(WorkError, match=r"config\.yaml"):
        run.load_config()


def test_repeated_keys_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("training:\n  steps: 5\n  steps: 6\n")
    with pytest.raises(UsageError, match=r"'steps'.*line 3"):
        SettingsRequest.read(file=path)


def test_anchors_and_merges_of_usual_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n")
    assert read_yaml(path) == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1, "y": 2}] * 2}
    path.write_text("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))
    assert isinstance(read_yaml(path), list)


@pytest.mark.parametrize("name", ["utf16", "bom"])
def test_byte_order_marks_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(HOSTILE[f"{name}.yaml"])
    assert SettingsRequest.read(file=path).method == "cyclegan"


def test_a_value_in_a_message_is_short(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(f"training: ['{'x' * 100_000}']\n")
    with pytest.raises(UsageError, match="'training'") as caught:
        SettingsRequest.read(file=path).section("training")
    assert len(str(caught.value)) < 500
