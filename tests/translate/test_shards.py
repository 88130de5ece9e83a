from __future__ import annotations

import hashlib
import os
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
from unpaired.translate import Outcome, Translator, translate_files
from unpaired.translate.manifest import DATABASE_NAME, Manifest
from unpaired.translate.shard_merge import merge_shards
from unpaired.translate.shards import Shard, find_shards, parse_shard

ARRAY = {"SLURM_ARRAY_TASK_MIN": "10", "SLURM_ARRAY_TASK_MAX": "16", "SLURM_ARRAY_TASK_STEP": "2"}

WORKER = """
import sys, time
from pathlib import Path
from tiny_runs import Known, config
from unpaired.translate import Translator, translate_files
from unpaired.translate.shards import Shard

class Slow(Known):
    def translate(self, x, source, target):
        time.sleep(float(sys.argv[4]))
        return super().translate(x, source, target)

translator = Translator(config(resize_mode="crop"), Slow(-1.0), "cpu")
request = translator.resolve_request("paintings")
shard = Shard(int(sys.argv[3]), 4)
translate_files(translator, [sys.argv[1]], sys.argv[2], request, batch_size=1, shard=shard)
"""
"""Program that translates one shard of four, slowly."""


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
    inputs = make_pictures(tmp_path / "in", 60)
    go(inputs, tmp_path / "one")
    out = tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}

    def start(index: int, seconds: float) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", WORKER, str(inputs), str(out), str(index), str(seconds)]
        return subprocess.Popen(command, env=environment)

    killed, others = start(1, 0.5), [start(index, 0) for index in (2, 3, 4)]
    shard_files = Shard(1, 4).get_folder(out) / DATABASE_NAME
    written = [name for name in read_outputs(tmp_path / "one") if Shard(1, 4).contains(name.encode())]
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not any((out / name).exists() for name in written):
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert all(process.wait() == 0 for process in others) and shard_files.exists()
    assert len(read_outputs(out)) < 60
    report = merge_shards(out)
    assert not report.is_merged and [state.is_complete for state in report.states] == [False, True, True, True]
    assert "--shard 1/4" in report.states[0].describe()
    assert start(1, 0).wait() == 0
    assert read_outputs(out) == read_outputs(tmp_path / "one")
    assert merge_shards(out).is_merged and not find_shards(out)
    assert go(inputs, out).skipped == 60


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


def test_shard_waits_for_an_undivided_translation(tmp_path: Path) -> None:
    inputs, out = make_pictures(tmp_path / "in", 4), tmp_path / "out"
    running = Manifest(out, "settings")
    with pytest.raises(WorkError, match="another process"):
        go(inputs, out, Shard(1, 2))
    running.close()


def test_shard_does_not_overwrite_inputs_of_others(tmp_path: Path) -> None:
    out = make_pictures(tmp_path / "out", 8)
    link = tmp_path / "in"
    link.mkdir()
    for path in out.rglob("*.png"):
        (link / path.relative_to(out)).parent.mkdir(exist_ok=True)
        (link / path.relative_to(out)).symlink_to(path)
    for i in (1, 2):
        with pytest.raises(UsageError, match="--out"):
            go(link, out, Shard(i, 2))
