"""Several ranks train as one process does."""

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


def on_two_ranks(name: str, folder: Path) -> dict[str, Tensor]:
    out = folder / "two.safetensors"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = Path(two_ranks.__file__)
    done = subprocess.run(
        [*command, str(script), name, str(out)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return load_file(out)


def in_one_process(name: str, shards: int) -> dict[str, Tensor]:
    return collect_state(two_ranks.train(name, Distributed(Fabric(accelerator="cpu", devices=1)), shards))


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].numel())


@pytest.mark.parametrize("name", ["cyclegan last", "unit"])
def test_two_ranks_equal_one_process_that_accumulates_the_same_shards(name: str, tmp_path: Path) -> None:
    assert difference(on_two_ranks(name, tmp_path), in_one_process(name, 2)) < 1e-10


def test_accumulated_shards_equal_the_joined_batch() -> None:
    """For CycleGAN without its memory, whose terms are means over items."""
    joined, accumulated = in_one_process("cyclegan", 1), in_one_process("cyclegan", 2)
    assert difference(joined, accumulated) < 1e-10
    start = collect_state(two_ranks.tiny("cyclegan"))
    assert difference(joined, start) > 1e-5
