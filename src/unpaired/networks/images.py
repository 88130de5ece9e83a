"""The factory that builds a method's roles for images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from torch import nn

from unpaired.errors import UsageError
from unpaired.networks.augment import Augment
from unpaired.networks.blocks import Residual, ResidualBlock, Role, normal_start
from unpaired.networks.critic import code_critic, light_critic, patch_critic
from unpaired.networks.generator import (
    LightGenerator,
    even_start,
    light_down,
    light_up,
    lively_start,
    resnet_down,
    resnet_up,
    stack,
)
from unpaired.networks.vectors import couple, fold, halvings, light_paint, resnet_paint, unfold
from unpaired.settings import NetworkSettings

Net = TypeVar("Net", bound=nn.Module)


class ImageNetworks:
    """Builds roles for images of `size` pixels; `channels` gives each domain's (keys "X", "Y").

    `stride` grows with what was built: heights and widths that are multiples of it pass through every role.
    """

    def __init__(self, settings: NetworkSettings, channels: Mapping[str, int], size: int) -> None:
        self.settings = settings
        self.channels = channels
        self.size = size
        self.stride = 1
        self.blocks = settings.blocks if settings.blocks is not None else (9 if size > 128 else 6)
        if settings.antialias and settings.generator != "resnet":
            raise UsageError(
                f"antialias: only resnet generators have it, not '{settings.generator}': --generator resnet"
            )

    @property
    def code_channels(self) -> int:
        """Channels of the features that encoders give and decoders take."""
        return (2 if self.settings.generator == "light" else 4) * self.settings.width

    def generator(self, source: str, target: str, depth: int | None = None) -> Role:
        """`source`'s images -> `target`'s; with a `depth`, a plain stack of so many convolutions."""
        s, inputs, outputs = self.settings, self.channels[source], self.channels[target]
        net: nn.Module
        if depth is not None:
            if depth < 2 or 2 ** (depth // 2) > self.size:
                most = 2 * int(math.log2(self.size)) + 1
                raise UsageError(f"depth {depth}: a generator for {self.size} px has from 2 to {most} layers")
            self._needs(2 ** (depth // 2))
            net = stack(inputs, outputs, s.width, depth, s.norm)
        else:
            self._needs(4)
            if s.generator == "light":
                net = LightGenerator(inputs, outputs, s.width, self.blocks, s.norm, s.padding)
            else:
                net = nn.Sequential(
                    *resnet_down(inputs, s.width, s.norm, s.padding, s.antialias),
                    *self._residual(self.blocks),
                    *resnet_up(outputs, s.width, s.norm, s.padding, s.antialias),
                )
        _start(net)
        if s.residual and depth is None and inputs == outputs:
            net = Residual(net)
        return Role(net)

    def critic(self, domain: str, outputs: int = 1) -> Role:
        """`domain`'s images -> scores per patch, seen through the augmentation of the settings.

        (B, C, H, W) -> (B, views x outputs, h, w), the `outputs` of a view side by side.
        """
        return self._critic(self.channels[domain], outputs)

    def pair_critic(self, domain: str) -> Role:
        """Two of `domain`'s images, joined as channels -> scores per patch; the pair is augmented alike."""
        return self._critic(2 * self.channels[domain])

    def _critic(self, channels: int, outputs: int = 1) -> Role:
        s = self.settings
        assert s.augment != "auto", "resolved before networks are built"
        if s.critic == "light":
            layers: list[nn.Module] = [light_critic(channels, s.critic_width, outputs)]
        else:
            if self.size < 3 * 2**s.critic_layers:
                raise UsageError(
                    f"size {self.size}: a patch critic of critic_layers {s.critic_layers} needs at least "
                    f"{3 * 2**s.critic_layers} px; raise the size or lower critic_layers"
                )
            layers = patch_critic(channels, s.critic_width, s.critic_layers, s.norm, outputs)
            normal_start(nn.Sequential(*layers))
        return Role(*([Augment(s.augment)] if s.augment else []), *layers)

    def encoder(self, domain: str) -> Role:
        """`domain`'s images -> features (B, code channels, H/4, W/4): the convolutions and half the blocks."""
        self._needs(4)
        s, channels = self.settings, self.channels[domain]
        if s.generator == "light":
            layers = light_down(channels, s.width, s.norm, s.padding)
        else:
            layers = resnet_down(channels, s.width, s.norm, s.padding, s.antialias)
        return self._role(*layers, *self._residual(self.blocks // 2))

    def decoder(self, domain: str) -> Role:
        """The mirror of `encoder`: features (B, code channels, H/4, W/4) -> `domain`'s images."""
        s, channels = self.settings, self.channels[domain]
        if s.generator == "light":
            layers = light_up(channels, s.width, s.padding)
        else:
            layers = resnet_up(channels, s.width, s.norm, s.padding, s.antialias)
        return self._role(*self._residual(self.blocks // 2), *layers)

    def unfold(self, codes: int) -> Role:
        """Codes (B, codes) -> features (B, width, size/2, size/2), which `paint` takes."""
        s = self.settings
        self._needs(2 ** halvings(self.size))
        return self._role(*unfold(codes, s.width, self.size, s.norm, s.padding))

    def paint(self, domain: str) -> Role:
        """Features (B, width, h, w) of `unfold` -> `domain`'s images (B, C, 2 h, 2 w): the last layer of a generator."""
        s, channels = self.settings, self.channels[domain]
        light = s.generator == "light"
        return self._role(*(light_paint(channels, s.width, s.padding) if light else resnet_paint(channels, s.width)))

    def fold(self, domain: str, outputs: int) -> Role:
        """`domain`'s images of any size, brought to the trained one -> (B, outputs)."""
        s = self.settings
        self._needs(2 ** halvings(self.size))
        light = s.generator == "light"
        return self._role(*fold(self.channels[domain], outputs, s.width, self.size, s.norm, light))

    def coupled_critics(self, *domains: str) -> list[Role]:
        """A critic per domain, which have all layers but the first in common."""
        critics = [self.critic(domain) for domain in domains]
        for critic in critics[1:]:
            couple(critics[0], critic)
        return critics

    def shared(self) -> Role:
        """Features -> features, one residual block: the layer that encoders, or decoders, have in common."""
        return self._role(*self._residual(1))

    def code_critic(self, outputs: int, width: int | None = None, dropout: float = 0.0) -> Role:
        """Features (B, code channels, h, w) -> logits (B, outputs); `width` None takes the settings' critic_width."""
        return Role(*code_critic(self.code_channels, width or self.settings.critic_width, outputs, dropout))

    def _residual(self, count: int) -> list[ResidualBlock]:
        s = self.settings
        return [ResidualBlock(self.code_channels, s.norm, s.padding) for _ in range(count)]

    def _role(self, *layers: nn.Module) -> Role:
        role = Role(*layers)
        return _start(role)

    def _needs(self, stride: int) -> None:
        self.stride = math.lcm(self.stride, stride)


def _start(net: Net) -> Net:
    """The starting weights of everything but critics."""
    even_start(lively_start(normal_start(net)))
    return net
