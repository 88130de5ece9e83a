"""The representation that settings choose, and the gate of speech."""

from __future__ import annotations

from unpaired.errors import UsageError
from unpaired.media.voice import silero
from unpaired.media.voice.features import Representation
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.vocoder import load
from unpaired.media.voice.world import World
from unpaired.settings import VoiceSettings

__all__ = ["gate", "gate_in_words", "representation", "sounds_by"]


def representation(settings: VoiceSettings) -> Representation:
    """What `settings` see a recording as; raises UsageError for what it cannot work with."""
    if settings.representation == "mel":
        return Mel(settings.vocoder)
    return World(settings.sample_rate, settings.order, f0_floor_hz=settings.f0_floor, f0_ceil_hz=settings.f0_ceil)


def sounds_by(settings: VoiceSettings) -> str:
    """What makes sounds of its features, in words; raises UsageError where that is not there."""
    return load(settings.vocoder).words if settings.representation == "mel" else "WORLD"


def gate(settings: VoiceSettings) -> silero.Silero | None:
    """The network that tells speech from silence; None where the level of frames does.

    Raises UsageError where it is asked for and not installed.
    """
    found = None if settings.gate == "energy" else silero.installed()
    if found is None and settings.gate == "silero":
        raise UsageError(
            "gate 'silero': silero-vad (6.2.3 or later) and onnxruntime are not both installed: pip install "
            "'unpaired[voice-gate]'. What was begun with this gate goes on with it alone; a new run or conversion can "
            "take --gate energy"
        )
    return found


def gate_in_words(settings: VoiceSettings) -> str:
    """What tells speech from silence, in words; raises UsageError as `gate`."""
    return "its level" if gate(settings) is None else silero.NAME
