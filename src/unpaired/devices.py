"""Which device computes."""

from __future__ import annotations

import torch

from unpaired.errors import UsageError


def pick_device(name: str) -> torch.device:
    """The device called `name`; auto: CUDA, else MPS, else the CPU. Raises UsageError where there is none such."""
    if name == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device '{name}': not on this machine, or not in this torch; try auto or cpu") from error
    return device
