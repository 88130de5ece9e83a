"""One device trains in one process, whatever a scheduler's variables say."""

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


def test_a_job_with_several_tasks_trains_on_one_device() -> None:
    _, distributed = launch_distributed("cpu", 1, 1)
    assert (distributed.world_size, distributed.rank) == (1, 0)


def test_the_same_command_started_several_times_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_PROCID", "2")
    with pytest.raises(UsageError, match="task 2 of 4") as refused:
        launch_distributed("cpu", 1, 1)
    assert "--ntasks=1" in str(refused.value) and "--devices" in str(refused.value)


def test_several_devices_that_do_not_fit_the_job_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="2 devices of kind cpu"):
        launch_distributed("cpu", 2, 1)
