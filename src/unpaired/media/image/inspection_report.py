"""Result of inspecting pictures, the decisions that follow for training, and the text of both."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from unpaired.config.settings import Auto
from unpaired.data.domain import Domain
from unpaired.data.inspection import DataReport, DomainInspection, format_count
from unpaired.data.split import MIN_GROUPS, format_split_counts, split_files
from unpaired.errors import UnreadableFileError
from unpaired.media.image.settings import ImageSettings, ImageStatistics, Range
from unpaired.media.image.stacks import count_series, count_stacks, get_group
from unpaired.media.image.value_range import LEVELS, Quantiles, ValueRange

FEW_IMAGES = 20
"""A domain with fewer usable pictures gets a warning; one with fewer than 2 is an error."""
_CROP_SIZE_TOLERANCE = 1.25
_FULL_8BIT_RANGE = 255 * LEVELS


@dataclass(frozen=True)
class ImageInspection:
    """Properties of one decoded file.

    `width` and `height` are the displayed size in pixels, `quantiles` those of the raw values (None for 8 bits).
    `digest` is a hash of the file's bytes if another file has an equal size, else 0. `losses` are texts about
    the parts of the file that are not used. `bands` is the number of bands if all of them were decoded, 0 for pictures
    in gray or color.
    """

    name: str
    width: int
    height: int
    mode: str
    bits: int
    has_color: bool
    has_alpha: bool
    quantiles: Quantiles | None
    digest: int
    losses: tuple[str, ...] = ()
    bands: int = 0


def _create_int_array() -> array[int]:
    return array("i")


@dataclass
class ImageDomainReport(DomainInspection):
    """Inspection results of one domain, summed over its inspected pictures."""

    modes: Counter[str] = field(default_factory=Counter)
    range_by_bits: dict[int, ValueRange] = field(default_factory=dict)
    """Bit depth -> range of the raw values of its pictures; 0 to 255 for 8 bits."""
    losses: Counter[str] = field(default_factory=Counter)
    """Text about an unused part -> number of files that have it."""
    loss_examples: dict[str, str] = field(default_factory=dict)
    bands: Counter[int] = field(default_factory=Counter)
    """Number of bands (0: gray or color) -> number of files that have it."""
    band_examples: dict[int, str] = field(default_factory=dict)
    color_count: int = 0
    alpha_count: int = 0
    widths: array[int] = field(default_factory=_create_int_array)
    heights: array[int] = field(default_factory=_create_int_array)

    @property
    def item_noun(self) -> str:
        """Noun of one training item."""
        return "picture"

    def add_inspection(self, inspection: ImageInspection | UnreadableFileError, in_train: bool) -> None:
        """Add the inspection of one file, or its error."""
        if isinstance(inspection, UnreadableFileError):
            self.add_unreadable(inspection, in_train)
            return
        self.modes[inspection.mode] += 1
        value_range = self.range_by_bits.setdefault(inspection.bits, ValueRange())
        value_range.add(_FULL_8BIT_RANGE if inspection.quantiles is None else inspection.quantiles, inspection.name)
        for loss in inspection.losses:
            self.losses[loss] += 1
            self.loss_examples.setdefault(loss, inspection.name)
        self.bands[inspection.bands] += 1
        self.band_examples.setdefault(inspection.bands, f"{self.files.sources[0]}: {inspection.name}")
        self.color_count += inspection.has_color
        self.alpha_count += inspection.has_alpha
        self.widths.append(inspection.width)
        self.heights.append(inspection.height)

    def get_group_function(self) -> Callable[[str], str] | None:
        """Return the function from pictures to their files if a file contains several; else None."""
        return get_group if count_stacks(self.files.train) or count_series(self.files.train) else None

    def format_split(self, holdout_fraction: float) -> str:
        """Return the numbers of files that training would put into each split."""
        get_group = self.get_group_function()
        if get_group is None:
            return super().format_split(holdout_fraction)
        splits = split_files(self.files, holdout_fraction, 0, {e.path for e in self.unreadable}, get_group)
        counts = len(splits.train), len(splits.validation), len(splits.test)
        return f"{self.files.name}: about {format_split_counts(*counts, splits.has_test_folder)}"

    def describe_stacks(self) -> str:
        """Describe how many files or series have several pictures; empty if each file is a picture by itself."""
        texts = []
        if series := count_series(self.files.train):
            folders = format_count(series, "folder")
            texts.append(f"DICOM files in {folders}; each folder is a series and belongs to one split as a whole")
        if (stacks := count_stacks(self.files.train)) and not series:
            files = format_count(stacks, "file")
            texts.append(f"pages or slices of {files}; each file belongs to one split as a whole")
        if texts and len({get_group(name) for name in self.files.train}) < MIN_GROUPS and self.files.test is None:
            texts.append(f"with fewer than {MIN_GROUPS}, none is held out for validation and test")
        return "; ".join(texts)

    @property
    def inspected_count(self) -> int:
        """Number of files that were opened."""
        return len(self.widths) + len(self.unreadable)

    @property
    def shorter_sides(self) -> npt.NDArray[np.int32]:
        """Shorter side of each readable picture, in pixels."""
        return np.minimum(np.array(self.widths, np.int32), np.array(self.heights, np.int32))

    def create_domain(
        self, channels: int, value_range: Range | None = None, percentile_range: Range | None = None
    ) -> Domain:
        """Create the domain with its statistics.

        The range is 0 to 255 for 8 bits, else `value_range`, the values at `percentile_range`, or that without
        outliers.
        """
        bits = max(self.range_by_bits, default=8)
        low, high = 0.0, 255.0
        if bits != 8 and value_range is not None:
            low, high = value_range
        elif bits != 8:
            # Pictures of 8 bits in a domain of 16 are read on the scale of 16.
            factors = {depth: 257.0 if (depth, bits) == (8, 16) else 1.0 for depth in self.range_by_bits}
            bulks = {
                depth: values.find_bulk() if percentile_range is None else values.find_percentiles(*percentile_range)
                for depth, values in self.range_by_bits.items()
            }
            low = min(bulks[depth][0] * factor for depth, factor in factors.items())
            high = max(bulks[depth][1] * factor for depth, factor in factors.items())
        statistics = ImageStatistics.model_validate(
            {
                "color": channels == 3 and self.color_count > 0,
                "bits": bits,
                "low": low,
                "high": high if high > low else low + 1,
            }
        )
        return Domain(name=self.files.name, sources=self.files.sources, statistics=statistics)


@dataclass(frozen=True)
class ImageDataReport(DataReport):
    """Inspection results of all domains. `duplicates` are pairs of paths with equal content in two domains.

    `copies` are such pairs within a domain. `channels` is the setting by which the files were decoded.
    """

    domains: tuple[ImageDomainReport, ...]
    duplicates: tuple[tuple[str, str], ...]
    channels: int | Auto = "auto"
    copies: tuple[tuple[str, str], ...] = ()

    @property
    def errors(self) -> list[str]:
        """Reasons why training is impossible."""
        conflict = self._describe_band_conflict()
        out = [conflict] if conflict else []
        for d in self.domains:
            if d.usable_count < 2:
                count = f"{d.usable_count or 'no'} usable {d.item_noun}{'' if d.usable_count == 1 else 's'}"
                reason = f" ({d.unreadable[0]})" if d.unreadable else ""
                out.append(
                    f"{d.files.sources[0]}: domain '{d.files.name}' has {count}{reason}; training needs at least 2"
                )
        return out

    def resolve(self, settings: ImageSettings) -> ImageSettings:
        """Decide what is "auto": crop if all pictures have about the training size, 3 channels if any has color."""
        resize_mode = settings.resize_mode
        if resize_mode == "auto":
            sides = np.concatenate([d.shorter_sides for d in self.domains])
            is_near_size = (
                bool(sides.size)
                and sides.min() >= settings.size
                and sides.max() <= _CROP_SIZE_TOLERANCE * settings.size
            )
            resize_mode = "crop" if is_near_size else "scale"
        channels = settings.channels
        if channels == "auto":
            has_color = any(d.color_count for d in self.domains)
            channels = max(band for d in self.domains for band in (0, *d.bands)) or (3 if has_color else 1)
        return type(settings).model_validate(settings.model_dump() | {"resize_mode": resize_mode, "channels": channels})

    def _describe_band_conflict(self) -> str:
        """Describe two files with different numbers of bands, or with another number than `channels`; else empty."""
        examples = {bands: example for d in reversed(self.domains) for bands, example in d.band_examples.items()}
        if not any(examples):
            return ""
        if self.channels == "auto" and len(examples) > 1:
            (most, _), *_ = sum((d.bands for d in self.domains), Counter[int]()).most_common()
            odd = next(bands for bands in examples if bands != most)
            kinds = [f"{bands} channels" if bands else "gray or color" for bands in (odd, most)]
            return (
                f"{examples[odd]} has {kinds[0]}, but {examples[most]} has {kinds[1]}; expected the same number of "
                "channels in all files. Remove the others, or give --channels 3 or 1 to use color or gray alone"
            )
        odd = next((bands for bands in examples if bands != self.channels), 0)
        if self.channels == "auto" or not odd:
            return ""
        return f"{examples[odd]} has {format_count(odd, 'channel')}; expected {self.channels} (--channels)"

    def create_domains(
        self, channels: int, value_range: Range | None = None, percentile_range: Range | None = None
    ) -> tuple[Domain, ...]:
        """Create the domains that a run records; the ranges replace what was measured of more than 8 bits."""
        return tuple(d.create_domain(channels, value_range, percentile_range) for d in self.domains)

    def list_stack_notes(self) -> list[str]:
        """Describe the files of each domain that contain several pictures."""
        return [f"{d.files.name}: {stacks}" for d in self.domains if (stacks := d.describe_stacks())]

    def list_warnings(self, settings: ImageSettings | None = None) -> list[str]:
        """Return warnings to show before training."""
        out = []
        for d in self.domains:
            name = d.files.name
            if 2 <= d.usable_count < FEW_IMAGES:
                out.append(f"{name}: only {d.usable_count} {d.item_noun}s; expect overfitting")
            if d.unreadable:
                out.append(f"{name}: {format_count(len(d.unreadable), 'file')} cannot be read and will be skipped")
            if len(d.range_by_bits) > 1:
                depths = " and ".join(map(str, sorted(d.range_by_bits)))
                out.append(f"{name}: {d.item_noun}s of {depths} bits are mixed")
            if d.files.note:
                out.append(f"{name}: {d.files.note}")
            for loss, count in d.losses.most_common():
                out.append(f"{name}: {format_count(count, 'file')} (as {d.loss_examples[loss]}): {loss}")
            if settings is None or (settings.value_range is None and settings.percentile_range is None):
                outliers = (d.range_by_bits[bits].describe_outliers() for bits in sorted(d.range_by_bits) if bits != 8)
                out += [f"{name}: {text}" for text in outliers if text]
            small_count = int((d.shorter_sides < settings.size).sum()) if settings is not None else 0
            if settings is not None and small_count:
                items = format_count(small_count, d.item_noun)
                verb = "is" if small_count == 1 else "are"
                out.append(f"{name}: {items} {verb} smaller than {settings.size} px and will be enlarged")
        advice = "; remove copies: one in training and one in test make the measures too good"
        out += [text + advice for text in _describe_pairs(self.copies, "as another of the domain")]
        return out + _describe_pairs(self.duplicates, "in two domains")

    def format_text(self, settings: ImageSettings | None = None, holdout_fraction: float = 0.1) -> str:
        """Format the report as text; with `settings`, add what training would do."""
        lines = [line for d in self.domains for line in _format_domain(d)]
        if warnings := self.list_warnings(settings):
            lines += ["", "Take note", *(f"  {warning}" for warning in warnings)]
        if self.errors:
            lines += ["", "Training is impossible", *(f"  {error}" for error in self.errors)]
        elif settings is not None:
            lines += ["", "Training would", *_format_training_plan(self, settings, holdout_fraction)]
        return "\n".join(lines)


def _describe_pairs(pairs: Sequence[tuple[str, str]], relation: str) -> list[str]:
    """Return a line on the number of files with equal content, with the first pair; none if there are no pairs."""
    files = format_count(len(pairs), "file")
    return [f"{files} with the same content {relation}, as {first} and {second}" for first, second in pairs[:1]]


def _format_domain(d: ImageDomainReport) -> list[str]:
    files = d.files
    test_text = "" if files.test is None else f" and {len(files.test):,} in its test folder"
    ignored_text = f"; {format_count(files.ignored, 'file')} of other kinds ignored" if files.ignored else ""
    total = len(files.train) + (0 if files.test is None else len(files.test))
    inspected_text = "all" if d.inspected_count == total else f"{d.inspected_count:,}"
    lines = [
        f"{files.name}  ({files.sources[0]})",
        f"  {format_count(len(files.train), d.item_noun)}{test_text}{ignored_text}; {inspected_text} inspected",
        *([f"  {stacks}"] if (stacks := d.describe_stacks()) else []),
    ]
    if d.widths:
        order = np.argsort(np.array(d.widths, np.int64) * np.array(d.heights, np.int64), kind="stable")
        small, middle, large = (f"{d.widths[i]} x {d.heights[i]}" for i in order[[0, len(order) // 2, -1]])
        modes = ", ".join(f"{mode} {count:,}" for mode, count in d.modes.most_common())
        alpha_text = f"; {d.alpha_count:,} with transparency, shown on white" if d.alpha_count else ""
        lines += [
            f"  sizes {small}" + ("" if small == large else f" to {large}, median {middle}") + " pixels",
            f"  modes {modes}; {d.color_count:,} with color{alpha_text}",
        ]
    for bits, value_range in sorted(d.range_by_bits.items()):
        values = "" if bits == 8 else f", raw values {value_range.low:g} to {value_range.high:g}"
        lines.append(f"  {bits} bits{values}")
    return [*lines, *d.format_unreadable("unreadable file")]


def _format_training_plan(report: ImageDataReport, settings: ImageSettings, holdout_fraction: float) -> list[str]:
    resolved = report.resolve(settings)
    size = settings.size
    if resolved.resize_mode == "crop":
        lines = [f"  cut squares of {size} px without scaling (--resize-mode crop)"]
    else:
        lines = [f"  scale the shorter side to {size} px and cut squares from it (--resize-mode scale)"]
    kind = {1: "gray", 3: "color"}.get(resolved.num_channels, "all bands of the files")
    lines.append(f"  use {kind} (--channels {resolved.channels})")
    return [*lines, *(f"  {d.format_split(holdout_fraction)}" for d in report.domains)]
