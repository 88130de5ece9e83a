"""Description of the input and output of voice networks, for programs that run an exported file."""

from __future__ import annotations

from unpaired.config.model_description import ModelDescription
from unpaired.data.domain import Domain
from unpaired.media.interface import NetworkInput
from unpaired.media.voice.settings import speaker_statistics, voice_settings


def describe_network_input(config: ModelDescription, source: Domain, target: Domain, stride: int) -> NetworkInput:
    """Describe how `VoicePipeline` normalizes features of `source`, and restores those of `target`."""
    settings, before, after = voice_settings(config), speaker_statistics(source), speaker_statistics(target)
    count = len(before.mean)
    preprocessing = (
        f"Features of the representation {settings.representation}: {count} coefficients by frames, float32 "
        f"(batch, 1, {count}, frames). From coefficient c subtract mean[c] of '{source.name}' and divide by scale[c]. "
        f"Repeat the last frame up to a multiple of {stride} frames."
    )
    postprocessing = (
        f"float32 of the input's shape. Remove the padding; multiply coefficient c by scale[c] of '{target.name}' and "
        "add mean[c]. The statistics are in the description of the domains."
    )
    if before.log_f0_mean_std and after.log_f0_mean_std:
        postprocessing += " Log F0 is mapped linearly from the source's mean and deviation to the target's."
    return NetworkInput((1, count, settings.crop_frames), (False, True), preprocessing, postprocessing)
