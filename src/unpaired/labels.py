"""Labels: groups of attribute values, their vector encoding, and their domains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from pydantic import Field

from unpaired.config.settings import StrictModel

BatchKind = Literal["each", "pair", "labelled"]
"""Content of a training batch: items of every domain, items of two domains, or labeled items of any domain."""


class LabelGroup(StrictModel):
    """Values of one attribute: a single value is present or absent; several values exclude each other.

    Example: ("Male",) is a binary attribute; ("black", "blond") is a choice. `column` names the column of the label
    table that stores the values as text; it is empty if each value has its own column or folder.
    """

    values: tuple[str, ...] = Field(min_length=1)
    column: str = ""

    @property
    def is_exclusive(self) -> bool:
        """Whether the group has several values, of which exactly one applies."""
        return len(self.values) > 1

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the group's domains. A single value V also gives the domain "no-V"."""
        return self.values if self.is_exclusive else (self.values[0], f"no-{self.values[0]}")


class DomainLabel(NamedTuple):
    """Label of a domain: the index of its group, the columns of that group, and the values in these columns."""

    group_index: int
    columns: slice
    values: tuple[float, ...]


class Labels(StrictModel):
    """Definition of the label vector (L,): values 0 or 1, the columns of all groups concatenated.

    `dataset_groups` lists, for each data set, the groups that its items are labeled with. Data sets that are trained
    jointly may be labeled with different groups.
    """

    groups: tuple[LabelGroup, ...]
    dataset_groups: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        """Length L of the label vector."""
        return sum(len(group.values) for group in self.groups)

    @property
    def group_slices(self) -> tuple[slice, ...]:
        """Columns of each group in the label vector."""
        ends = [sum(len(group.values) for group in self.groups[: i + 1]) for i in range(len(self.groups))]
        return tuple(slice(end - len(group.values), end) for end, group in zip(ends, self.groups, strict=True))

    @property
    def values(self) -> tuple[str, ...]:
        """Names of the columns of the label vector."""
        return tuple(value for group in self.groups for value in group.values)

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of all domains, group by group."""
        return tuple(name for group in self.groups for name in group.domains)

    @property
    def domain_labels(self) -> tuple[DomainLabel, ...]:
        """Label of each domain, in the order of `domains`."""
        return tuple(
            DomainLabel(g, span, _one_hot(i, len(group.values)) if group.is_exclusive else (1.0 - i,))
            for g, (group, span) in enumerate(zip(self.groups, self.group_slices, strict=True))
            for i in range(len(group.domains))
        )

    def label_mask(self, dataset: int) -> tuple[float, ...]:
        """Return the mask (L,) of a data set: 1 in the columns that it labels, else 0."""
        return tuple(
            float(g in self.dataset_groups[dataset]) for g, group in enumerate(self.groups) for _ in group.values
        )

    def choose_mask(self, label: Sequence[float]) -> tuple[float, ...]:
        """Return the mask (L,) of a requested label, in which NaN means that a value stays as it is.

        With jointly trained data sets, this is the mask of the first data set that labels all requested groups; if
        there is none, only the requested values are unmasked.
        """
        groups = {g for g, span in enumerate(self.group_slices) if not any(map(math.isnan, label[span]))}
        dataset = next((i for i, labelled in enumerate(self.dataset_groups) if groups <= set(labelled)), None)
        return tuple(float(not math.isnan(value)) for value in label) if dataset is None else self.label_mask(dataset)

    def create_target_label(self, domain_index: int) -> tuple[float, ...]:
        """Return the label (L,) that requests a domain: the values of its group, and NaN for all others."""
        label, goal = self.create_unknown_label(), self.domain_labels[domain_index]
        label[goal.columns] = goal.values
        return tuple(label)

    def create_unknown_label(self) -> list[float]:
        """Return a label (L,) with every value unknown (NaN)."""
        return [math.nan] * self.size


def create_domain_labels(names: Sequence[str]) -> Labels:
    """Create the labels of a set of domain folders: one group whose values, the folder names, exclude each other."""
    return Labels(groups=(LabelGroup(values=tuple(names)),), dataset_groups=((0,),))


def _one_hot(index: int, length: int) -> tuple[float, ...]:
    return tuple(float(i == index) for i in range(length))
