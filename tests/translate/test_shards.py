from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_runs import Known, config

from unpaired.cli.main import main
from unpaired.errors import UsageError, WorkError
from unpaired.runs.lock import LOCK_FILE
from unpaired.translate import Outcome, Translator, translate_files
from unpaired.translate.manifest import DATABASE_NAME, Manifest
from unpaired.translate.shard_merge import merge_shards
from unpaired.translate.shards import Shard, find_shards, parse_shard

ARRAY = {"SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_MAX": "16", "SLURM_ARRAY_TASK_STEP": "2"}

WORKER = """
import sys
import time

from unpaired.config.model_description import ModelDescription
from unpaired.routes import Route
from unpaired.translate import translate_files
from unpaired.translate.base import BaseTranslator
from unpaired.translate.shards import Shard


class SlowNetwork:
    routes, labels, stride, takes_any_source = (Route("X", "Y", ()),), None, 4, False

    def translate(self, x, route, label=None, full_precision=True):
        time.sleep(float(sys.argv[4]))
        return -x


class SlowTranslator(BaseTranslator):
    network, weights_digest = SlowNetwork(), "none"
    config = ModelDescription(
        format=1,
        unpaired_version="0",
        method="slow",
        medium="image",
        medium_settings={"size": 16, "resize_mode": "crop", "channels": "3"},
        domains=[{"name": name, "sources": [], "statistics": {"color": True}} for name in ("photos", "paintings")],
    )


translator = SlowTranslator()
shard = None if sys.argv[3] == "0" else Shard(int(sys.argv[3]), 4)
request = translator.resolve_request("paintings")
outcome = translate_files(translator, [sys.argv[1]], sys.argv[2], request, batch_size=1, shard=shard)
print(outcome.done, outcome.skipped)
"""
"""Program that translates one of four shards, or with index 0 all files, slowly; prints the files done and skipped."""


def make_pictures(folder: Path, count: int) -> Path:
    for i in range(count):
        path = folder / f"sub{i % 3}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(path)
    return folder


def go(inputs: Path, out: Path, shard: Shard | None = None, change: float = -1.0) -> Outcome:
    translator = Translator(config(resize_mode="crop"), Known(change), "cpu")
    return translate_files(translator, [inputs], out, translator.resolve_request("paintings"), shard=shard)


def read_outputs(out: Path) -> dict[str, str]:
    files = (path for path in out.rglob("*.png"))
    return {path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_each_name_is_in_one_shard_and_adding_names_moves_none() -> None:
    names = [f"a/{i}.png".encode() for i in range(1000)]
    shards = [Shard(i, 4) for i in range(1, 5)]
    counts = [sum(shard.contains(name) for name in names) for shard in shards]
    assert sum(counts) == 1000 and min(counts) > 200
    assert all(sum(shard.contains(name) for shard in shards) == 1 for name in names)
    digest = hashlib.blake2b(b"a/0.png", digest_size=8).digest()
    assert Shard(int.from_bytes(digest, "big") % 4 + 1, 4).contains(b"a/0.png")


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        (None, {}, None),
        ("2/8", {}, Shard(2, 8)),
        ("auto", ARRAY | {"SLURM_ARRAY_TASK_ID": "10"}, Shard(1, 4)),
        ("auto", ARRAY | {"SLURM_ARRAY_TASK_ID": "16"}, Shard(4, 4)),
    ],
)
def test_parse_shard(text: str | None, environment: Mapping[str, str], expected: Shard | None) -> None:
    assert parse_shard(text, environment, pytest.fail) == expected


@pytest.mark.parametrize(
    ("text", "environment"),
    [("0/4", {}), ("5/4", {}), ("1", {}), ("a/b", {}), ("auto", {}), ("auto", ARRAY | {"SLURM_ARRAY_TASK_ID": "11"})],
)
def test_wrong_shards(text: str, environment: Mapping[str, str]) -> None:
    with pytest.raises(UsageError, match="--shard"):
        parse_shard(text, environment, pytest.fail)


def test_job_arrays_without_the_flag_are_noted() -> None:
    lines: list[str] = []
    assert parse_shard(None, ARRAY | {"SLURM_ARRAY_TASK_ID": "10"}, lines.append) is None
    assert len(lines) == 1 and "--shard auto" in lines[0]


def test_four_processes_with_one_killed_equal_one_process(tmp_path: Path) -> None:
    inputs, out = make_pictures(tmp_path / "in", 60), tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def start(index: int, seconds: float = 0, folder: Path = out) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WORKER, str(inputs), str(folder), str(index), str(seconds)]
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)

    def finish(process: subprocess.Popen[str]) -> tuple[int, int]:
        text, _ = process.communicate()
        assert process.returncode == 0
        done, skipped = map(int, text.split())
        return done, skipped

    assert finish(start(0, folder=tmp_path / "one")) == (60, 0)
    expected = read_outputs(tmp_path / "one")
    own = {name for name in expected if Shard(1, 4).contains(name.encode())}
    killed, others = start(1, seconds=0.2), [start(index) for index in (2, 3, 4)]
    while killed.poll() is None and len(own & read_outputs(out).keys()) < 3:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert [finish(process)[0] for process in others] and 0 < len(own & read_outputs(out).keys()) < len(own)
    report = merge_shards(out)
    assert not report.is_merged and [state.is_complete for state in report.states] == [False, True, True, True]
    assert "--shard 1/4" in report.states[0].describe()
    done, skipped = finish(start(1))
    assert done + skipped == len(own) and skipped > 0
    assert read_outputs(out) == expected
    assert merge_shards(out).is_merged and not find_shards(out)
    assert finish(start(0)) == (0, 60)


def test_command_reports_missing_shards_and_merges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs, out = make_pictures(tmp_path / "in", 12), tmp_path / "out"
    go(inputs, out, Shard(1, 2))
    assert main(["shards", str(out)]) == 1
    assert "2/2: missing" in capsys.readouterr().out
    with pytest.raises(UsageError, match="2 shards"):
        go(inputs, out)
    with pytest.raises(UsageError, match="2 shards"):
        go(inputs, out, Shard(1, 3))
    assert go(inputs, out, Shard(1, 2)).done == 0
    go(inputs, out, Shard(2, 2))
    assert main(["shards", str(out)]) == 0
    assert "12 files" in capsys.readouterr().out and not (out / ".unpaired.shards").exists()
    assert main(["shards", str(out)]) == 2


def test_shards_continue_after_an_undivided_translation(tmp_path: Path) -> None:
    inputs, out = make_pictures(tmp_path / "in", 12), tmp_path / "out"
    go(inputs, out)
    (out / "sub0" / "0.png").unlink()
    outcomes = [go(inputs, out, Shard(i, 2)) for i in (1, 2)]
    assert sum(outcome.done for outcome in outcomes) == 1 and sum(outcome.skipped for outcome in outcomes) == 11


def test_shards_of_other_settings_and_failed_files(tmp_path: Path) -> None:
    inputs, out = make_pictures(tmp_path / "in", 6), tmp_path / "out"
    go(inputs, out, Shard(1, 2))
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    request = translator.resolve_request("paintings", options={"mode": "input"})
    translate_files(translator, [inputs], out, request, shard=Shard(2, 2))
    with pytest.raises(UsageError, match="1/2 and 2/2"):
        merge_shards(out)
    (inputs / "broken.png").write_bytes(b"no picture")
    for i in (1, 2):
        go(inputs, out, Shard(i, 2))
    report = merge_shards(out)
    assert report.is_merged and sum(state.failed or 0 for state in report.states) == 1


def test_running_shards_and_damaged_manifests(tmp_path: Path) -> None:
    inputs, out = make_pictures(tmp_path / "in", 4), tmp_path / "out"
    go(inputs, out, Shard(1, 2))
    running = Manifest(out, "settings", Shard(2, 2))
    with pytest.raises(WorkError, match="shard 2/2"):
        merge_shards(out)
    running.close()
    (Shard(2, 2).get_folder(out) / DATABASE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(WorkError, match="damaged"):
        merge_shards(out)


def test_no_shard_starts_before_a_merge_has_removed_the_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, out = make_pictures(tmp_path / "in", 4), tmp_path / "out"
    go(inputs, out, Shard(1, 1))
    remove = shutil.rmtree

    def remove_beside_a_shard(folder: Path) -> None:
        with pytest.raises(WorkError, match=f"{out}: another process"):
            Manifest(out, "settings", Shard(1, 1))
        remove(folder)

    monkeypatch.setattr("unpaired.translate.shard_merge.shutil.rmtree", remove_beside_a_shard)
    assert merge_shards(out).is_merged and not find_shards(out)
    assert not (out / LOCK_FILE).exists()


def test_shard_waits_for_an_undivided_translation(tmp_path: Path) -> None:
    inputs, out = make_pictures(tmp_path / "in", 4), tmp_path / "out"
    running = Manifest(out, "settings")
    with pytest.raises(WorkError, match="another process"):
        go(inputs, out, Shard(1, 2))
    running.close()


def test_shard_does_not_overwrite_inputs_of_other_shards(tmp_path: Path) -> None:
    """The translation of src/sub0/0.png would replace out/sub0/0.png, whose own translation is out/0.png."""
    out, source = make_pictures(tmp_path / "out", 30), make_pictures(tmp_path / "src", 30)
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    request = translator.resolve_request("paintings")
    for i in (1, 2):
        with pytest.raises(UsageError, match="--out"):
            translate_files(translator, [out / "sub0", source], out, request, shard=Shard(i, 2))
