"""Steganography: the fraction of an input that its translation carries in imperceptible signal.

Cycle consistency lets a generator hide its input as faint noise in its output (Chu, Zhmoginov and Sandler 2017,
arXiv:1712.02950; Bashkirova, Usman and Saenko 2019, arXiv:1908.01517). The reverse route then reconstructs content that
is not visible in the translation. This module defines perturbations that destroy faint signal, and the fraction of the
inputs' variance that they remove. Images are (B, C, H, W) in [-1, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from unpaired.media.jpeg import compress_jpeg

Perturbation = Callable[[Tensor], Tensor]
"""Perturbation of images: (B, C, H, W) in [-1, 1] to the same shape and range."""
Reconstruct = Callable[[Tensor], Tensor]
"""Reconstruction of inputs from their translations: (B, C, H, W) in [-1, 1] to the same shape and range."""


class FractionEstimate(NamedTuple):
    """Fraction in [0, 1] and its standard error over the items (1, the full range, for fewer than two items)."""

    value: float
    error: float


def identity(y: Tensor) -> Tensor:
    """Return the images unchanged."""
    return y


def gaussian_noise(std: float) -> Perturbation:
    """Return a perturbation that adds Gaussian noise from torch's global random state (.02 is 2.5 of 255 levels)."""
    return lambda y: (y + std * torch.randn_like(y)).clamp(-1, 1)


def quantize_8bit(y: Tensor) -> Tensor:
    """Round images to 256 levels, as an 8-bit file does."""
    return ((y.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def jpeg(quality: int) -> Perturbation:
    """Return a perturbation that compresses to JPEG of `quality` 1 to 100, without chroma subsampling."""
    return lambda y: compress_jpeg(y, quality)


def noise_then_jpeg(y: Tensor) -> Tensor:
    """Add Gaussian noise of .02, then compress to JPEG 75: the perturbation that defines hidden information.

    It is hardly visible (PSNR of about 36 dB) but removes faint patterns: noise masks signal that is spread over many
    pixels, and JPEG quantizes small high-frequency coefficients to 0.
    """
    return jpeg(75)(gaussian_noise(0.02)(y))


PERTURBATIONS: Mapping[str, Perturbation] = {
    "none": identity,
    "8 bits": quantize_8bit,
    "noise .01": gaussian_noise(0.01),
    "noise .02": gaussian_noise(0.02),
    "noise .05": gaussian_noise(0.05),
    "noise .1": gaussian_noise(0.1),
    "JPEG 90": jpeg(90),
    "JPEG 75": jpeg(75),
    "noise .02, JPEG 75": noise_then_jpeg,
}


def squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean squared difference of each item, (B,), in float64."""
    return (x.double() - y.double()).square().mean((1, 2, 3))


def r2(errors: Tensor, baseline_errors: Tensor) -> float:
    """Return the coefficient of determination R^2 = 1 - sum(errors) / sum(baseline_errors), clamped to [0, 1].

    `errors` (N,) are the squared errors of a reconstruction, `baseline_errors` (N,) those of the mean image, the best
    constant prediction. 1 is a perfect reconstruction; 0 is no better than the mean image.

    Raises ValueError if all inputs are equal.
    """
    if not (total := baseline_errors.sum().item()) > 0:
        raise ValueError("all inputs are equal, so R^2 is undefined; expected inputs that differ")
    return min(1.0, max(0.0, 1 - errors.sum().item() / total))


def real_image_change(targets: Iterable[Tensor], mean_image: Tensor, perturbation: Perturbation) -> float:
    """Return the fraction of the variance of real `targets` that a perturbation destroys, in [0, 1].

    It is the mean squared change by the perturbation, divided by the mean squared distance to `mean_image` (C, H, W). A
    translation without hidden signal loses as much as real images of its domain, for every method and reverse route.
    """
    change, total = 0.0, 0.0
    for y in targets:
        change += squared_error(perturbation(y), y).sum().item()
        total += squared_error(y, mean_image.expand_as(y)).sum().item()
    return min(1.0, change / total) if total else 0.0


def hidden_fraction(
    clean_errors: Tensor, perturbed_errors: Tensor, baseline_errors: Tensor, real_change: float
) -> FractionEstimate:
    """Return hidden information: the fraction of the inputs' variance that only faint signal carries, in [0, 1].

    `clean_errors` (N,) are the squared errors of a probe on translations. `perturbed_errors` (N,) are those of a probe
    that was trained and tested in the same manner, but on imperceptibly perturbed translations. `baseline_errors` is
    as for `r2`, `real_change` as from `real_image_change`:

        hidden = max(0, r2(clean) (1 - real_change) - r2(perturbed))

    0: all information about the input is visible in the translation, or there is none. 1: the translation determines
    the input, and all of that information is invisible. The second probe is trained on perturbed translations because
    an untrained reverse route can fail on noise even if the information is visible (fragile, not steganographic).
    Information that no probe recovers was in the faint signal. Equal training makes the imperfections of both probes
    cancel. The reaction of one reverse route to noise (Bashkirova's SN) is not sufficient: a route that amplifies faint
    signal reacts to noise on any image.
    """
    value = r2(clean_errors, baseline_errors) * (1 - real_change) - r2(perturbed_errors, baseline_errors)
    per_item = (
        perturbed_errors.clamp(max=baseline_errors) - clean_errors.clamp(max=baseline_errors) * (1 - real_change)
    ) / baseline_errors.mean()
    error = per_item.std().item() / math.sqrt(len(per_item)) if len(per_item) > 1 else 1.0
    return FractionEstimate(min(1.0, max(0.0, value)), error)


def sensitivity(reconstruct: Reconstruct, images: Iterable[Tensor], perturbation: Perturbation) -> float:
    """Return the mean squared change of a reconstruction under a perturbation, relative to its variance.

    0: no change; 2: the reconstructions before and after are uncorrelated. Returns 0 for a constant reconstruction.
    """
    batches = list(images)
    before = torch.cat([reconstruct(y).double() for y in batches])
    after = torch.cat([reconstruct(perturbation(y)).double() for y in batches])
    variance = squared_error(before, before.mean(0).expand_as(before)).sum().item()
    return squared_error(after, before).sum().item() / variance if variance > 0 else 0.0


def amplify_faint_signal(y: Tensor, gain: float = 15.0) -> Tensor:
    """Return tanh(gain (y - m)) in [-1, 1], where m is the mean over 5 x 5 pixels, to make faint signal visible.

    With the default gain, a difference of one of 255 levels to the surroundings becomes 15 levels; edges saturate.
    """
    smooth = functional.avg_pool2d(functional.pad(y, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return torch.tanh(gain * (y - smooth))
