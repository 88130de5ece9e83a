"""The representation that settings choose."""

from __future__ import annotations

from unpaired.media.voice.features import Representation
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.vocoder import load
from unpaired.media.voice.world import World
from unpaired.settings import VoiceSettings

__all__ = ["representation", "sounds_by"]


def representation(settings: VoiceSettings) -> Representation:
    """What `settings` see a recording as; raises UsageError for what it cannot work with."""
    if settings.representation == "mel":
        return Mel(settings.vocoder)
    return World(settings.sample_rate, settings.order, f0_floor_hz=settings.f0_floor, f0_ceil_hz=settings.f0_ceil)


def sounds_by(settings: VoiceSettings) -> str:
    """What makes sounds of its features, in words; raises UsageError where that is not there."""
    return load(settings.vocoder).words if settings.representation == "mel" else "WORLD"
