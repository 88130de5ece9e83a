"""Label requests for label-conditioned methods: `blond`, `blond,glasses`, `blond=0.7`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unpaired.config.model_description import ModelDescription
from unpaired.data.label_table import read_known_labels, read_table
from unpaired.data.paths import remove_suffix
from unpaired.errors import UsageError
from unpaired.file_names import normalize_name
from unpaired.labels import Labels
from unpaired.translate.network import LabelVector

MAX_AMOUNT = 100
"""Maximum distance of an amount from 0, far beyond the amounts that networks were trained with (0 to 1)."""


@dataclass(frozen=True)
class LabelRequest:
    """The requested label (L,), NaN for values that stay unchanged, and the known labels of inputs by file name.

    The name of a table row may be the path of a file, its trailing part or the file name, each with or without suffix.
    `digest` is the SHA-256 of the table, empty without one.
    """

    label: LabelVector
    known_labels: Mapping[str, LabelVector]
    digest: str
    table: Path | None = None

    def get_target_label(self, path: Path | None) -> LabelVector:
        """Return the target label of one file: its known label with the requested values replaced."""
        input_label = self._find_known_label(path) if path and self.known_labels else None
        if input_label is None:
            return self.label
        return tuple(
            input_value if math.isnan(requested_value) else requested_value
            for requested_value, input_value in zip(self.label, input_label, strict=True)
        )

    def check_inputs(self, paths: Iterable[Path]) -> list[str]:
        """Return a warning if the table lacks rows for some of `paths`; raises UsageError if it lacks all."""
        if self.table is None:
            return []
        total = unlabelled_count = 0
        first_unlabelled: Path | None = None
        for path in paths:
            total += 1
            if self._find_known_label(path) is None:
                unlabelled_count, first_unlabelled = unlabelled_count + 1, first_unlabelled or path
        if not unlabelled_count:
            return []
        if unlabelled_count == total:
            raise UsageError(
                f"--labels {self.table}: has no row for any of the inputs, for instance {first_unlabelled}; expected "
                "their names in its first column"
            )
        return [
            f"--labels {self.table}: has no row for {unlabelled_count:,} of {total:,} inputs, for instance "
            f"{first_unlabelled}; the model estimates the labels of these inputs"
        ]

    def _find_known_label(self, path: Path) -> LabelVector | None:
        return next(
            (self.known_labels[name] for name in iterate_candidate_names(path) if name in self.known_labels), None
        )


def parse_label_request(
    config: ModelDescription, labels: Labels, to: str, source: str | None, table: Path | None
) -> LabelRequest:
    """Parse `to`: domains separated by commas, at most one of each label group, each with an optional amount.

    An amount such as `glasses=0.5` interpolates linearly from the other value of the group (0) to the named one (1). A
    group with more than two values needs `source`, the value to interpolate from. `table` is a CSV file with the labels
    of the inputs.

    Raises UsageError for unknown domains, amounts that are not numbers, and a table without any of the run's labels.
    """
    names = [domain.name for domain in config.domains]
    label = labels.create_unknown_label()
    name_by_group: dict[int, str] = {}
    for requested_domain in to.split(","):
        name, separator, amount = (word.strip() for word in requested_domain.partition("="))
        config.find_key(name)
        goal = labels.domain_labels[names.index(name)]
        if goal.group_index in name_by_group:
            raise UsageError(f"--to {to}: {name_by_group[goal.group_index]} and {name} exclude each other")
        name_by_group[goal.group_index] = name
        fraction = _parse_fraction(to, amount) if separator else 1.0
        start_values = (
            _get_start_values(config, labels, goal.group_index, name, source) if fraction != 1 else goal.values
        )
        label[goal.columns] = [
            (1 - fraction) * a + fraction * b for a, b in zip(start_values, goal.values, strict=True)
        ]
    if table is None:
        return LabelRequest(tuple(label), {}, "")
    if not table.is_file():
        raise UsageError(f"--labels {table}: no such file; expected a CSV whose first column names the inputs")
    labels_by_name = read_known_labels(read_table(table), labels)
    if all(math.isnan(value) for row in labels_by_name.values() for value in row):
        raise UsageError(f"--labels {table}: has none of this run's labels: {', '.join(labels.domains)}")
    return LabelRequest(
        tuple(label), index_by_names(labels_by_name), hashlib.sha256(table.read_bytes()).hexdigest(), table
    )


def index_by_names(known_labels: Mapping[str, LabelVector]) -> dict[str, LabelVector]:
    """Add keys without folder or suffix to a label table, if all files with such a short name have the same label."""
    labels_by_short_name: dict[str, dict[LabelVector, None]] = {}
    for name, label in known_labels.items():
        file_name = name.rpartition("/")[2]
        for short_name in {file_name, remove_suffix(name), remove_suffix(file_name)} - known_labels.keys():
            labels_by_short_name.setdefault(short_name, {})[label] = None
    unique_labels = {name: next(iter(labels)) for name, labels in labels_by_short_name.items() if len(labels) == 1}
    return {normalize_name(name): label for name, label in (unique_labels | dict(known_labels)).items()}


def iterate_candidate_names(path: Path) -> Iterator[str]:
    """Yield the names that a table may use for a file: its path and all trailing parts, with and without suffix."""
    parts = path.parts
    for start in range(len(parts)):
        name = normalize_name("/".join(parts[start:]))
        yield from (name, remove_suffix(name))


def _parse_fraction(to: str, amount: str) -> float:
    try:
        fraction = float(amount)
    except ValueError:
        fraction = math.nan
    if not abs(fraction) <= MAX_AMOUNT:
        raise UsageError(
            f"--to {to}: '{amount}'; expected a number from -{MAX_AMOUNT} to {MAX_AMOUNT}, for instance blond=0.7"
        )
    return fraction


def _get_start_values(
    config: ModelDescription, labels: Labels, group: int, name: str, source: str | None
) -> LabelVector:
    """Return the values of a group at amount 0 of `name`. Raises UsageError if `source` is needed and missing."""
    domains = labels.groups[group].domains
    if source is None and len(domains) == 2:
        source = domains[1 - domains.index(name)]
    if source is None:
        values = ", ".join(labels.groups[group].values)
        raise UsageError(f"add --from DOMAIN: an amount of {name} needs the value to start from, one of {values}")
    return _get_group_values(config, labels, group, source)


def _get_group_values(config: ModelDescription, labels: Labels, group: int, source: str) -> LabelVector:
    config.find_key(source)
    goal = labels.domain_labels[[domain.name for domain in config.domains].index(source)]
    if goal.group_index != group:
        raise UsageError(f"--from {source}: not one of {', '.join(labels.groups[group].domains)}")
    return goal.values
