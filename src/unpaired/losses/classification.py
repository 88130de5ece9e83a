"""Classification losses on label logits, and the conversion of logits and scores by label."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast


def classification_loss(logits: Tensor, label: Tensor, label_mask: Tensor, group_slices: Sequence[slice]) -> Tensor:
    """Return the cross entropy, in nats, of `logits` (B, L) with `label` (B, L), summed over label groups.

    `group_slices` divides the L columns into groups: a group of one value is binary (binary cross entropy), the values
    of a larger group exclude each other (softmax). The loss of a group is the mean over the items whose label is known,
    that is `label_mask` (B, L) is 1, and, for a larger group, has one value set. It is 0 if there is no such item.
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
    """Return the loss that makes a latent classifier predict wrong labels (Lample et al. 2017, eq. 3).

    It is `classification_loss` with inverted targets: the opposite of a binary value; for values that exclude each
    other, the uniform distribution over the wrong ones.
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
    """Return the cross entropy, in nats, of class scores with the class `class_index`.

    `scores` are (B, views x num_classes, ...), with the classes of a view adjacent. The loss is the mean over items,
    views and positions.
    """
    log_probabilities = F.log_softmax(upcast(scores).unflatten(1, (-1, num_classes)), dim=2)
    return -log_probabilities[:, :, class_index].mean()


def predict_labels(logits: Tensor, group_slices: Sequence[slice]) -> Tensor:
    """Return the most likely label (B, L), 0 or 1, from `logits` (B, L); one value per group of exclusive values."""
    group_labels = [
        F.one_hot(group_logits.argmax(1), group_logits.shape[1]).to(logits)
        if group_logits.shape[1] > 1
        else (group_logits > 0).to(logits)
        for group_logits in (logits[:, span] for span in group_slices)
    ]
    return torch.cat(group_labels, dim=1)


def select_domain_scores(scores: Tensor, label: Tensor, label_mask: Tensor, group_slices: Sequence[slice]) -> Tensor:
    """Return the mean of the discriminator outputs that belong to an item's domains: (B, views, h, w).

    `scores` are (B, views x outputs, h, w), with the outputs of a view adjacent. The outputs follow the groups of
    `group_slices`, one per value; a binary group has a second output for the absence of its value. `label` and
    `label_mask` are (B, L). The score is 0 if no label of an item is known.
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
