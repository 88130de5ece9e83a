"""Equality of training on two ranks and in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import two_ranks
from conftest import TINY
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor

from unpaired.cli.main import main
from unpaired.config.run_config import write_config
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import collect_state
from unpaired.training.distributed import Distributed


def start_two_ranks(*words: str) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    completed = subprocess.run(
        [*command, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr


def train_on_two_ranks(name: str, folder: Path) -> dict[str, Tensor]:
    out = folder / "two.safetensors"
    start_two_ranks(two_ranks.__file__, name, str(out))
    return load_file(out)


def train_in_one_process(name: str, micro_batches: int) -> dict[str, Tensor]:
    return collect_state(two_ranks.train(name, Distributed(Fabric(accelerator="cpu", devices=1)), micro_batches))


def compute_max_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].numel())


@pytest.mark.parametrize("name", ["cyclegan last", "unit"])
def test_two_ranks_equal_one_process_with_accumulation(name: str, tmp_path: Path) -> None:
    assert compute_max_difference(train_on_two_ranks(name, tmp_path), train_in_one_process(name, 2)) < 1e-10


def test_accumulated_micro_batches_equal_joined_batch() -> None:
    """Uses CycleGAN without image pools, whose losses are means over items."""
    joined, accumulated = train_in_one_process("cyclegan", 1), train_in_one_process("cyclegan", 2)
    assert compute_max_difference(joined, accumulated) < 1e-10
    initial = collect_state(two_ranks.build_tiny_method("cyclegan"))
    assert compute_max_difference(joined, initial) > 1e-5


def test_the_command_trains_on_two_ranks_and_resumes_on_no_other_number(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    settings = {**TINY, "steps": 2, "evaluate_every": 0, "sample_every": 0, "device": "cpu", "devices": 2}
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    start_two_ranks("-m", "unpaired", "train", str(discs), "--out", str(run), *flags)
    (checkpoint,) = list_checkpoints(RunFolder(run).checkpoints)
    assert sorted(path.name for path in checkpoint.iterdir()) == ["rank-1.safetensors", "state.safetensors"]
    assert RunFolder(run).load_config().training.devices == 2
    assert main(["train", "--resume", str(run), "--steps", "3", "--devices", "1"]) == 2
    assert "--init RUN" in capsys.readouterr().err
    config = RunFolder(run).load_config()
    one_device = config.training.model_copy(update={"devices": 1})
    write_config(RunFolder(run).config, config.model_copy(update={"training": one_device}))
    assert main(["train", "--resume", str(run), "--steps", "3"]) == 1
    assert "2 ranks" in capsys.readouterr().err
