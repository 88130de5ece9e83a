"""Closeness terms: how far two images are apart."""

from __future__ import annotations

from torch import Tensor

from unpaired.terms.adversarial import wide


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of two tensors of one shape."""
    return (wide(x) - wide(y)).abs().mean()


def squared(x: Tensor, y: Tensor) -> Tensor:
    """`mean((x - y)^2)` of two tensors of one shape."""
    return (wide(x) - wide(y)).square().mean()
