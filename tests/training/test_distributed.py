"""Equality of training on two ranks and in one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import two_ranks
from lightning_fabric import Fabric
from safetensors.torch import load_file
from torch import Tensor

from unpaired.runs.weights import collect_state
from unpaired.training.distributed import Distributed


def train_on_two_ranks(name: str, folder: Path) -> dict[str, Tensor]:
    out = folder / "two.safetensors"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = Path(two_ranks.__file__)
    completed = subprocess.run(
        [*command, str(script), name, str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return load_file(out)


def train_in_one_process(name: str, shards: int) -> dict[str, Tensor]:
    return collect_state(two_ranks.train(name, Distributed(Fabric(accelerator="cpu", devices=1)), shards))


def compute_max_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].numel())


@pytest.mark.parametrize("name", ["cyclegan last", "unit"])
def test_two_ranks_equal_one_process_with_accumulation(name: str, tmp_path: Path) -> None:
    assert compute_max_difference(train_on_two_ranks(name, tmp_path), train_in_one_process(name, 2)) < 1e-10


def test_accumulated_shards_equal_joined_batch() -> None:
    """Uses CycleGAN without image pools, whose losses are means over items."""
    joined, accumulated = train_in_one_process("cyclegan", 1), train_in_one_process("cyclegan", 2)
    assert compute_max_difference(joined, accumulated) < 1e-10
    initial = collect_state(two_ranks.build_tiny_method("cyclegan"))
    assert compute_max_difference(joined, initial) > 1e-5
