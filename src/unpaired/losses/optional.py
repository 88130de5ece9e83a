"""Terms that a setting leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def call_unless_none(loss_function: Callable[..., Tensor] | None, *args: Any) -> Tensor | None:
    """`term` of the parts; None where it or one of them is."""
    return None if loss_function is None or any(part is None for part in args) else loss_function(*args)


def sum_not_none(*losses: Tensor | None) -> Tensor | None:
    """The sum of the terms that there are; None where there is none."""
    present_losses = [loss for loss in losses if loss is not None]
    return torch.stack(present_losses).sum() if present_losses else None
