"""Number of parameters of networks."""

from __future__ import annotations

from torch import nn


def count_parameters(*nets: nn.Module) -> int:
    """Count the parameters of networks; parameters that are shared, within a network or between two, count once."""
    return sum(p.numel() for p in {p for net in nets for p in net.parameters()})
