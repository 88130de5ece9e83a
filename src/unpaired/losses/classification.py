"""Label terms: what a classifier's logits say of the labels that an item has, or is to get."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast


def classification_loss(logits: Tensor, label: Tensor, label_mask: Tensor, group_slices: Sequence[slice]) -> Tensor:
    """Cross entropy of `logits` (B, L) with `label` (B, L), in nats, summed over the groups that `spans` cuts L into.

    A group of one value is there or not (binary cross entropy); several exclude each other (softmax), and where none of
    them holds the group has no say. The mean over the items whose label is `known` (B, L); zero where there is none.
    """
    logits = upcast(logits)
    total = logits.new_zeros(())
    for span in group_slices:
        group_logits, target = logits[:, span], label[:, span].to(logits)
        item_losses = (
            _softmax_cross_entropy(group_logits, target)
            if group_logits.shape[1] > 1
            else _binary_cross_entropy(group_logits, target)
        )
        item_weights = label_mask[:, span.start].to(logits) * (target.sum(1) > 0 if group_logits.shape[1] > 1 else 1.0)
        total = total + (item_losses * item_weights).sum() / item_weights.sum().clamp(min=1)
    return total


def inverted_label_loss(logits: Tensor, label: Tensor, label_mask: Tensor, group_slices: Sequence[slice]) -> Tensor:
    """How far a classifier of codes is from being wrong (Lample et al. 2017, eq. 3): the terms of `classes`, with the
    opposite of a single value, and of values that exclude each other the others in equal shares.
    """
    logits = upcast(logits)
    total = logits.new_zeros(())
    for span in group_slices:
        group_logits, target = logits[:, span], label[:, span].to(logits)
        item_weights = label_mask[:, span.start].to(logits)
        if group_logits.shape[1] > 1:
            inverted_target = (1 - target) / (1 - target).sum(1, keepdim=True).clamp(min=1)
            item_losses = -(inverted_target * F.log_softmax(group_logits, dim=1)).sum(1)
        else:
            item_losses = _binary_cross_entropy(group_logits, 1 - target)
        total = total + (item_losses * item_weights).sum() / item_weights.sum().clamp(min=1)
    return total


def class_cross_entropy(scores: Tensor, class_index: int, num_classes: int) -> Tensor:
    """Cross entropy, in nats, of scores that tell `kinds` apart with their being of kind `which`: the mean over items,
    views and places. `scores` are (B, views x kinds, ...), the kinds of a view side by side.
    """
    log_probabilities = F.log_softmax(upcast(scores).unflatten(1, (-1, num_classes)), dim=2)
    return -log_probabilities[:, :, class_index].mean()


def predict_labels(logits: Tensor, group_slices: Sequence[slice]) -> Tensor:
    """The label (B, L) of 0 and 1 that `logits` (B, L) are for: of values that exclude each other the most likely."""
    group_labels = [
        F.one_hot(group_logits.argmax(1), group_logits.shape[1]).to(logits)
        if group_logits.shape[1] > 1
        else (group_logits > 0).to(logits)
        for group_logits in (logits[:, span] for span in group_slices)
    ]
    return torch.cat(group_labels, dim=1)


def select_domain_scores(scores: Tensor, label: Tensor, label_mask: Tensor, group_slices: Sequence[slice]) -> Tensor:
    """Of a critic with an output for each value of a label, the mean of those that an item's label has.

    `scores` (B, views x values, h, w), the values of a view side by side: those of each group in `spans`, and for a
    group of one value a second for its absence. `label` and `known` are (B, L); where nothing is known the score is
    zero. -> (B, views, h, w).
    """
    groups = [(label[:, span], label_mask[:, span.start : span.start + 1]) for span in group_slices]
    group_weights = [
        (group_label if group_label.shape[1] > 1 else torch.cat((group_label, 1 - group_label), dim=1)) * group_mask
        for group_label, group_mask in groups
    ]
    output_weights = torch.cat(group_weights, dim=1)
    output_weights = output_weights / output_weights.sum(1, keepdim=True).clamp(min=1)
    weighted_scores: Tensor = (
        scores.unflatten(1, (-1, output_weights.shape[1])) * output_weights[:, None, :, None, None]
    )
    return weighted_scores.sum(2)


def _softmax_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(target * F.log_softmax(logits, dim=1)).sum(1)


def _binary_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").sum(1)
