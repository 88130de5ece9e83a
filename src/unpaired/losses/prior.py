"""KL divergences of latent codes from the normal prior."""

from __future__ import annotations

from torch import Tensor

from unpaired.losses.adversarial import upcast


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return `mean((m^2 + s^2 - log s^2 - 1) / 2)`, the KL divergence of N(m, s^2) from N(0, 1) per element.

    Source: Kingma and Welling 2014, appendix B.
    """
    mean, log_variance = upcast(mean), upcast(log_variance)
    return (mean.square() + log_variance.exp() - log_variance - 1).mean() / 2


def kl_divergence_unit_variance(mean: Tensor) -> Tensor:
    """Return `mean(mean^2)`: twice the KL divergence of N(mean, I) from N(0, I), per element.

    This is the prior of UNIT (Liu et al. 2017) with the variance fixed at 1, scaled as in the authors' code, which
    averages `mean^2` without the factor 1/2.
    """
    return upcast(mean).square().mean()
