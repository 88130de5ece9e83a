"""What is asked of a method that is told by labels: `blond`, `blond,glasses`, `blond=0.7`."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.attributes import known_labels, read_table
from unpaired.data.paths import stem
from unpaired.errors import UsageError
from unpaired.labels import Labels
from unpaired.runs.config import RunConfig

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Wish:
    """The label that results are to have, NaN for what stays; and what is known of the inputs' labels, by file name.

    A file is told by as much of its path as a name has, else by its own name, else by its name without suffix.
    """

    label: Vector
    told: Mapping[str, Vector]
    digest: str
    table: Path | None = None

    def of(self, path: Path | None) -> Vector:
        """The label wanted of one file: what is known of it stays, what is asked changes."""
        own = self._own(path) if path and self.told else None
        if own is None:
            return self.label
        return tuple(had if math.isnan(asked) else asked for asked, had in zip(self.label, own, strict=True))

    def notes(self, paths: Iterable[Path]) -> list[str]:
        """What to say where the table does not tell of all `paths`; raises UsageError where it tells of none."""
        if self.table is None:
            return []
        total = untold = 0
        first: Path | None = None
        for path in paths:
            total += 1
            if self._own(path) is None:
                untold, first = untold + 1, first or path
        if not untold:
            return []
        if untold == total:
            raise UsageError(
                f"--labels {self.table}: has no row for any of the inputs, as {first}; expected their names in its "
                "first column"
            )
        return [
            f"--labels {self.table}: has no row for {untold:,} of {total:,} inputs, as {first}; of these, what is not "
            "asked for stays what it seems to be"
        ]

    def _own(self, path: Path) -> Vector | None:
        return next((self.told[name] for name in callings(path) if name in self.told), None)


def wished(config: RunConfig, labels: Labels, to: str, source: str | None, table: Path | None) -> Wish:
    """What `to` asks for: domains joined by commas, at most one of a group, each with an amount if need be.

    An amount is a share of the way from the other value: `glasses=0.5`. Where there are several others it is the way
    from `source`, which must then be known. `table` has the labels of the inputs.

    Raises UsageError for unknown domains, amounts that are no numbers, and a table of none of the labels.
    """
    names = [domain.name for domain in config.domains]
    label = labels.blank()
    asked: dict[int, str] = {}
    for part in to.split(","):
        name, equals, amount = (word.strip() for word in part.partition("="))
        config.key(name)
        goal = labels.goals[names.index(name)]
        if goal.group in asked:
            raise UsageError(f"--to {to}: {asked[goal.group]} and {name} exclude each other")
        asked[goal.group] = name
        share = _share(to, amount) if equals else 1.0
        start = _start(config, labels, goal.group, name, source) if share != 1 else goal.values
        label[goal.columns] = [(1 - share) * a + share * b for a, b in zip(start, goal.values, strict=True)]
    if table is None:
        return Wish(tuple(label), {}, "")
    if not table.is_file():
        raise UsageError(f"--labels {table}: no such file; expected a CSV whose first column names the inputs")
    rows = known_labels(read_table(table), labels)
    if all(math.isnan(value) for row in rows.values() for value in row):
        raise UsageError(f"--labels {table}: tells none of this run's labels, {', '.join(labels.domains)}")
    return Wish(tuple(label), by_names(rows), hashlib.sha256(table.read_bytes()).hexdigest(), table)


def by_names(told: Mapping[str, Vector]) -> dict[str, Vector]:
    """What is told of files, also by their names without folder or suffix, where those are of one file alone."""
    short: dict[str, dict[Vector, None]] = {}
    for name, label in told.items():
        own = name.rpartition("/")[2]
        for other in {own, stem(name), stem(own)} - told.keys():
            short.setdefault(other, {})[label] = None
    return {**told, **{name: next(iter(labels)) for name, labels in short.items() if len(labels) == 1}}


def callings(path: Path) -> Iterator[str]:
    """What a table may call a file: its path from ever further in, with and without suffix."""
    parts = path.parts
    for start in range(len(parts)):
        name = "/".join(parts[start:])
        yield from (name, stem(name))


def _share(to: str, amount: str) -> float:
    try:
        share = float(amount)
    except ValueError:
        share = math.nan
    if not math.isfinite(share):
        raise UsageError(f"--to {to}: '{amount}'; expected a number, as blond=0.7")
    return share


def _start(config: RunConfig, labels: Labels, group: int, name: str, source: str | None) -> Vector:
    """The values of a group that an amount of `name` starts from."""
    domains = labels.groups[group].domains
    if source is None and len(domains) == 2:
        source = domains[1 - domains.index(name)]
    if source is None:
        values = ", ".join(labels.groups[group].values)
        raise UsageError(f"an amount of one of {values} is a way from another of them; say from which: --from DOMAIN")
    return _of(config, labels, group, source)


def _of(config: RunConfig, labels: Labels, group: int, source: str) -> Vector:
    config.key(source)
    goal = labels.goals[[domain.name for domain in config.domains].index(source)]
    if goal.group != group:
        raise UsageError(f"--from {source}: not one of {', '.join(labels.groups[group].domains)}")
    return goal.values
