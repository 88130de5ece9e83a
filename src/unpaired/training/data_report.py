"""What `unpaired check` says: the data decoded whole, and what training would do with them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from unpaired.config.resolve import SettingsRequest, resolve_settings
from unpaired.console import ProgressCallback
from unpaired.data.collections import build_domains, list_labelled_data
from unpaired.data.folders import discover
from unpaired.data.split import split_files
from unpaired.devices import pick_device
from unpaired.media.image.inspection import inspect_images
from unpaired.media.voice.run_settings import check_voice_data
from unpaired.training.run_plan import choose_default_preset, describe_domains, is_size_explicit, limit_size


def check_data(
    sources: list[Path], size: int | None, progress: ProgressCallback, attributes: Sequence[str] = ()
) -> tuple[str, bool]:
    """The report of `unpaired check`, every file decoded, and whether training could run.

    It is of the settings that `unpaired train` would choose here, or of `size`; with `attributes`, of a labelled
    collection and the domains that its labels make. `progress` is told (done, total).
    """
    started = time.monotonic()
    request = SettingsRequest(settings={} if size is None else {"size": size})
    listing = list_labelled_data(sources, attributes) if attributes else None
    domain_files = listing.files if listing is not None else discover(sources)
    settings = resolve_settings(request, choose_default_preset(pick_device("auto")), domain_files[0].medium)
    if domain_files[0].medium == "voice":
        text, is_usable = check_voice_data(domain_files, settings, progress)
        return f"{text}\n{time.monotonic() - started:.1f} s", is_usable
    report = inspect_images(domain_files, None, progress=progress)
    notes: list[str] = []
    data = settings.data
    if not report.errors:
        data = limit_size(data, report, is_size_explicit(request), notes.append)
        if listing is not None:
            splits = [split_files(files, 0, 0, report.unreadable) for files in listing.files]
            _, files = build_domains(listing, report.resolve(data).domains, splits)
            notes.append(f"domains: {describe_domains(files)}")
    lines = [report.format_text(data), *notes, f"{time.monotonic() - started:.1f} s"]
    return "\n".join(lines), not report.errors
