"""Content consistency loss: input and output of a translation are close in the features of a frozen speech encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.media.voice.content.differentiable_log_mel import LogMelDecoder, scale_log_mel
from unpaired.media.voice.content.energy import predict_energy
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.methods.base import BatchTranslation
from unpaired.networks.whisper import WhisperNetwork

__all__ = ["ContentLoss", "content_distance"]

MAX_ITEMS = 2
"""Items of a batch that the loss compares in a step; the encoder is much slower than the networks."""
_MIN_DEVIATION = 0.05  # of a feature after layer normalization


class ContentLoss:
    """Mean cosine distance between the content features of input and output frames, 20 ms apart.

    Both are decoded to the spectral envelope, so that the error of this approximation is in both. Energy, which does
    not pass through the networks of World, is predicted from the input's coefficients for both.

    Args:
        encoder: Frozen network of log-mel spectra (B, bands, t).
        pretrained: Name and SHA-256 of its weights.
        weight: Weight of the loss.
        decoder: Decoder of frames to log-mel spectra.
        statistics: Statistics of the domains, by key.
        energy_row: Row of the values that is c_0, for methods that synthesize it; None: it is predicted.
    """

    name = "content"

    def __init__(
        self,
        encoder: WhisperNetwork,
        pretrained: Mapping[str, str],
        weight: float,
        decoder: LogMelDecoder,
        statistics: Mapping[str, SpeakerStatistics],
        energy_row: int | None = None,
    ) -> None:
        self.weight, self.pretrained = weight, pretrained
        self._encoder = encoder.requires_grad_(False).eval()
        self._decoder, self._energy_row = decoder, energy_row
        self._keys = tuple(statistics)
        speakers = list(statistics.values())
        self._mean = torch.tensor([speaker.mean for speaker in speakers])
        self._scale = torch.tensor([speaker.scale for speaker in speakers])
        self._has_energy = speakers[0].energy is not None
        self._energy = torch.tensor([speaker.energy or () for speaker in speakers])

    def __call__(self, translation: BatchTranslation) -> Tensor:
        """Return the loss of a translation of normalized features (B, 1, rows, T), conditions included."""
        source, target = self._get_domain_weights(translation)
        x = translation.x[:MAX_ITEMS]
        y = translation.translate(x)
        with torch.autocast(x.device.type, enabled=False):
            x, y = x[:, 0].float(), y[:, 0].float()
            before, after = self._restore(x, source), self._restore(y, target)
            inputs, outputs = self._add_energy(before, before, source), self._add_energy(after, before, source)
            spectra = [scale_log_mel(self._decoder(frames)) for frames in (inputs, outputs)]
        self._encoder.to(x.device)
        with torch.no_grad():
            reference = self._encoder(spectra[0])
        return content_distance(reference, self._encoder(spectra[1]))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def _get_domain_weights(self, translation: BatchTranslation) -> tuple[Tensor, Tensor]:
        """Return one-hot vectors (B, domains) of the source and the target of the compared items."""
        if translation.labels is not None:
            source, target = (label[:MAX_ITEMS].float() for label in translation.labels)
            return source, target
        count, device = min(MAX_ITEMS, len(translation.x)), translation.x.device
        source, target = (
            F.one_hot(torch.full((count,), self._keys.index(key), device=device), len(self._keys)).float()
            for key in translation.key
        )
        return source, target

    def _restore(self, values: Tensor, domain: Tensor) -> Tensor:
        """Denormalize values (B, rows, T), without conditions, of domains (B, domains)."""
        mean, scale = (domain @ table.to(domain) for table in (self._mean, self._scale))
        return values[:, : mean.shape[1]] * scale[..., None] + mean[..., None]

    def _add_energy(self, values: Tensor, source: Tensor, domain: Tensor) -> Tensor:
        """Return the frames (B, rows, T) that the decoder takes; predicted energy is that of `source` values."""
        if self._energy_row is not None:
            energy = values[:, self._energy_row : self._energy_row + 1]
            return torch.cat((energy, values[:, : self._energy_row]), 1)
        if not self._has_energy:
            return values
        return torch.cat((predict_energy(source, domain @ self._energy.to(domain)), values), 1)


def content_distance(reference: Tensor, features: Tensor) -> Tensor:
    """Return the mean cosine distance, 0 to 2, of frames of features (B, t, F); gradients reach `features` only.

    Each feature is first centered and scaled by its mean and deviation over the reference frames, since a few features
    have much larger values than the others.
    """
    reference, features = reference.detach().float(), features.float()
    mean = reference.mean((0, 1))
    deviation = reference.std((0, 1), correction=0).clamp_min(_MIN_DEVIATION)
    a, b = (reference - mean) / deviation, (features - mean) / deviation
    return 1 - F.cosine_similarity(a, b, dim=2).mean()
