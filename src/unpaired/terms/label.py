"""Label terms: what a classifier's logits say of the labels that an item has, or is to get."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.terms.adversarial import wide


def classes(logits: Tensor, label: Tensor, known: Tensor, spans: Sequence[slice]) -> Tensor:
    """Cross entropy of `logits` (B, L) with `label` (B, L), in nats, summed over the groups that `spans` cuts L into.

    A group of one value is there or not (binary cross entropy); several exclude each other (softmax), and where none of
    them holds the group has no say. The mean over the items whose label is `known` (B, L); zero where there is none.
    """
    logits = wide(logits)
    total = logits.new_zeros(())
    for span in spans:
        part, truth = logits[:, span], label[:, span].to(logits)
        each = _exclusive(part, truth) if part.shape[1] > 1 else _single(part, truth)
        told = known[:, span.start].to(logits) * (truth.sum(1) > 0 if part.shape[1] > 1 else 1.0)
        total = total + (each * told).sum() / told.sum().clamp(min=1)
    return total


def confused(logits: Tensor, label: Tensor, known: Tensor, spans: Sequence[slice]) -> Tensor:
    """How far a classifier of codes is from being wrong (Lample et al. 2017, eq. 3): the terms of `classes`, with the
    opposite of a single value, and of values that exclude each other the others in equal shares.
    """
    logits = wide(logits)
    total = logits.new_zeros(())
    for span in spans:
        part, truth = logits[:, span], label[:, span].to(logits)
        told = known[:, span.start].to(logits)
        if part.shape[1] > 1:
            others = (1 - truth) / (1 - truth).sum(1, keepdim=True).clamp(min=1)
            each = -(others * F.log_softmax(part, dim=1)).sum(1)
        else:
            each = _single(part, 1 - truth)
        total = total + (each * told).sum() / told.sum().clamp(min=1)
    return total


def said(scores: Tensor, which: int, kinds: int) -> Tensor:
    """Cross entropy, in nats, of scores that tell `kinds` apart with their being of kind `which`: the mean over items,
    views and places. `scores` are (B, views x kinds, ...), the kinds of a view side by side.
    """
    told = F.log_softmax(wide(scores).unflatten(1, (-1, kinds)), dim=2)
    return -told[:, :, which].mean()


def decided(logits: Tensor, spans: Sequence[slice]) -> Tensor:
    """The label (B, L) of 0 and 1 that `logits` (B, L) are for: of values that exclude each other the most likely."""
    parts = [
        F.one_hot(part.argmax(1), part.shape[1]).to(logits) if part.shape[1] > 1 else (part > 0).to(logits)
        for part in (logits[:, span] for span in spans)
    ]
    return torch.cat(parts, dim=1)


def own(scores: Tensor, label: Tensor, known: Tensor, spans: Sequence[slice]) -> Tensor:
    """Of a critic with an output for each value of a label, the mean of those that an item's label has.

    `scores` (B, views x values, h, w), the values of a view side by side: those of each group in `spans`, and for a
    group of one value a second for its absence. `label` and `known` are (B, L); where nothing is known the score is
    zero. -> (B, views, h, w).
    """
    groups = [(label[:, span], known[:, span.start : span.start + 1]) for span in spans]
    held = [(part if part.shape[1] > 1 else torch.cat((part, 1 - part), dim=1)) * told for part, told in groups]
    share = torch.cat(held, dim=1)
    share = share / share.sum(1, keepdim=True).clamp(min=1)
    chosen: Tensor = scores.unflatten(1, (-1, share.shape[1])) * share[:, None, :, None, None]
    return chosen.sum(2)


def _exclusive(logits: Tensor, truth: Tensor) -> Tensor:
    return -(truth * F.log_softmax(logits, dim=1)).sum(1)


def _single(logits: Tensor, truth: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum(1)
