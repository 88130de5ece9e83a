"""Full-reference image metrics: functions of two batches (B, C, H, W) in [0, 1] that return one value per image."""

from __future__ import annotations

from typing import Final

from torch import Tensor
from torch.nn import functional

SSIM_WINDOW: Final = 7
"""Side of the SSIM window in pixels."""
GAUSSIAN_SSIM_WINDOW: Final = 11


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean absolute error of each image, (B,), as a fraction of the value range (1: black and white)."""
    _require_same_shape(x, y)
    return (x.double() - y.double()).abs().mean((1, 2, 3))


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio of each image, (B,), in dB: -10 log10(MSE), at most 100."""
    _require_same_shape(x, y)
    error = (x.double() - y.double()).square().mean((1, 2, 3))
    return -10 * error.clamp(min=1e-10).log10()


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the structural similarity of each image, (B,), in [-1, 1], the mean over windows and channels.

    Wang et al. 2004, eq. (13), with uniform 7 x 7 windows without padding, sample (co)variances, K1 = .01, K2 = .03 and
    range 1, which are the defaults of scikit-image's `structural_similarity`. The paper's Gaussian 11 x 11 windows give
    different values.

    Raises `ValueError` for sides under 7 px.
    """
    _require_same_shape(x, y)
    if min(x.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(
            f"images have {x.shape[-1]} x {x.shape[-2]} px; SSIM needs at least {SSIM_WINDOW} x {SSIM_WINDOW} px"
        )
    x, y = x.double(), y.double()
    mean_x, mean_y = _window_means(x), _window_means(y)
    bessel_factor = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    var_x, var_y = (
        bessel_factor * (_window_means(x * x) - mean_x**2),
        bessel_factor * (_window_means(y * y) - mean_y**2),
    )
    cov = bessel_factor * (_window_means(x * y) - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    return (numerator / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean((1, 2, 3))


def gaussian_ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity per image, (B,), in [-1, 1], as Wang et al. 2004 measured it, by torchmetrics.

    Gaussian windows of 11 x 11 pixels with standard deviation 1.5 that lie inside the image, K1 = .01, K2 = .03, range
    1. Raises `ValueError` for sides under 11.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # noqa: PLC0415 - slow to import

    _require_same_shape(x, y)
    if min(x.shape[-2:]) < GAUSSIAN_SSIM_WINDOW:
        raise ValueError(f"{x.shape[-1]} x {x.shape[-2]} pixels; expected at least {GAUSSIAN_SSIM_WINDOW} a side")
    _, similarities = structural_similarity_index_measure(
        x.double(), y.double(), data_range=1.0, reduction="none", return_full_image=True
    )
    border = GAUSSIAN_SSIM_WINDOW // 2  # torchmetrics continues images by reflection
    return similarities[..., border:-border, border:-border].mean((1, 2, 3))


def edge_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Return the correlation of the gradient magnitudes of two images over all pixels, (B,), in [-1, 1].

    It measures whether edges are in the same places. Gradients are central differences of the channel mean, so color
    and inverted contrast have no effect, and the numbers of channels may differ. It is 0 for an image without edges.
    """
    if x.shape[0] != y.shape[0] or x.shape[2:] != y.shape[2:]:
        raise ValueError(
            f"images have the shapes {tuple(x.shape)} and {tuple(y.shape)}; expected equal except for channels"
        )
    a, b = _edge_magnitudes(x), _edge_magnitudes(y)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return (a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt().clamp(min=1e-12)


def _edge_magnitudes(x: Tensor) -> Tensor:
    gray = x.double().mean(1)
    down = gray[:, 2:, 1:-1] - gray[:, :-2, 1:-1]
    right = gray[:, 1:-1, 2:] - gray[:, 1:-1, :-2]
    return (down.square() + right.square()).sqrt().flatten(1)


def _window_means(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, SSIM_WINDOW, stride=1)


def _require_same_shape(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape or x.dim() != 4:
        raise ValueError(f"images have the shapes {tuple(x.shape)} and {tuple(y.shape)}; expected equal (B, C, H, W)")
