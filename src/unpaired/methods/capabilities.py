"""Capabilities of methods beyond translation; commands check for them with `isinstance`."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.labels import BatchKind, Labels
from unpaired.losses.classification import select_domain_scores
from unpaired.methods.base import Batch, BatchTranslation, Method
from unpaired.routes import Route


class EncoderDecoderMethod(Method):
    """A method with an encoder and a decoder per domain: it encodes with the source's and decodes with the target's."""

    @abstractmethod
    def encode(self, x: Tensor, domain: str) -> Tensor:
        """Encode `x` (B, C, H, W) in [-1, 1] of `domain` to its latent codes (B, ...), without noise."""

    @abstractmethod
    def decode(self, code: Tensor, domain: str) -> Tensor:
        """Decode latent codes (B, ...) to items of `domain` in [-1, 1]."""

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Encode in `source` and decode in `target`; outputs of another size are resized to that of `x`."""
        y = self.decode(self.encode(x, source), target)
        if y.shape[-2:] == x.shape[-2:]:
            return y
        return F.interpolate(y, x.shape[-2:], mode="bilinear", antialias=True)


class LabelConditionedMethod(Method):
    """A method that translates items of any domain to a target given by a label."""

    batch_kind: ClassVar[BatchKind] = "labelled"
    labels: Labels
    domains: Sequence[str]
    per_domain_scores: bool = False
    """Whether the discriminator has one output per domain, and so scores realism within a domain."""
    translating_roles: tuple[str, ...] = ()
    """Roles of `apply_labels`; set by `build_routes`."""

    @abstractmethod
    def apply_labels(self, x: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """Translate `x` (B, C, H, W) in [-1, 1] to the labels (B, L) in [0, 1].

        `label_mask` (B, L) is 0 for the values that are not requested.
        """

    @abstractmethod
    def classify(self, x: Tensor) -> Tensor:
        """Predict the labels (B, L), 0 or 1, of `x` (B, C, H, W)."""

    @property
    def discriminator_outputs(self) -> int:
        """Number of outputs of the discriminator."""
        return len(self.labels.domains) if self.per_domain_scores else 1

    def select_label_scores(self, scores: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """Select the scores that belong to each item's label.

        `scores` (B, views x outputs, h, w) are the discriminator's; returns (B, views, h, w).
        """
        return (
            select_domain_scores(scores, label, label_mask, self.labels.group_slices)
            if self.per_domain_scores
            else scores
        )

    def translate_to_labels(self, x: Tensor, target_label: Tensor) -> Tensor:
        """Translate `x` to `target_label` (L,), in which NaN means that a value stays as `classify` predicts it.

        `Labels.choose_mask` gives the mask.
        """
        label_mask = torch.tensor(self.labels.choose_mask(target_label.tolist()))
        label, label_mask = target_label.to(x).expand(len(x), -1), label_mask.to(x).expand(len(x), -1)
        if (label.isnan() & (label_mask > 0)).any():
            label = torch.where(label.isnan(), self.classify(x).to(label), label)
        return self.apply_labels(x, label.nan_to_num() * label_mask, label_mask)

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Translate `x` to the domain `target`; labels of other groups stay as `classify` predicts them."""
        return self.translate_to_labels(x, torch.tensor(self.labels.create_target_label(self.domains.index(target))))

    def list_translations(self, batch: Batch) -> list[BatchTranslation]:
        """Return the translation of the batch to the labels of other items of it, in random order."""
        label, label_mask = batch["label"], batch["label_mask"]
        target_label = label[torch.randperm(len(label))]

        def translate(x: Tensor) -> Tensor:
            return self.apply_labels(x, target_label[: len(x)], label_mask[: len(x)])

        return [BatchTranslation(("x",), self.translating_roles, batch["x"], translate, (label, target_label))]

    def build_routes(self, roles: tuple[str, ...], classifiers: tuple[str, ...]) -> tuple[Route, ...]:
        """Build a route between any two domains of one group; each needs `roles`, those of `apply_labels`.

        If items also have labels of other groups, which must be preserved, the route needs the `classifiers` too.
        """
        self.translating_roles = roles
        out = []
        for (a, label_a), (b, label_b) in itertools.permutations(
            zip(self.domains, self.labels.domain_labels, strict=True), 2
        ):
            if label_a.group_index == label_b.group_index:
                dataset_groups = next(groups for groups in self.labels.dataset_groups if label_a.group_index in groups)
                out.append(Route(a, b, roles + (classifiers if len(dataset_groups) > 1 else ())))
        return tuple(out)


class SynthesisMethod(Method):
    """A method that synthesizes items of a domain from conditions: features of the content of an item of any origin.

    The medium puts the conditions below the values of an item: in (B, C, H, W), the last `net.num_conditions` rows are
    conditions. `translate` depends on these rows only, so the source need not be a domain of the run; it returns the
    conditions unchanged. One domain is enough.
    """

    export_refusal: ClassVar[str] = "needs the encoder that computes its conditions, which an exported file lacks"

    def list_translations(self, batch: Batch) -> list[BatchTranslation]:
        """Return the synthesis of each domain's items in their own domain, as in training."""
        roles = {route.target: route.roles for route in self.routes}
        return [
            BatchTranslation((key, key), roles[key], x, partial(self.translate, source=key, target=key))
            for key, x in batch.items()
        ]


class SamplingMethod(Method):
    """A method that generates items from random latent codes."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Generate `count` items (count, C, H, W) in [-1, 1] of each domain, with a CPU `generator`.

        Items of the same index come from the same latent code.
        """
