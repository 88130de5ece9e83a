"""What labels mean: the groups of values that items are labelled with, and the domains that follow from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from unpaired.config.settings import StrictModel

BatchKind = Literal["each", "pair", "labelled"]
"""What a method takes of a step: an item of each domain, of two of them, or labelled items of any."""


class LabelGroup(StrictModel):
    """Values of one question. A single value is there or not; several exclude each other (hair is black or blond).

    `column` is the column of a table that has them as texts; empty where each value has a column, or a folder.
    """

    values: tuple[str, ...] = Field(min_length=1)
    column: str = ""

    @property
    def is_exclusive(self) -> bool:
        """Whether one of several values holds."""
        return len(self.values) > 1

    @property
    def domains(self) -> tuple[str, ...]:
        """What its values are called as domains: a single value has a counterpart without it."""
        return self.values if self.is_exclusive else (self.values[0], f"no-{self.values[0]}")


class DomainLabel(NamedTuple):
    """A domain as labels say it: the columns of its group, and the values they have."""

    group_index: int
    columns: slice
    values: tuple[float, ...]


class Labels(StrictModel):
    """A label is a vector (L,) of 0 and 1, the values of all groups one after the other.

    `sets` says for each data set which groups its items' labels tell; of joint data sets each may know others.
    """

    groups: tuple[LabelGroup, ...]
    dataset_groups: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """L, the number of values."""
        return sum(len(group.values) for group in self.groups)

    @property
    def group_slices(self) -> tuple[slice, ...]:
        """The columns of each group."""
        ends = [sum(len(group.values) for group in self.groups[: i + 1]) for i in range(len(self.groups))]
        return tuple(slice(end - len(group.values), end) for end, group in zip(ends, self.groups, strict=True))

    @property
    def values(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(value for group in self.groups for value in group.values)

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains, group by group."""
        return tuple(name for group in self.groups for name in group.domains)

    @property
    def domain_labels(self) -> tuple[DomainLabel, ...]:
        """What each of `domains` is, as labels say it."""
        return tuple(
            DomainLabel(g, span, _one_hot(i, len(group.values)) if group.is_exclusive else (1.0 - i,))
            for g, (group, span) in enumerate(zip(self.groups, self.group_slices, strict=True))
            for i in range(len(group.domains))
        )

    def label_mask(self, dataset: int) -> tuple[float, ...]:
        """For each column 1 where data set `of` tells it, else 0."""
        return tuple(
            float(g in self.dataset_groups[dataset]) for g, group in enumerate(self.groups) for _ in group.values
        )

    def create_unknown_label(self) -> list[float]:
        """A label of which nothing is known: NaN everywhere."""
        return [math.nan] * self.size


def create_domain_labels(names: Sequence[str]) -> Labels:
    """The labels of folders that are a domain each: one group of values that exclude each other."""
    return Labels(groups=(LabelGroup(values=tuple(names)),), dataset_groups=((0,),))


def _one_hot(index: int, length: int) -> tuple[float, ...]:
    return tuple(float(i == index) for i in range(length))
