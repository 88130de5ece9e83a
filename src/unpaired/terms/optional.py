"""Terms that a setting leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def maybe(term: Callable[..., Tensor] | None, *parts: Any) -> Tensor | None:
    """`term` of the parts; None where it or one of them is."""
    return None if term is None or any(part is None for part in parts) else term(*parts)


def total(*terms: Tensor | None) -> Tensor | None:
    """The sum of the terms that there are; None where there is none."""
    there = [term for term in terms if term is not None]
    return torch.stack(there).sum() if there else None
