"""What a look at the data found, what it means for training, and both in words."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from unpaired.data.counted import Counted, Report, amount
from unpaired.data.domain import Domain
from unpaired.data.split import held_counts
from unpaired.errors import UnreadableFile
from unpaired.settings import DataSettings

FEW = 20
"""A domain with fewer usable pictures gets a warning; one with fewer than 2 is an error."""
_NEARLY = 1.25


@dataclass(frozen=True)
class Look:
    """What one decoded file shows: its displayed size, mode, bits, whether it has colour and transparency, its range of
    raw values, and a digest of its bytes where another domain has a file of that size (else 0).
    """

    width: int
    height: int
    mode: str
    bits: int
    color: bool
    clear: bool
    low: float
    high: float
    digest: int


def _ints() -> array[int]:
    return array("i")


@dataclass
class DomainReport(Counted):
    """What was found in one domain's pictures that were looked at."""

    modes: Counter[str] = field(default_factory=Counter)
    ranges: dict[int, tuple[float, float]] = field(default_factory=dict)
    """bits -> the lowest and the highest raw value of pictures of that depth."""
    colored: int = 0
    clear: int = 0
    widths: array[int] = field(default_factory=_ints)
    heights: array[int] = field(default_factory=_ints)

    def note(self, look: Look | UnreadableFile, in_train: bool) -> None:
        """Add one file's look."""
        if isinstance(look, UnreadableFile):
            self.refuse(look, in_train)
            return
        self.modes[look.mode] += 1
        low, high = self.ranges.get(look.bits, (look.low, look.high))
        self.ranges[look.bits] = min(low, look.low), max(high, look.high)
        self.colored += look.color
        self.clear += look.clear
        self.widths.append(look.width)
        self.heights.append(look.height)

    @property
    def looked_at(self) -> int:
        """How many files were opened."""
        return len(self.widths) + len(self.unreadable)

    @property
    def shorter(self) -> npt.NDArray[np.int32]:
        """The shorter side of each picture that could be read."""
        return np.minimum(np.array(self.widths, np.int32), np.array(self.heights, np.int32))

    def domain(self, channels: int) -> Domain:
        """What a run records of this domain. The range is 0..255 for 8 bits, else what was measured."""
        bits = max(self.ranges, default=8)
        low, high = 0.0, 255.0
        if bits != 8:
            # Pictures of 8 bits in a domain of 16 are read on the scale of 16.
            factors = {depth: 257.0 if (depth, bits) == (8, 16) else 1.0 for depth in self.ranges}
            low = min(self.ranges[depth][0] * factor for depth, factor in factors.items())
            high = max(self.ranges[depth][1] * factor for depth, factor in factors.items())
        return Domain.model_validate(
            {
                "name": self.files.name,
                "sources": self.files.sources,
                "color": channels == 3 and self.colored > 0,
                "bits": bits,
                "low": low,
                "high": high if high > low else low + 1,
            }
        )


@dataclass(frozen=True)
class Resolved:
    """What "auto" came to: the data settings without it, the channels of the networks, and each domain."""

    data: DataSettings
    channels: Literal[1, 3]
    domains: tuple[Domain, ...]


@dataclass(frozen=True)
class CheckReport(Report):
    """What a look at the data found. `duplicates` are whole paths of files with the same content in two domains."""

    domains: tuple[DomainReport, ...]
    duplicates: tuple[tuple[str, str], ...]

    @property
    def errors(self) -> list[str]:
        """What makes training impossible."""
        out = []
        for d in self.domains:
            if d.usable < 2:
                count = f"{d.usable or 'no'} usable picture{'' if d.usable == 1 else 's'}"
                why = f" ({d.unreadable[0]})" if d.unreadable else ""
                out.append(f"{d.files.train.root}: domain '{d.files.name}' has {count}{why}; training needs at least 2")
        return out

    def resolve(self, data: DataSettings) -> Resolved:
        """Decide what is "auto": crop where all pictures have about the trained size, 3 channels if any has colour."""
        framing = data.framing
        if framing == "auto":
            sides = np.concatenate([d.shorter for d in self.domains])
            near = bool(sides.size) and sides.min() >= data.size and sides.max() <= _NEARLY * data.size
            framing = "crop" if near else "scale"
        colored = any(d.colored for d in self.domains)
        channels: Literal[1, 3] = 3 if data.channels == "3" or (data.channels == "auto" and colored) else 1
        settled = DataSettings.model_validate(data.model_dump() | {"framing": framing, "channels": str(channels)})
        return Resolved(settled, channels, tuple(d.domain(channels) for d in self.domains))

    def warnings(self, data: DataSettings | None = None) -> list[str]:
        """What a user should know before training."""
        out = []
        for d in self.domains:
            name = d.files.name
            if 2 <= d.usable < FEW:
                out.append(f"{name}: only {d.usable} pictures; expect a translator that knows little more than these")
            if d.unreadable:
                out.append(f"{name}: {amount(len(d.unreadable), 'file')} cannot be read and will be skipped")
            if len(d.ranges) > 1:
                out.append(f"{name}: pictures of {' and '.join(map(str, sorted(d.ranges)))} bits are mixed")
            if d.files.note:
                out.append(f"{name}: {d.files.note}")
            small = int((d.shorter < data.size).sum()) if data is not None else 0
            if data is not None and small:
                out.append(f"{name}: {amount(small, 'picture')} looked at below {data.size} px will be enlarged")
        if self.duplicates:
            first, second = self.duplicates[0]
            files = amount(len(self.duplicates), "file")
            out.append(f"{files} with the same content in two domains, as {first} and {second}")
        return out

    def text(self, data: DataSettings | None = None) -> str:
        """The report in words; with settings of data, also what training would do."""
        lines = [line for d in self.domains for line in _found(d)]
        if warnings := self.warnings(data):
            lines += ["", "Take note", *(f"  {warning}" for warning in warnings)]
        if self.errors:
            lines += ["", "Training is impossible", *(f"  {error}" for error in self.errors)]
        elif data is not None:
            lines += ["", "Training would", *_plan(self, data)]
        return "\n".join(lines)


def _found(d: DomainReport) -> list[str]:
    files = d.files
    tests = "" if files.test is None else f" and {len(files.test):,} in its test folder"
    ignored = f"; {amount(files.ignored, 'file')} of other kinds ignored" if files.ignored else ""
    total = len(files.train) + (0 if files.test is None else len(files.test))
    looked = "all" if d.looked_at == total else f"{d.looked_at:,}"
    lines = [
        f"{files.name}  ({files.train.root})",
        f"  {amount(len(files.train), 'picture')}{tests}{ignored}; {looked} looked at",
    ]
    if d.widths:
        order = np.argsort(np.array(d.widths, np.int64) * np.array(d.heights, np.int64), kind="stable")
        small, middle, large = (f"{d.widths[i]} x {d.heights[i]}" for i in order[[0, len(order) // 2, -1]])
        modes = ", ".join(f"{mode} {count:,}" for mode, count in d.modes.most_common())
        clear = f"; {d.clear:,} with transparency, seen over white" if d.clear else ""
        lines += [
            f"  sizes {small}" + ("" if small == large else f" to {large}, median {middle}") + " pixels",
            f"  modes {modes}; {d.colored:,} with colour{clear}",
        ]
    for bits, (low, high) in sorted(d.ranges.items()):
        lines.append(f"  {bits} bits" + ("" if bits == 8 else f", raw values {low:g} to {high:g}"))
    return [*lines, *d.refused("unreadable file")]


def _plan(report: CheckReport, data: DataSettings) -> list[str]:
    resolved = report.resolve(data)
    size = data.size
    if resolved.data.framing == "crop":
        lines = [f"  cut squares of {size} px at the pictures' own scale (--framing crop)"]
    else:
        lines = [f"  scale the shorter side to {size} px and cut squares from it (--framing scale)"]
    lines.append(f"  see {'colour' if resolved.channels == 3 else 'gray'} (--channels {resolved.channels})")
    for d in report.domains:
        has_test = d.files.test is not None
        validation, test = held_counts(d.usable, data.held, has_test)
        if d.files.test is not None:
            test = len(d.files.test) - (len(d.unreadable) - d.unreadable_in_train)
        train = d.usable - validation - (0 if has_test else test)
        held = (
            "nothing is held back" if not validation and not test else f"{validation:,} choose the best, {test:,} test"
        )
        lines.append(f"  {d.files.name}: learn from {train:,}; {held}")
    return lines
