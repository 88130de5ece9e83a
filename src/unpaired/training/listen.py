"""Before a run on recordings begins: they are analysed, and everything about them decided, and said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from unpaired.data.domain import Domain
from unpaired.data.folders import DomainFiles
from unpaired.data.split import Sets, split
from unpaired.settings import DataSettings, NetworkSettings, VoiceSettings
from unpaired.terminal import Advance, Say, progress_bar
from unpaired.training.collect import Found
from unpaired.training.resolve import Settings


@dataclass(frozen=True)
class Looked:
    """What a look at the files decided: for each collection its domain and files by use.

    `networked` completes the settings of the networks, from the run's domains and files. `crops` are those of each
    collection's training files, where files hold several. `voice` is how recordings are seen, its gate decided, and
    `pretrained` the SHA-256 of the network that is the gate, where one is.
    """

    data: DataSettings
    channels: Literal[1, 3]
    domains: tuple[Domain, ...]
    parts: Sequence[Sets]
    networked: Callable[[Sequence[Domain], Sequence[Sets]], NetworkSettings]
    crops: Sequence[int] = ()
    voice: VoiceSettings | None = None
    pretrained: Mapping[str, str] = field(default_factory=dict)


def listen(settings: Settings, listing: Found, explicit: bool, say: Say) -> Looked:  # noqa: ARG001 - as `look` is asked
    """Analyse the recordings (in processes, cached) and find the statistics of each domain.

    Raises UsageError where the packages for sounds are not installed, WorkError where the recordings cannot be used.
    """
    from unpaired.data import recordings  # noqa: PLC0415 - with packages that are optional
    from unpaired.data.voices import Voices, files_of  # noqa: PLC0415
    from unpaired.media.voice.statistics import gather, with_common_scales  # noqa: PLC0415

    voices = Voices(settings.voice)
    with progress_bar("analysing") as advance:
        found = recordings.analyse(listing.files, voices, advance)
    for path, why in found.unreadable.items():
        say(f"skipped: {path}: {why}")
    found.require_usable()
    for warning in found.warnings:
        say(f"note: {warning}")
    say(recordings.seen(voices.settings))
    parts = [split(files, settings.data.held, settings.training.seed, found.unreadable) for files in listing.files]
    entries = [voices.entries(list(files_of(part.train))) for part in parts]
    speakers = with_common_scales([gather((e.features(), e.speech(), e.lufs) for e in own) for own in entries])
    domains = [
        Domain(name=files.name, sources=files.sources, voice=speaker)
        for files, speaker in zip(listing.files, speakers, strict=True)
    ]
    for domain in domains:
        say(f"{domain.name}: {in_words(domain)}")
    changes = {"residual": True} if settings.networks.residual == "auto" else {}
    crops = [len(voices.visits(part.train)) for part in parts]
    networks = settings.networks.model_copy(update=changes)
    return Looked(
        settings.data, 1, tuple(domains), parts, lambda *_: networks, crops, voices.settings, voices.pretrained
    )


def in_words(domain: Domain) -> str:
    """A domain's statistics, short."""
    voice = domain.voice
    assert voice is not None
    pitch = ""
    if voice.log_f0 is not None:
        mean, deviation = voice.log_f0
        pitch = f", F0 {math.exp(mean):.0f} Hz ({math.exp(mean - deviation):.0f} to {math.exp(mean + deviation):.0f})"
    return f"{voice.frames:,} frames of speech{pitch}, {voice.lufs:.0f} LUFS"


def heard(domains: Sequence[DomainFiles], settings: Settings, progress: Advance) -> tuple[str, bool]:
    """The report of `unpaired check` on recordings, and whether training could run."""
    from unpaired.data import recordings  # noqa: PLC0415

    found = recordings.look(domains, settings.voice, progress)
    return found.text(settings.voice, settings.data.held), not found.errors
