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

from unpaired.media.jpeg import through_jpeg

Passage = Callable[[Tensor], Tensor]
"""What happens to pictures on their way: (B, C, H, W) in [-1, 1] to the same."""
Read = Callable[[Tensor], Tensor]
"""Reads the inputs from their translations: (B, C, H, W) in [-1, 1] to the same."""


class Share(NamedTuple):
    """A share in [0, 1] and its standard error over the items (1, the whole range, for fewer than two)."""

    value: float
    error: float


def as_it_is(y: Tensor) -> Tensor:
    """No passage."""
    return y


def noise(deviation: float) -> Passage:
    """Gaussian noise of `deviation` in units of [-1, 1] (.02 is 2.5 of 255 levels), drawn from torch's random state."""
    return lambda y: (y + deviation * torch.randn_like(y)).clamp(-1, 1)


def eight_bit(y: Tensor) -> Tensor:
    """The passage through a file of 256 levels."""
    return ((y.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def jpeg(quality: int) -> Passage:
    """The passage through a JPEG file of `quality` (1 to 100) with full colour resolution."""
    return lambda y: through_jpeg(y, quality)


def faint(y: Tensor) -> Tensor:
    """The passage of the headline: noise of .02, then JPEG 75. Eyes hardly see it; faint patterns do not outlive it.

    Noise drowns what is spread over many values, JPEG rounds away high frequencies of a few levels. Pictures keep about
    36 dB.
    """
    return jpeg(75)(noise(0.02)(y))


PASSAGES: Mapping[str, Passage] = {
    "none": as_it_is,
    "8 bits": eight_bit,
    "noise .01": noise(0.01),
    "noise .02": noise(0.02),
    "noise .05": noise(0.05),
    "noise .1": noise(0.1),
    "JPEG 90": jpeg(90),
    "JPEG 75": jpeg(75),
    "noise .02, JPEG 75": faint,
}


def squared(x: Tensor, y: Tensor) -> Tensor:
    """Mean squared difference of each item, (B,), in double."""
    return (x.double() - y.double()).square().mean((1, 2, 3))


def told(errors: Tensor, nothing: Tensor) -> float:
    """The share of the inputs that a reading tells, in [0, 1]: 1 - sum(errors) / sum(nothing), negative ones 0.

    `errors` (N,) are squared errors of the reading, `nothing` those of the average picture: what is known before a
    translation is seen. 1 is a perfect reading, 0 one that is no better than the average picture. Raises ValueError
    where all inputs are the average picture.
    """
    if not (known := nothing.sum().item()) > 0:
        raise ValueError("all inputs are equal: there is nothing that a translation could tell of them")
    return min(1.0, max(0.0, 1 - errors.sum().item() / known))


def honest_loss(targets: Iterable[Tensor], average: Tensor, passage: Passage) -> float:
    """What an honest picture loses in a passage: the share of real `targets` that reading them as they are misses.

    Mean squared change by the passage over the mean squared distance to `average` (C, H, W), in [0, 1]. A translation
    that shows all it tells loses as much as real pictures of its domain do; whatever the method, and its way back.
    """
    changed, known = 0.0, 0.0
    for y in targets:
        changed += squared(passage(y), y).sum().item()
        known += squared(y, average.expand_as(y)).sum().item()
    return min(1.0, changed / known) if known else 0.0


def hidden_share(plain: Tensor, marred: Tensor, nothing: Tensor, honest: float) -> Share:
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
    value = told(plain, nothing) * (1 - honest) - told(marred, nothing)
    each = (marred.clamp(max=nothing) - plain.clamp(max=nothing) * (1 - honest)) / nothing.mean()
    error = each.std().item() / math.sqrt(len(each)) if len(each) > 1 else 1.0
    return Share(min(1.0, max(0.0, value)), error)


def reaction(read: Read, pictures: Iterable[Tensor], passage: Passage) -> float:
    """How strongly a reading reacts to a passage: mean squared change over the variance of what is read.

    0: not at all; 2: what is read before and after have nothing in common. 0 where a reading is always the same.
    """
    batches = list(pictures)
    before = torch.cat([read(y).double() for y in batches])
    after = torch.cat([read(passage(y)).double() for y in batches])
    spread = squared(before, before.mean(0).expand_as(before)).sum().item()
    return squared(after, before).sum().item() / spread if spread > 0 else 0.0


def amplified(y: Tensor, gain: float = 15.0) -> Tensor:
    """The faint signal of pictures made visible: tanh(gain (y - its mean over 5 x 5 pixels)), in [-1, 1].

    A difference of one level of 255 to the surroundings becomes 15 of them; edges saturate.
    """
    smooth = functional.avg_pool2d(functional.pad(y, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return torch.tanh(gain * (y - smooth))
