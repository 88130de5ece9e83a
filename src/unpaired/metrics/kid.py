"""Distances between two sets of features: KID (unbiased, suited to small sets) and FID (biased, widely reported)."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor

MAX_EXACT_ITEMS: Final = 2000
"""Maximum set size for full kernel matrices; larger sets are compared by subsets to bound memory."""


class Estimate(NamedTuple):
    """Value and its standard error, in the same unit."""

    value: float
    error: float


def kid(real: Tensor, fake: Tensor) -> float:
    """Return the kernel inception distance of features (N, D) and (M, D).

    Binkowski et al. 2018, arXiv:1801.01401, eq. (4) and sec. 4: the unbiased estimator of MMD^2 with the kernel
    (x.y / D + 1)^3, over the full sets, in float64. Its expectation is 0 for two samples of one distribution, so small
    negative values occur. Tables show it times 1000.

    Raises `ValueError` for sets with fewer than two items or with different dimensions.
    """
    _require_comparable(real, fake)
    return _mmd2(*_compute_kernels(real, fake))


def kid_estimate(real: Tensor, fake: Tensor, subset: int = 1000, subsets: int = 50, seed: int = 0) -> Estimate:
    """Return KID with its standard error by the delete-d jackknife (Shao & Wu 1989), from its variance over subsets.

    Up to `MAX_EXACT_ITEMS` items, the value is `kid` of the full sets and the subsets are halves. For larger sets, the
    value is the mean over `subsets` random subsets of `subset` items, as in the KID paper. Equal seeds draw equal
    subsets; the global random state is not used. The error is infinite if a set has fewer than four items.

    Raises `ValueError` as `kid` does.
    """
    _require_comparable(real, fake)
    generator = torch.Generator().manual_seed(seed)
    is_exact = max(len(real), len(fake)) <= MAX_EXACT_ITEMS
    sizes = [n // 2 if is_exact else min(subset, n // 2) for n in (len(real), len(fake))]
    if min(sizes) < 2:
        return Estimate(kid(real, fake), math.inf)
    kernels = _compute_kernels(real, fake) if is_exact else None
    values = []
    for _ in range(subsets):
        i, j = (torch.randperm(len(s), generator=generator)[:n] for s, n in zip((real, fake), sizes, strict=True))
        if kernels is None:
            values.append(kid(real[i], fake[j]))
        else:
            values.append(_mmd2(kernels[0][i][:, i], kernels[1][j][:, j], kernels[2][i][:, j]))
    values_tensor = torch.tensor(values, dtype=torch.float64)
    fraction = max(n / len(s) for s, n in zip((real, fake), sizes, strict=True))
    error = values_tensor.std().item() * math.sqrt(fraction / (1 - fraction))
    return Estimate(values_tensor.mean().item() if kernels is None else _mmd2(*kernels), error)


def kid_of_real_halves(real: Tensor, halvings: int = 20, seed: int = 0) -> float:
    """Return the root mean square KID between two random halves of one real set.

    It is the noise floor: smaller KID values are not meaningful. (The mean over all halvings is 0 because the estimator
    is unbiased.) Sets larger than `MAX_EXACT_ITEMS` are subsampled evenly.

    Raises `ValueError` for fewer than four items.
    """
    if len(real) < 4:
        raise ValueError(f"got {len(real)} items to split into halves; expected at least 4")
    real = _subsample_evenly(real, MAX_EXACT_ITEMS)
    kernel = _polynomial_kernel(real.double(), real.double())
    generator = torch.Generator().manual_seed(seed)
    squares = 0.0
    for _ in range(halvings):
        order = torch.randperm(len(real), generator=generator)
        i, j = order[: len(real) // 2], order[len(real) // 2 :]
        squares += _mmd2(kernel[i][:, i], kernel[j][:, j], kernel[i][:, j]) ** 2
    return math.sqrt(squares / halvings)


def fid(real: Tensor, fake: Tensor) -> float:
    """Return the Fréchet distance of features (N, D) and (M, D), in float64.

    Heusel et al. 2017, arXiv:1706.08500, eq. (6): |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2). With centered
    features A and B, scaled so that S1 = A'A and S2 = B'B, the last trace is the sum of the singular values of A B'.
    This avoids the square root of a matrix, which may be singular. `explain_fid_bias` describes the bias.

    Raises `ValueError` for sets with fewer than two items or with different dimensions.
    """
    _require_comparable(real, fake)
    (mean_r, root_r), (mean_f, root_f) = (_mean_and_covariance_root(s.double()) for s in (real, fake))
    spread = root_r.square().sum() + root_f.square().sum()
    distance = (mean_r - mean_f).square().sum() + spread - 2 * torch.linalg.svdvals(root_r @ root_f.T).sum()
    return max(float(distance), 0.0)


def explain_fid_bias(real: Tensor, fake: Tensor) -> str | None:
    """Return a warning about the bias of FID; None if both sets have 2048 items, and more items than dimensions."""
    count, dimensions = min(len(real), len(fake)), real.shape[1]
    if count >= 2048 and count > dimensions:
        return None
    return (
        f"FID of {count} items in {dimensions} dimensions is too high by an unknown amount (it needs at least 2048 "
        "items, and more items than dimensions): compare it only with FIDs of as many items; KID has no such bias"
    )


def _require_comparable(real: Tensor, fake: Tensor) -> None:
    if real.dim() != 2 or fake.dim() != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"features have the shapes {tuple(real.shape)} and {tuple(fake.shape)}; expected (N, D), (M, D)"
        )
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"sets have {len(real)} and {len(fake)} items; expected at least 2 each")


def _subsample_evenly(items: Tensor, limit: int) -> Tensor:
    if len(items) <= limit:
        return items
    return items[torch.linspace(0, len(items) - 1, limit).long()]


def _polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _compute_kernels(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, y = real.double(), fake.double()
    return _polynomial_kernel(x, x), _polynomial_kernel(y, y), _polynomial_kernel(x, y)


def _mmd2(xx: Tensor, yy: Tensor, xy: Tensor) -> float:
    within_x, within_y = ((k.sum() - k.trace()).item() / (len(k) * (len(k) - 1)) for k in (xx, yy))
    return float(within_x + within_y - 2 * xy.mean().item())


def _mean_and_covariance_root(items: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (D) and a factor R with at most D rows of the covariance R'R."""
    mean = items.mean(0)
    root = (items - mean) / math.sqrt(len(items) - 1)
    return mean, torch.linalg.qr(root, mode="r").R if len(items) > items.shape[1] else root
