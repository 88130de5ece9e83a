"""Choice of the compute device, thread limit, and isolation of random number generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from unpaired.cores import count_cores
from unpaired.errors import UsageError


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; auto: CUDA, else MPS, else CPU. Raises UsageError if it does not exist."""
    limit_threads()
    if name == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device '{name}': not available (machine or build of torch); use auto or cpu") from error
    return device


def limit_threads() -> None:
    """Reduce the number of torch threads to `count_cores`, because torch ignores container quotas."""
    if torch.get_num_threads() > (cores := count_cores()):
        torch.set_num_threads(cores)


def fork_rng(device: torch.device) -> AbstractContextManager[None]:
    """Return a context that restores the random states of the CPU and of `device` (CUDA, MPS or CPU) at its end."""
    return torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type)


@contextmanager
def isolate_rng(seed: int = 0) -> Iterator[None]:
    """Seed torch on all devices within the context; restore the states of the global generators at its end."""
    accelerator = torch.accelerator.current_accelerator()
    kind = "cuda" if accelerator is None else accelerator.type
    with torch.random.fork_rng(range(torch.accelerator.device_count()), device_type=kind):
        torch.manual_seed(seed)
        yield
