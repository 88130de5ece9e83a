"""The representation that settings choose, and the gate of speech."""

from __future__ import annotations

from unpaired.errors import UsageError
from unpaired.media.voice import silero_vad
from unpaired.media.voice.features import Representation
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.settings import VoiceSettings
from unpaired.media.voice.vocoder import load_vocoder
from unpaired.media.voice.world import World

__all__ = ["build_representation", "describe_synthesis", "describe_vad", "load_vad"]


def build_representation(settings: VoiceSettings) -> Representation:
    """What `settings` see a recording as; raises UsageError for what it cannot work with."""
    if settings.representation == "mel":
        return Mel(settings.vocoder)
    return World(settings.sample_rate, settings.mcep_order, f0_floor_hz=settings.f0_floor, f0_ceil_hz=settings.f0_ceil)


def describe_synthesis(settings: VoiceSettings) -> str:
    """What makes sounds of its features, in words; raises UsageError where that is not there."""
    return load_vocoder(settings.vocoder).description if settings.representation == "mel" else "WORLD"


def load_vad(settings: VoiceSettings) -> silero_vad.SileroVad | None:
    """The network that tells speech from silence; None where the level of frames does.

    Raises UsageError where it is asked for and not installed.
    """
    vad = None if settings.vad == "energy" else silero_vad.find_silero_vad()
    if vad is None and settings.vad == "silero":
        raise UsageError(
            "gate 'silero': silero-vad (6.2.3 or later) and onnxruntime are not both installed: pip install "
            "'unpaired[voice-gate]'. What was begun with this gate goes on with it alone; a new run or conversion can "
            "take --vad energy"
        )
    return vad


def describe_vad(settings: VoiceSettings) -> str:
    """What tells speech from silence, in words; raises UsageError as `gate`."""
    return "its level" if load_vad(settings) is None else silero_vad.NAME
