"""Layers from which the network factory for voice features composes its roles."""

from __future__ import annotations

import math

from torch import nn

from unpaired.config.settings import NetworkSettings
from unpaired.networks.blocks import Role, norm
from unpaired.networks.discriminator import MultiViewDiscriminator, init_kaiming_leaky
from unpaired.networks.gated_convolutions import (
    FlattenFrequency,
    GatedConv,
    GatedResidualBlock,
    LabelConditioned,
    LocalDeviation,
    PadOrCropRows,
    UnflattenFrequency,
)


class VoiceLayers:
    """Return the layers of generators and discriminators of voice features according to the settings."""

    def __init__(self, settings: NetworkSettings, coefficients: int, crop_frames: int, generator_dims: str) -> None:
        self.settings = settings
        self.stride = 4
        self.crop_frames = crop_frames
        self.blocks = 6 if settings.blocks is None else settings.blocks
        self._is_1d = generator_dims == "1"
        self._num_coefficients = coefficients
        self._num_rows = -(-coefficients // 4)

    @property
    def code_channels(self) -> int:
        """Number of channels of the codes between encoders and decoders."""
        return 4 * self.settings.width

    @property
    def encoder_blocks(self) -> int:
        """Number of residual blocks of an encoder; a decoder has the others, one more of an odd number."""
        return self.blocks // 2

    def _encoder_layers(self, num_labels: int = 0, channels: int = 1) -> list[nn.Module]:
        """Return the downsampling layers: (B, channels, Q, T) -> (B, code_channels, 1, T/4)."""
        s, w, q = self.settings, self.settings.width, self._num_coefficients
        if self._is_1d:
            return [
                FlattenFrequency(q),
                GatedConv(channels * q, w, (1, 15), num_labels=num_labels),
                GatedConv(w, 2 * w, (1, 5), (1, 2), s.norm, num_labels=num_labels),
                GatedConv(2 * w, 4 * w, (1, 5), (1, 2), s.norm, num_labels=num_labels),
            ]
        return [
            PadOrCropRows(4 * self._num_rows),
            GatedConv(channels, w, (5, 15), num_labels=num_labels),
            GatedConv(w, 2 * w, (5, 5), (2, 2), s.norm, num_labels=num_labels),
            GatedConv(2 * w, 4 * w, (5, 5), (2, 2), s.norm, num_labels=num_labels),
            FlattenFrequency(self._num_rows),
            nn.Conv2d(4 * w * self._num_rows, self.code_channels, 1),
            norm(s.norm, self.code_channels),
        ]

    def _residual_blocks(self, count: int, num_labels: int = 0) -> list[nn.Module]:
        """Return `count` residual blocks of `code_channels` channels."""
        return [GatedResidualBlock(self.code_channels, self.settings.norm, num_labels) for _ in range(count)]

    def _build_conditional_decoder(self, num_labels: int) -> Role:
        """Build a decoder: code and label maps (B, code_channels + num_labels, 1, T/4) -> (B, 1, Q, T)."""
        blocks = self._residual_blocks(self.blocks - self.encoder_blocks, num_labels)
        return Role(LabelConditioned([*blocks, *self._decoder_layers(num_labels)], num_labels))

    def _decoder_layers(self, num_labels: int = 0) -> list[nn.Module]:
        """Return the upsampling layers: (B, code_channels, 1, T/4) -> (B, 1, Q, T)."""
        s, w, q = self.settings, self.settings.width, self._num_coefficients
        if self._is_1d:
            return [
                GatedConv(4 * w, 2 * w, (1, 5), kind=s.norm, upscale_factor=(1, 2), num_labels=num_labels),
                GatedConv(2 * w, w, (1, 5), kind=s.norm, upscale_factor=(1, 2), num_labels=num_labels),
                self._init_output_layer(nn.Conv2d(w, q, (1, 15), 1, (0, 7))),
                UnflattenFrequency(q),
            ]
        return [
            nn.Conv2d(self.code_channels, 4 * w * self._num_rows, 1),
            norm(s.norm, 4 * w * self._num_rows),
            UnflattenFrequency(self._num_rows),
            GatedConv(4 * w, 2 * w, (5, 5), kind=s.norm, upscale_factor=(2, 2), num_labels=num_labels),
            GatedConv(2 * w, w, (5, 5), kind=s.norm, upscale_factor=(2, 2), num_labels=num_labels),
            self._init_output_layer(nn.Conv2d(w, 1, (5, 15), 1, (2, 7))),
            PadOrCropRows(q),
        ]

    def _init_output_layer(self, layer: nn.Conv2d) -> nn.Conv2d:
        """Scale down the initial weights of the last layer of a residual generator. Return the layer."""
        if self.settings.residual:  # a small initial residual: training starts near the affine baseline
            nn.init.normal_(layer.weight, 0.0, 0.1 / math.sqrt(layer.weight[0].numel()))
        return layer

    def _discriminator_layers(self, channels: int, outputs: int) -> list[nn.Module]:
        """Return the layers of a discriminator: (B, channels, Q, T) -> scores (B, views x outputs, h, w)."""
        s, w = self.settings, self.settings.discriminator_width
        if s.discriminator == "patch":
            return [
                GatedConv(channels, w, (3, 3)),
                GatedConv(w, 2 * w, (3, 3), (2, 2), s.norm),
                GatedConv(2 * w, 4 * w, (3, 3), (2, 2), s.norm),
                GatedConv(4 * w, 8 * w, (3, 3), (2, 2), s.norm),
                GatedConv(8 * w, 8 * w, (1, 5), kind=s.norm),
                nn.Conv2d(8 * w, outputs, (1, 3), 1, (0, 1)),
            ]
        leaky = nn.LeakyReLU(0.2)
        patches: list[nn.Module] = [nn.Conv2d(2 * channels, w, 3, 1, 1), leaky, nn.Conv2d(w, 2 * w, 4, 2, 1), leaky]
        patches += [nn.Conv2d(2 * w, 4 * w, 4, 2, 1), leaky, nn.Conv2d(4 * w, outputs, 3, 1, 1)]
        frames: list[nn.Module] = [
            FlattenFrequency(self._num_coefficients),
            nn.Conv2d(2 * channels * self._num_coefficients, 4 * w, (1, 5), 1, (0, 2)),
            leaky,
        ]
        frames += [nn.Conv2d(4 * w, 4 * w, (1, 4), (1, 2), (0, 1)), leaky]
        frames += [nn.Conv2d(4 * w, 4 * w, (1, 4), (1, 2), (0, 1)), leaky, nn.Conv2d(4 * w, outputs, 1)]
        views = MultiViewDiscriminator(nn.Sequential(*patches), nn.Sequential(*frames))
        init_kaiming_leaky(views)
        return [LocalDeviation(), views]

    def _trunk_layers(self) -> list[nn.Module]:
        """Return the layers before a head of scores or logits: (B, 1, Q, T) -> (B, 4 discriminator_width, 1, T/4).

        The convolutions cover all coefficients.
        """
        trunk_channels = 4 * self.settings.discriminator_width
        layers: list[nn.Module] = [LocalDeviation(), FlattenFrequency(self._num_coefficients)]
        layers += [nn.Conv2d(2 * self._num_coefficients, trunk_channels, (1, 5), 1, (0, 2)), nn.LeakyReLU(0.2)]
        for _ in range(2):
            layers += [nn.Conv2d(trunk_channels, trunk_channels, (1, 4), (1, 2), (0, 1)), nn.LeakyReLU(0.2)]
        return layers

    def _classifier_head(self, num_labels: int) -> list[nn.Module]:
        """Return the head of a classifier: output of `_trunk_layers` -> logits (B, num_labels), averaged over time."""
        trunk_channels = 4 * self.settings.discriminator_width
        return [nn.Conv2d(trunk_channels, num_labels, (1, 3), 1, (0, 1)), nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def build_kaiming_role(*layers: nn.Module) -> Role:
    """Build a role with weights initialized by `init_kaiming_leaky`."""
    role = Role(*layers)
    init_kaiming_leaky(role)
    return role
