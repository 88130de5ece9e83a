"""The representation, vocoder and voice activity detection (VAD) that settings select.

Only mel spectra and their vocoders import torch, so that exported models of WORLD features translate without it.
"""

from __future__ import annotations

from unpaired.errors import UsageError
from unpaired.media.voice import silero_vad
from unpaired.media.voice.features import Representation
from unpaired.media.voice.settings import VoiceSettings
from unpaired.media.voice.world import World

__all__ = ["build_representation", "describe_synthesis", "describe_vad", "load_vad"]


def build_representation(settings: VoiceSettings) -> Representation:
    """Create the representation that `settings` select; raises UsageError for unsupported settings."""
    if settings.representation == "mel":
        from unpaired.media.voice.mel import Mel  # noqa: PLC0415 - imports torch

        return Mel(settings.vocoder)
    return World(settings.sample_rate, settings.mcep_order, f0_floor_hz=settings.f0_floor, f0_ceil_hz=settings.f0_ceil)


def describe_synthesis(settings: VoiceSettings) -> str:
    """Return the name of the vocoder that `settings` select; raises UsageError if it is not installed."""
    if settings.representation != "mel":
        return "WORLD"
    from unpaired.media.voice.vocoder import load_vocoder  # noqa: PLC0415 - imports torch

    return load_vocoder(settings.vocoder).description


def load_vad(settings: VoiceSettings) -> silero_vad.SileroVad | None:
    """Return the VAD network that `settings` select; None: an energy threshold is used.

    Raises UsageError if the network is required and not installed.
    """
    vad = None if settings.vad == "energy" else silero_vad.find_silero_vad()
    if vad is None and settings.vad == "silero":
        raise UsageError(
            "--vad silero: silero-vad (6.2.3 or later) and onnxruntime must both be installed: pip install "
            "'unpaired[voice-vad]'. A run that began with silero must continue with it; a new run or conversion can "
            "use --vad energy"
        )
    return vad


def describe_vad(settings: VoiceSettings) -> str:
    """Return the name of the VAD that `settings` select, for messages; raises UsageError as `load_vad`."""
    return "energy threshold" if load_vad(settings) is None else silero_vad.NAME
