"""What `unpaired check` says: the data decoded whole, and what training would do with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from unpaired.data.check import check
from unpaired.data.folders import discover
from unpaired.data.split import split
from unpaired.devices import pick_device
from unpaired.terminal import Advance
from unpaired.training.collect import collected, labelled_collections
from unpaired.training.listen import heard
from unpaired.training.prepare import default_preset, domain_words, explicit_size, sized
from unpaired.training.resolve import Asked, resolve


def check_data(
    sources: list[Path], size: int | None, progress: Advance, attributes: Sequence[str] = ()
) -> tuple[str, bool]:
    """The report of `unpaired check`, every file decoded, and whether training could run.

    It is of the settings that `unpaired train` would choose here, or of `size`; with `attributes`, of a labelled
    collection and the domains that its labels make. `progress` is told (done, total).
    """
    started = time.monotonic()
    asked = Asked(settings={} if size is None else {"size": size})
    listing = labelled_collections(sources, attributes) if attributes else None
    listed = listing.files if listing is not None else discover(sources)
    settings = resolve(asked, default_preset(pick_device("auto")), listed[0].medium)
    if listed[0].medium == "voice":
        text, usable = heard(listed, settings, progress)
        return f"{text}\n{time.monotonic() - started:.1f} s", usable
    found = check(listed, None, progress=progress)
    notes: list[str] = []
    data = settings.data
    if not found.errors:
        data = sized(data, found, explicit_size(asked), notes.append)
        if listing is not None:
            whole = [split(files, 0, 0, found.unreadable) for files in listing.files]
            _, files = collected(listing, found.resolve(data).domains, whole)
            notes.append(f"domains: {domain_words(files)}")
    lines = [found.text(data), *notes, f"{time.monotonic() - started:.1f} s"]
    return "\n".join(lines), not found.errors
