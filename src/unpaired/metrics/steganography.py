"""Hidden information: what of an input its translation carries in signal that eyes do not see.

A generator that must be undone can write its input into faint patterns of its output (Chu, Zhmoginov and Sandler 2017,
arXiv:1712.02950; Bashkirova, Usman and Saenko 2019, arXiv:1908.01517). Then the way back recovers what the output does
not show. Here are the passages that destroy faint signal, and the share of an input that is lost in them. Pictures are
(B, C, H, W) in [-1, 1]; nothing here knows a method, a file or a run.
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
"""What happens to pictures on their way: (B, C, H, W) in [-1, 1] to the same."""
Reconstruct = Callable[[Tensor], Tensor]
"""Reads the inputs from their translations: (B, C, H, W) in [-1, 1] to the same."""


class FractionEstimate(NamedTuple):
    """A share in [0, 1] and its standard error over the items (1, the whole range, for fewer than two)."""

    value: float
    error: float


def identity(y: Tensor) -> Tensor:
    """No passage."""
    return y


def gaussian_noise(std: float) -> Perturbation:
    """Gaussian noise of `deviation` in units of [-1, 1] (.02 is 2.5 of 255 levels), drawn from torch's random state."""
    return lambda y: (y + std * torch.randn_like(y)).clamp(-1, 1)


def quantize_8bit(y: Tensor) -> Tensor:
    """The passage through a file of 256 levels."""
    return ((y.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def jpeg(quality: int) -> Perturbation:
    """The passage through a JPEG file of `quality` (1 to 100) with full colour resolution."""
    return lambda y: compress_jpeg(y, quality)


def noise_then_jpeg(y: Tensor) -> Tensor:
    """The passage of the headline: noise of .02, then JPEG 75. Eyes hardly see it; faint patterns do not outlive it.

    Noise drowns what is spread over many values, JPEG rounds away high frequencies of a few levels. Pictures keep about
    36 dB.
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
    """Mean squared difference of each item, (B,), in double."""
    return (x.double() - y.double()).square().mean((1, 2, 3))


def r2(errors: Tensor, baseline_errors: Tensor) -> float:
    """The share of the inputs that a reading tells, in [0, 1]: 1 - sum(errors) / sum(nothing), negative ones 0.

    `errors` (N,) are squared errors of the reading, `nothing` those of the average picture: what is known before a
    translation is seen. 1 is a perfect reading, 0 one that is no better than the average picture. Raises ValueError
    where all inputs are the average picture.
    """
    if not (total := baseline_errors.sum().item()) > 0:
        raise ValueError("all inputs are equal: there is nothing that a translation could tell of them")
    return min(1.0, max(0.0, 1 - errors.sum().item() / total))


def real_image_change(targets: Iterable[Tensor], mean_image: Tensor, perturbation: Perturbation) -> float:
    """What an honest picture loses in a passage: the share of real `targets` that reading them as they are misses.

    Mean squared change by the passage over the mean squared distance to `average` (C, H, W), in [0, 1]. A translation
    that shows all it tells loses as much as real pictures of its domain do; whatever the method, and its way back.
    """
    change, total = 0.0, 0.0
    for y in targets:
        change += squared_error(perturbation(y), y).sum().item()
        total += squared_error(y, mean_image.expand_as(y)).sum().item()
    return min(1.0, change / total) if total else 0.0


def hidden_fraction(
    clean_errors: Tensor, perturbed_errors: Tensor, baseline_errors: Tensor, real_change: float
) -> FractionEstimate:
    """Hidden information: the share of the inputs that is told by faint signal alone, in [0, 1].

    `plain` (N,) are squared errors of a reader of translations; `marred` those of a reader that was taught alike, but
    on translations after a passage that eyes do not see, and that reads such; `nothing` as for `told`, `honest` as of
    `honest_loss`:

        hidden = told(plain) (1 - honest) - told(marred), at least 0

    0: all that the translation tells of its input can be seen in it (or it tells nothing). 1: it tells everything, and
    shows nothing. The reader of the passage is *taught*, for a way back that never saw noise may fail on it though
    everything is there to be seen: fragile, not deceived. What no reading recovers was in the faint signal. Taught
    alike, the readers' own imperfections cancel. How one way back reacts to noise on real targets (as Bashkirova's SN
    measures it on translations) is no reference: a way back that amplifies faint signal reacts to noise on anything.
    """
    value = r2(clean_errors, baseline_errors) * (1 - real_change) - r2(perturbed_errors, baseline_errors)
    per_item = (
        perturbed_errors.clamp(max=baseline_errors) - clean_errors.clamp(max=baseline_errors) * (1 - real_change)
    ) / baseline_errors.mean()
    error = per_item.std().item() / math.sqrt(len(per_item)) if len(per_item) > 1 else 1.0
    return FractionEstimate(min(1.0, max(0.0, value)), error)


def sensitivity(reconstruct: Reconstruct, images: Iterable[Tensor], perturbation: Perturbation) -> float:
    """How strongly a reading reacts to a passage: mean squared change over the variance of what is read.

    0: not at all; 2: what is read before and after have nothing in common. 0 where a reading is always the same.
    """
    batches = list(images)
    before = torch.cat([reconstruct(y).double() for y in batches])
    after = torch.cat([reconstruct(perturbation(y)).double() for y in batches])
    variance = squared_error(before, before.mean(0).expand_as(before)).sum().item()
    return squared_error(after, before).sum().item() / variance if variance > 0 else 0.0


def amplify_faint_signal(y: Tensor, gain: float = 15.0) -> Tensor:
    """The faint signal of pictures made visible: tanh(gain (y - its mean over 5 x 5 pixels)), in [-1, 1].

    A difference of one level of 255 to the surroundings becomes 15 of them; edges saturate.
    """
    smooth = functional.avg_pool2d(functional.pad(y, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return torch.tanh(gain * (y - smooth))
