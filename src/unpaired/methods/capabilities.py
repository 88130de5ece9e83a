"""Kinds of methods: what some can do beside translating, which commands ask for by `isinstance`."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.labels import BatchKind, Labels
from unpaired.losses.classification import select_domain_scores
from unpaired.methods.base import Method, Route


class EncoderDecoderMethod(Method):
    """A method whose every domain has an encoder and a decoder; translating is the source's, then the target's."""

    @abstractmethod
    def encode(self, x: Tensor, domain: str) -> Tensor:
        """`x` (B, C, H, W) in [-1, 1] of `domain` -> its codes (B, ...), without noise."""

    @abstractmethod
    def decode(self, code: Tensor, domain: str) -> Tensor:
        """Codes (B, ...) -> items of `domain` in [-1, 1]."""

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Encode in `source`, decode in `target`; what has lost its size in the code is brought to that of `x`."""
        y = self.decode(self.encode(x, source), target)
        if y.shape[-2:] == x.shape[-2:]:
            return y
        return F.interpolate(y, x.shape[-2:], mode="bilinear", antialias=True)


class LabelConditionedMethod(Method):
    """A method that takes an item of any domain and is told by a label what to make of it."""

    batch_kind: ClassVar[BatchKind] = "labelled"
    labels: Labels
    domains: Sequence[str]
    per_domain_scores: bool = False
    """Whether its critic has an output for each value of a label, and so tells real items of a domain, not of any."""

    @abstractmethod
    def apply_labels(self, x: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """`x` (B, C, H, W) in [-1, 1] with the label (B, L) in [0, 1]; where `known` (B, L) is 0 nothing is asked."""

    @abstractmethod
    def classify(self, x: Tensor) -> Tensor:
        """The labels (B, L), 0 and 1, that `x` (B, C, H, W) seems to have."""

    @property
    def discriminator_outputs(self) -> int:
        """How many outputs the critic has."""
        return len(self.labels.domains) if self.per_domain_scores else 1

    def select_label_scores(self, scores: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """What the critic gives (B, views x outputs, h, w) -> the scores that count for the label (B, views, h, w)."""
        return (
            select_domain_scores(scores, label, label_mask, self.labels.group_slices)
            if self.per_domain_scores
            else scores
        )

    def translate_to_labels(self, x: Tensor, target_label: Tensor) -> Tensor:
        """`x` with what is `wanted` (L,), NaN for what stays: that is asked of `classify`.

        Of joint data sets the one is meant whose labels tell all that is wanted; where none does, that is all that is
        asked.
        """
        target_groups = {g for g, span in enumerate(self.labels.group_slices) if not target_label[span].isnan().any()}
        dataset = next((i for i, groups in enumerate(self.labels.dataset_groups) if target_groups <= set(groups)), None)
        label_mask = (
            torch.tensor(self.labels.label_mask(dataset)) if dataset is not None else (~target_label.isnan()).float()
        )
        label, label_mask = target_label.to(x).expand(len(x), -1), label_mask.to(x).expand(len(x), -1)
        if (label.isnan() & (label_mask > 0)).any():
            label = torch.where(label.isnan(), self.classify(x).to(label), label)
        return self.apply_labels(x, label.nan_to_num() * label_mask, label_mask)

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """`x` with the values of the domain `target`; other labels stay what they seem to be."""
        domain_label = self.labels.domain_labels[self.domains.index(target)]
        target_label = torch.full((self.labels.size,), torch.nan)
        target_label[domain_label.columns] = torch.tensor(domain_label.values)
        return self.translate_to_labels(x, target_label)

    def build_routes(self, roles: tuple[str, ...], classifiers: tuple[str, ...]) -> tuple[Route, ...]:
        """A route between any two domains that are values of one group, by `roles`.

        The `classifiers` are needed too where items have labels of other groups, which are to stay.
        """
        out = []
        for (a, label_a), (b, label_b) in itertools.permutations(
            zip(self.domains, self.labels.domain_labels, strict=True), 2
        ):
            if label_a.group_index == label_b.group_index:
                dataset_groups = next(groups for groups in self.labels.dataset_groups if label_a.group_index in groups)
                out.append(Route(a, b, roles + (classifiers if len(dataset_groups) > 1 else ())))
        return tuple(out)


class SamplingMethod(Method):
    """A method that makes items from nothing but random numbers."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Of each domain `count` items (count, C, H, W) in [-1, 1], those of an index joint; `generator` is a CPU's."""
