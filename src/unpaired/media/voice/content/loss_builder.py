"""Construction of the content consistency loss of a run."""

from __future__ import annotations

from unpaired.config.run_config import RunConfig
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.media.voice.content.consistency import ContentLoss
from unpaired.media.voice.content.differentiable_log_mel import LogMelDecoder
from unpaired.media.voice.content.encoder import find_selected_encoder
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import speaker_statistics, voice_settings

__all__ = ["build_content_loss"]


def build_content_loss(config: RunConfig) -> ContentLoss:
    """Build the loss that the settings of a run select.

    Raises UsageError if a package is missing, WorkError if the encoder's files are damaged.
    """
    settings = voice_settings(config)
    encoder = find_selected_encoder(settings)
    representation = build_representation(settings)
    network = encoder.load_network()
    statistics = {
        key: speaker_statistics(domain)
        for key, domain in zip(DOMAIN_KEYS[: len(config.domains)], config.domains, strict=True)
    }
    synthesizes_energy = any(speaker.conditions for speaker in statistics.values())
    return ContentLoss(
        network,
        {encoder.name: encoder.digest},
        settings.content_weight,
        LogMelDecoder(representation, network.num_mels),
        statistics,
        representation.num_coefficients if synthesizes_energy else None,
    )
