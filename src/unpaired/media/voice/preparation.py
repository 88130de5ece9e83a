"""Preparation of a voice run: analyse the recordings and resolve all voice settings that are "auto"."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from unpaired.console import LogCallback, progress_bar
from unpaired.data.domain import Domain
from unpaired.media.interface import Inspection
from unpaired.media.voice.content.encoder import find_selected_encoder
from unpaired.media.voice.content.energy import fit_energy
from unpaired.media.voice.content.items import count_conditions
from unpaired.media.voice.content.synthesis import load_content_analyser
from unpaired.media.voice.inspection import analyse_recordings, describe_representation
from unpaired.media.voice.settings import SpeakerStatistics, VoiceSettings
from unpaired.media.voice.statistics import compute_statistics, unify_scales
from unpaired.media.voice.transform import VoiceTransform, iterate_paths

if TYPE_CHECKING:
    from unpaired.config.resolve import Settings
    from unpaired.training.listing import DataListing


def inspect_voice_data(settings: Settings, listing: DataListing, log: LogCallback) -> Inspection:
    """Analyse the recordings (in parallel, with a cache) and compute the statistics of each speaker.

    Raises UsageError if a package is missing, WorkError if the recordings cannot be used.
    """
    assert isinstance(settings.medium_settings, VoiceSettings)
    if settings.medium_settings.content_weight:
        find_selected_encoder(settings.medium_settings)  # before the analysis, which may take minutes
    content = load_content_analyser(settings.method, settings.medium_settings)
    transform = VoiceTransform(settings.medium_settings, content=content)
    with progress_bar("analysing") as advance:
        report = analyse_recordings(listing.files, transform, advance)
    report.log_files(log)
    report.require_usable()
    for warning in report.warnings:
        log(f"note: {warning}")
    log(describe_representation(transform.settings))
    if content is not None:
        log(f"content features: {content.encoder.name}, SHA-256 {content.encoder.digest[:12]} ...")
    splits = report.split_files(settings.data.holdout_fraction, settings.split_seed)
    entries = [transform.get_entries(list(iterate_paths(split.train))) for split in splits]
    statistics = unify_scales(
        [
            compute_statistics((transform.load_features(e), e.detect_speech(), e.lufs) for e in speaker_entries)
            for speaker_entries in entries
        ]
    )
    if content is not None:
        conditions = count_conditions(content.num_features)
        statistics = [speaker.model_copy(update={"conditions": conditions}) for speaker in statistics]
    elif settings.medium_settings.content_weight and settings.medium_settings.representation == "world":
        energies = [
            fit_energy((e.load_features(), e.detect_speech()) for e in speaker_entries) for speaker_entries in entries
        ]
        statistics = [
            speaker.model_copy(update={"energy": energy}) for speaker, energy in zip(statistics, energies, strict=True)
        ]
    for files, speaker in zip(listing.files, statistics, strict=True):
        log(f"{files.name}: {format_speaker_statistics(speaker)}")
    domains = tuple(
        Domain(name=files.name, sources=files.sources, statistics=speaker)
        for files, speaker in zip(listing.files, statistics, strict=True)
    )
    changes = {"residual": True} if settings.networks.residual == "auto" else {}
    networks = settings.networks.model_copy(update=changes)
    crop_counts = [len(transform.list_visits(split.train)) for split in splits]
    return Inspection(transform.settings, domains, splits, lambda *_: networks, crop_counts, transform.pretrained)


def format_speaker_statistics(speaker: SpeakerStatistics) -> str:
    """Format a speaker's statistics in one line."""
    pitch = ""
    if speaker.log_f0_mean_std is not None:
        mean, std = speaker.log_f0_mean_std
        pitch = f", F0 {math.exp(mean):.0f} Hz ({math.exp(mean - std):.0f} to {math.exp(mean + std):.0f})"
    return f"{speaker.frames:,} frames of speech{pitch}, {speaker.lufs:.0f} LUFS"
