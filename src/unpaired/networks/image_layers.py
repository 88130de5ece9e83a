"""Layers from which the network factory for images composes its roles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from torch import nn

from unpaired.config.settings import Norm
from unpaired.errors import UsageError
from unpaired.networks.augment import Augment
from unpaired.networks.blocks import ResidualBlock, Role, init_normal
from unpaired.networks.discriminator import light_discriminator, multi_discriminator, patch_discriminator
from unpaired.networks.generator import (
    LightGenerator,
    SkipGenerator,
    init_icnr,
    init_kaiming_relu,
    resnet_down,
    resnet_up,
)
from unpaired.networks.identity_autoencoder import LightDecoder
from unpaired.networks.image_settings import ImageNetworkSettings, Padding

Net = TypeVar("Net", bound=nn.Module)


class ImageLayers:
    """Build generators, discriminators and decoders of images according to the network settings.

    `stride` is the least common multiple of the strides of all roles built so far.
    """

    def __init__(self, settings: ImageNetworkSettings, channels: Mapping[str, int], size: int) -> None:
        self.settings = settings
        self.channels = channels
        self.size = size
        self.stride = 1
        self.blocks = settings.blocks if settings.blocks is not None else (9 if size > 128 else 6)

    @property
    def code_channels(self) -> int:
        """Number of channels of the features between encoders and decoders."""
        return (2 if self.settings.generator == "light" else 4) * self.settings.width

    @property
    def encoder_blocks(self) -> int:
        """Number of residual blocks of an encoder; a decoder has the others, one more of an odd number."""
        return self.blocks // 2

    def _build_generator(self, inputs: int, outputs: int, kind: Norm, padding: Padding) -> nn.Module:
        """Build the default generator: (B, inputs, H, W) -> (B, outputs, H, W), for H and W that are multiples of 4."""
        s = self.settings
        self._require_stride(4)
        if s.generator == "light":
            return init_weights(LightGenerator(inputs, outputs, s.width, self.blocks, kind, padding))
        if s.skips == "half" and s.width % 2:
            raise UsageError(
                f"width {s.width}: with --skips half the width must be even; try --width {s.width + 1} or --skips raw"
            )
        blocks = [ResidualBlock(self.code_channels, kind, padding) for _ in range(self.blocks)]
        down = resnet_down(inputs, s.width, kind, padding, s.antialias, s.skips)
        up = resnet_up(outputs, s.width, kind, padding, s.antialias, s.skips)
        if s.skips != "none":
            return init_weights(SkipGenerator(down, blocks, up))
        return init_weights(nn.Sequential(*down, *blocks, *up))

    def _build_discriminator(self, channels: int, outputs: int = 1) -> Role:
        """Build a discriminator with augmentation: (B, channels, H, W) -> scores (B, views x outputs, h, w)."""
        return Role(*self._augmentation_layers(), *self._score_layers(channels, outputs))

    def _score_layers(self, channels: int, outputs: int) -> list[nn.Module]:
        """Return the initialized layers of a discriminator; raises UsageError if the images are too small for it."""
        s = self.settings
        if s.discriminator == "light":
            return [light_discriminator(channels, s.discriminator_width, outputs)]
        if self.size < 3 * 2**s.discriminator_layers:
            raise UsageError(
                f"size {self.size}: a patch discriminator of {s.discriminator_layers} layers needs at least "
                f"{3 * 2**s.discriminator_layers} px; increase --size or decrease --discriminator-layers"
            )
        shape = (channels, s.discriminator_width, s.discriminator_layers, s.norm, outputs)
        if s.discriminator == "multi":
            return [multi_discriminator(*shape, antialias=s.discriminator_antialias)]
        layers = patch_discriminator(*shape, antialias=s.discriminator_antialias)
        init_normal(nn.Sequential(*layers))
        return layers

    def _augmentation_layers(self) -> list[nn.Module]:
        """Return the augmentation of the discriminator's input, or no layer."""
        policies = self.settings.augment
        assert policies != "auto", "resolve the setting before building networks"
        return [Augment(policies)] if policies else []

    def _build_light_decoder(
        self, channels: int, kind: Norm, num_labels: int = 0, *, has_dct_channels: bool = True
    ) -> LightDecoder:
        """Build a light decoder; with DCT channels only if encoders have them."""
        s, has_dct_channels = self.settings, has_dct_channels and self._starts_at_identity
        return init_weights(
            LightDecoder(
                channels,
                s.width,
                self.blocks - self.encoder_blocks,
                kind,
                s.padding,
                num_labels,
                has_dct_channels=has_dct_channels,
            )
        ).zero_init_head()

    @property
    def _starts_at_identity(self) -> bool:
        """Whether encoders and decoders start as the identity (light generators that predict a residual)."""
        s = self.settings
        return s.generator == "light" and bool(s.residual) and len(set(self.channels.values())) == 1

    def _residual_blocks(self, count: int) -> list[ResidualBlock]:
        """Return `count` residual blocks of `code_channels` channels."""
        s = self.settings
        return [ResidualBlock(self.code_channels, s.norm, s.padding) for _ in range(count)]

    def _build_role(self, *layers: nn.Module) -> Role:
        """Build a role with initialized weights."""
        role = Role(*layers)
        return init_weights(role)

    def _require_stride(self, stride: int) -> None:
        """Record that heights and widths must be multiples of `stride`."""
        self.stride = math.lcm(self.stride, stride)


def init_weights(net: Net) -> Net:
    """Initialize a generator, encoder or decoder, and return it.

    Weights are from N(0, 0.02), by Kaiming initialization before ReLU, and by ICNR before depth-to-space.
    """
    init_icnr(init_kaiming_relu(init_normal(net)))
    return net
