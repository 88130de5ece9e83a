"""Which device computes, and with which random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unpaired.cores import count_cores
from unpaired.errors import UsageError


def pick_device(name: str) -> torch.device:
    """The device called `name`; auto: CUDA, else MPS, else the CPU. Raises UsageError where there is none such."""
    limit_threads()
    if name == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device '{name}': not on this machine, or not in this torch; try auto or cpu") from error
    return device


def limit_threads() -> None:
    """Lower torch's threads to the cores that affinity and the container's quota allow; torch knows no quotas."""
    if torch.get_num_threads() > (cores := count_cores()):
        torch.set_num_threads(cores)


@contextmanager
def isolate_rng(seed: int = 0) -> Iterator[None]:
    """What is drawn within is the same each time, on all devices, and the global random numbers stay as they were."""
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        torch.manual_seed(seed)
        yield
