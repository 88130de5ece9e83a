"""Tables of methods and media that other installed packages can extend by entry points."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from unpaired.errors import UnpairedWarning, UsageError, format_first_line


class Named(Protocol):
    """An entry of a table."""

    @property
    def name(self) -> str:
        """The key of the entry."""
        ...


@dataclass(frozen=True)
class Plugin:
    """An entry point of an installed package."""

    name: str
    package: str
    """Name and version of the package."""
    problem: str = ""
    """Why it is left out; empty if it was loaded."""


T = TypeVar("T", bound=Named)


class PluginTable(MutableMapping[str, T], Generic[T]):
    """Name -> entry: those of this package, then those of other packages in alphabetical order.

    Entry points are loaded when the table is first read, since the modules of plugins import those of this package. One
    that cannot be loaded is left out with a warning, so that it does not stop work that does not need it.
    """

    def __init__(self, group: str, kind: type[Any], entries: Iterable[T]) -> None:
        """Create the table of `entries` and of the entry points of `group`, which must be of the type `kind`."""
        self.group, self.kind = group, kind
        self._entries: dict[str, T] = {entry.name: entry for entry in entries}
        self._plugins: list[Plugin] | None = None

    @property
    def plugins(self) -> list[Plugin]:
        """Return the entry points found, loaded or not."""
        self._load()
        return list(self._plugins or ())

    def add(self, entry: T) -> None:
        """Add an entry for this process. Raises UsageError if its name is taken or its type is wrong."""
        if problem := self._find_problem(entry):
            raise UsageError(problem)
        self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> T:
        """Return an entry; raises KeyError."""
        self._load()
        return self._entries[name]

    def __setitem__(self, name: str, entry: T) -> None:
        """Add or replace an entry."""
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        """Remove an entry."""
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        self._load()
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        self._load()
        return len(self._entries)

    def _find_problem(self, entry: object) -> str:
        """Return why an entry cannot be added; empty if it can."""
        if not isinstance(entry, self.kind):
            return f"expected an object of type {self.kind.__name__}, got {type(entry).__name__}"
        return f"the name '{entry.name}' is taken" if entry.name in self._entries else ""

    def _load(self) -> None:
        """Load the entry points, once."""
        if self._plugins is not None:
            return
        self._plugins = []  # a plugin may read the table while it is imported
        points = importlib.metadata.entry_points(group=self.group)
        for point in sorted(points, key=lambda point: (point.name, point.value)):
            package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"
            problem = self._load_entry(point)
            self._plugins.append(Plugin(point.name, package, problem))
            if problem:
                warnings.warn(
                    f"{self.group}: '{point.name}' of {package} is left out: {problem}", UnpairedWarning, stacklevel=2
                )

    def _load_entry(self, point: importlib.metadata.EntryPoint) -> str:
        """Load one entry point and add its entry; returns why it cannot be used, or an empty string."""
        try:
            entry = point.load()
        except Exception as error:  # a plugin is the code of others and may fail in any way
            return f"{point.value} cannot be imported ({type(error).__name__}: {format_first_line(error)})"
        problem = self._find_problem(entry)
        if not problem and entry.name != point.name:
            problem = f"its entry point is called '{point.name}', but the object '{entry.name}'"
        if not problem:
            self._entries[entry.name] = entry
        return problem
