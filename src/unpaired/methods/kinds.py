"""Kinds of methods: what some can do beside translating, which commands ask for by `isinstance`."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.labels import Draws, Labels
from unpaired.methods.game import Method, Route
from unpaired.terms.label import own


class Coding(Method):
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


class Labelled(Method):
    """A method that takes an item of any domain and is told by a label what to make of it."""

    draws: ClassVar[Draws] = "labelled"
    labels: Labels
    domains: Sequence[str]
    own_scores: bool = False
    """Whether its critic has an output for each value of a label, and so tells real items of a domain, not of any."""

    @abstractmethod
    def relabel(self, x: Tensor, label: Tensor, known: Tensor) -> Tensor:
        """`x` (B, C, H, W) in [-1, 1] with the label (B, L) in [0, 1]; where `known` (B, L) is 0 nothing is asked."""

    @abstractmethod
    def classify(self, x: Tensor) -> Tensor:
        """The labels (B, L), 0 and 1, that `x` (B, C, H, W) seems to have."""

    @property
    def outputs(self) -> int:
        """How many outputs the critic has."""
        return len(self.labels.domains) if self.own_scores else 1

    def scored(self, scores: Tensor, label: Tensor, known: Tensor) -> Tensor:
        """What the critic gives (B, views x outputs, h, w) -> the scores that count for the label (B, views, h, w)."""
        return own(scores, label, known, self.labels.spans) if self.own_scores else scores

    def become(self, x: Tensor, wanted: Tensor) -> Tensor:
        """`x` with what is `wanted` (L,), NaN for what stays: that is asked of `classify`.

        Of joint data sets the one is meant whose labels tell all that is wanted; where none does, that is all that is
        asked.
        """
        asked = {g for g, span in enumerate(self.labels.spans) if not wanted[span].isnan().any()}
        of = next((i for i, groups in enumerate(self.labels.sets) if asked <= set(groups)), None)
        known = torch.tensor(self.labels.known(of)) if of is not None else (~wanted.isnan()).float()
        label, known = wanted.to(x).expand(len(x), -1), known.to(x).expand(len(x), -1)
        if (label.isnan() & (known > 0)).any():
            label = torch.where(label.isnan(), self.classify(x).to(label), label)
        return self.relabel(x, label.nan_to_num() * known, known)

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """`x` with the values of the domain `target`; other labels stay what they seem to be."""
        goal = self.labels.goals[self.domains.index(target)]
        wanted = torch.full((self.labels.size,), torch.nan)
        wanted[goal.columns] = torch.tensor(goal.values)
        return self.become(x, wanted)

    def routes_by(self, roles: tuple[str, ...], classifiers: tuple[str, ...]) -> tuple[Route, ...]:
        """A route between any two domains that are values of one group, by `roles`.

        The `classifiers` are needed too where items have labels of other groups, which are to stay.
        """
        out = []
        for (a, one), (b, other) in itertools.permutations(zip(self.domains, self.labels.goals, strict=True), 2):
            if one.group == other.group:
                told = next(groups for groups in self.labels.sets if one.group in groups)
                out.append(Route(a, b, roles + (classifiers if len(told) > 1 else ())))
        return tuple(out)


class Sampling(Method):
    """A method that makes items from nothing but random numbers."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Of each domain `count` items (count, C, H, W) in [-1, 1], those of an index joint; `generator` is a CPU's."""
