"""Prior terms: how far codes are from the distribution that they are meant to have."""

from __future__ import annotations

from torch import Tensor

from unpaired.losses.adversarial import upcast


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """`mean((m^2 + s^2 - log s^2 - 1) / 2)`: the KL divergence of N(m, s^2) from N(0, 1) per element (Kingma, Welling
    2014, appendix B).
    """
    mean, log_variance = upcast(mean), upcast(log_variance)
    return (mean.square() + log_variance.exp() - log_variance - 1).mean() / 2


def kl_divergence_unit_variance(mean: Tensor) -> Tensor:
    """`mean(mean^2)`: the KL divergence of N(mean, I) from N(0, I), times two and per element.

    UNIT's (Liu et al. 2017) prior with the variance fixed at one, in the scale of the authors' code, which averages
    `mean^2` and drops the half.
    """
    return upcast(mean).square().mean()
