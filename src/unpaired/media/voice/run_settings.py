"""Before a run on recordings begins: they are analysed, and everything about them decided, and said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from unpaired.config.resolve import Settings
from unpaired.config.settings import DataSettings, NetworkSettings, VoiceSettings
from unpaired.console import LogCallback, ProgressCallback, progress_bar
from unpaired.data.collections import DataListing
from unpaired.data.domain import Domain
from unpaired.data.folders import DomainFiles
from unpaired.data.split import DomainSplits, split_files


@dataclass(frozen=True)
class ResolvedData:
    """What a look at the files decided: for each collection its domain and files by use.

    `networked` completes the settings of the networks, from the run's domains and files. `crops` are those of each
    collection's training files, where files hold several. `voice` is how recordings are seen, its gate decided, and
    `pretrained` the SHA-256 of the network that is the gate, where one is.
    """

    data: DataSettings
    channels: Literal[1, 3]
    domains: tuple[Domain, ...]
    splits: Sequence[DomainSplits]
    resolve_networks: Callable[[Sequence[Domain], Sequence[DomainSplits]], NetworkSettings]
    crop_counts: Sequence[int] = ()
    voice: VoiceSettings | None = None
    pretrained: Mapping[str, str] = field(default_factory=dict)


def setup_voice_data(
    settings: Settings, listing: DataListing, is_size_explicit: bool, log: LogCallback
) -> ResolvedData:
    """Analyse the recordings (in processes, cached) and find the statistics of each domain.

    Raises UsageError where the packages for sounds are not installed, WorkError where the recordings cannot be used.
    """
    from unpaired.media.voice.inspection import (  # noqa: PLC0415 - with packages that are optional
        analyse_recordings,
        describe_representation,
    )
    from unpaired.media.voice.statistics import compute_statistics, unify_scales  # noqa: PLC0415
    from unpaired.media.voice.transform import VoiceTransform, iterate_paths  # noqa: PLC0415

    transform = VoiceTransform(settings.voice)
    with progress_bar("analysing") as advance:
        inspection = analyse_recordings(listing.files, transform, advance)
    for path, reason in inspection.unreadable.items():
        log(f"skipped: {path}: {reason}")
    inspection.require_usable()
    for warning in inspection.warnings:
        log(f"note: {warning}")
    log(describe_representation(transform.settings))
    splits = [
        split_files(files, settings.data.holdout_fraction, settings.training.seed, inspection.unreadable)
        for files in listing.files
    ]
    entries = [transform.get_entries(list(iterate_paths(part.train))) for part in splits]
    statistics = unify_scales(
        [compute_statistics((e.load_features(), e.detect_speech(), e.lufs) for e in own) for own in entries]
    )
    domains = [
        Domain(name=files.name, sources=files.sources, voice=voice_statistics)
        for files, voice_statistics in zip(listing.files, statistics, strict=True)
    ]
    for domain in domains:
        log(f"{domain.name}: {format_voice_statistics(domain)}")
    changes = {"residual": True} if settings.networks.residual == "auto" else {}
    crop_counts = [len(transform.list_visits(part.train)) for part in splits]
    networks = settings.networks.model_copy(update=changes)
    return ResolvedData(
        settings.data,
        1,
        tuple(domains),
        splits,
        lambda *_: networks,
        crop_counts,
        transform.settings,
        transform.pretrained,
    )


def format_voice_statistics(domain: Domain) -> str:
    """A domain's statistics, short."""
    voice = domain.voice
    assert voice is not None
    pitch = ""
    if voice.log_f0_mean_std is not None:
        mean, std = voice.log_f0_mean_std
        pitch = f", F0 {math.exp(mean):.0f} Hz ({math.exp(mean - std):.0f} to {math.exp(mean + std):.0f})"
    return f"{voice.frames:,} frames of speech{pitch}, {voice.lufs:.0f} LUFS"


def check_voice_data(
    domains: Sequence[DomainFiles], settings: Settings, progress: ProgressCallback
) -> tuple[str, bool]:
    """The report of `unpaired check` on recordings, and whether training could run."""
    from unpaired.media.voice.inspection import inspect_recordings  # noqa: PLC0415

    inspection = inspect_recordings(domains, settings.voice, progress)
    return inspection.format_text(settings.voice, settings.data.holdout_fraction), not inspection.errors
