"""Training under SLURM's environment variables."""

from __future__ import annotations

import pytest

from unpaired.errors import UsageError
from unpaired.training.distributed import launch_distributed

SLURM = {
    "SLURM_JOB_ID": "77",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_NNODES": "1",
    "SLURM_JOB_NUM_NODES": "1",
    "SLURM_NODELIST": "node1",
    "SLURM_JOB_NODELIST": "node1",
}


@pytest.fixture(autouse=True)
def slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)


def test_one_device_trains_in_one_process_of_a_larger_job() -> None:
    _, distributed = launch_distributed("cpu", 1, 1)
    assert (distributed.world_size, distributed.rank) == (1, 0)


def test_repeated_single_device_task_raises_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "2")
    with pytest.raises(UsageError, match="task 2 of 4") as caught:
        launch_distributed("cpu", 1, 1)
    assert "--ntasks=1" in str(caught.value) and "--devices" in str(caught.value)


def test_devices_that_do_not_match_the_job_raise_usage_error() -> None:
    with pytest.raises(UsageError, match="2 devices of kind cpu"):
        launch_distributed("cpu", 2, 1)
