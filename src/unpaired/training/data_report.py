"""Report of `unpaired check`: reads every file and lists what training would do with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from unpaired.config.resolve import SettingsRequest, resolve_settings
from unpaired.console import ProgressCallback
from unpaired.data.split import split_files
from unpaired.devices import pick_device
from unpaired.media.interface import CheckResult
from unpaired.training.listing import (
    DataListing,
    discover_for_any_method,
    list_labelled_data,
    list_single_methods,
    split_by_labels,
)
from unpaired.training.setup import choose_default_preset


def check_data(
    sources: list[Path], size: int | None, progress: ProgressCallback, attributes: Sequence[str] = ()
) -> CheckResult:
    """Read every file of the domains; report what they contain and what training would do.

    The settings are those that `unpaired train` would choose on this machine, with `size` if it is given. With
    `attributes`, the label values are the domains. `progress` is called with (done, total) numbers of files. Raises
    UsageError and WorkError as `discover_for_any_method` and `list_labelled_data` do.
    """
    started = time.monotonic()
    if attributes:
        listing = list_labelled_data(sources, attributes)
    else:
        listing = DataListing(discover_for_any_method(sources), (), None)
    request = SettingsRequest.read(settings={} if size is None else {"size": size})
    settings = resolve_settings(request, listing.medium, choose_default_preset(pick_device("auto")))
    result = listing.medium.check(listing.files, settings, progress)
    lines = [result.text]
    if result.is_usable and len(listing.files) == 1 and not attributes:
        lines.append(f"one folder: train with --method {' or '.join(list_single_methods(listing.medium))}")
    if result.is_usable and listing.tables:
        _, parts = split_by_labels(listing, [split_files(files, 0, 0, result.unreadable) for files in listing.files])
        lines.append("domains: " + ", ".join(f"{split.name} ({len(split.train):,})" for _, split in parts))
    lines.append(f"{time.monotonic() - started:.1f} s")
    return CheckResult("\n".join(lines), result.is_usable, result.unreadable)
