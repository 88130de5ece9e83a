"""The factory that builds a method's roles for images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from torch import nn

from unpaired.errors import UsageError
from unpaired.labels import Labels, of_domains
from unpaired.networks.augment import Augment
from unpaired.networks.blocks import Residual, ResidualBlock, Role, affine, normal_start
from unpaired.networks.coders import LightDecoder, PictureCode, quiet_block
from unpaired.networks.critic import code_critic, light_critic, patch_critic
from unpaired.networks.generator import (
    LightGenerator,
    even_start,
    light_down,
    lively_start,
    resnet_down,
    resnet_up,
    stack,
)
from unpaired.networks.labelled import classifier, deep_critic, deep_decoder, deep_encoder, fader_halvings
from unpaired.networks.pretrained import channels as channels_of
from unpaired.networks.pretrained import missing
from unpaired.networks.projector import Projector
from unpaired.networks.transport import LabelledTransport, Transport
from unpaired.networks.vectors import couple, fold, halvings, paint, unfold
from unpaired.settings import NetworkSettings, Norm, Padding

Net = TypeVar("Net", bound=nn.Module)

NO_TRANSPORT = "transport_weight: for recordings only, whose frames it brings to the target; with pictures leave it out"


class ImageNetworks:
    """Builds roles for images of `size` pixels; `channels` gives each domain's (keys "X", "Y").

    `stride` grows with what was built: heights and widths that are multiples of it pass through every role.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        channels: Mapping[str, int],
        size: int,
        labels: Labels | None = None,
        teacher: Role | None = None,
    ) -> None:
        self.settings = settings
        self.channels = channels
        self.size = size
        self.domains = tuple(channels)
        self.stride = 1
        self._labels = labels
        self._teacher = teacher
        self.blocks = settings.blocks if settings.blocks is not None else (9 if size > 128 else 6)

    @property
    def labels(self) -> Labels:
        """The labels of the items; the domains themselves where nothing else is told."""
        return self._labels or of_domains(self.domains)

    @property
    def code_channels(self) -> int:
        """Channels of the features that encoders give and decoders take."""
        return (2 if self.settings.generator == "light" else 4) * self.settings.width

    def generator(self, source: str, target: str, depth: int | None = None, mask: float = 0.0) -> Role:
        """`source`'s images -> `target`'s; with a `depth`, a plain stack of so many convolutions."""
        if mask:
            raise UsageError(f"mask {mask:g}: hides frames of recordings; with pictures leave it out (--mask 0)")
        s, inputs, outputs = self.settings, self.channels[source], self.channels[target]
        net: nn.Module
        if depth is not None:
            if depth < 2 or 2 ** (depth // 2) > self.size:
                most = 2 * int(math.log2(self.size)) + 1
                raise UsageError(f"depth {depth}: a generator for {self.size} px has from 2 to {most} layers")
            self._needs(2 ** (depth // 2))
            net = _start(stack(inputs, outputs, s.width, depth, s.norm))
        else:
            net = self._generator(inputs, outputs, s.norm, s.padding)
        if s.residual and depth is None and inputs == outputs:
            net = Residual(net, outputs)
        return Role(net)

    def _generator(self, inputs: int, outputs: int, kind: Norm, padding: Padding) -> nn.Module:
        s = self.settings
        self._needs(4)
        if s.generator == "light":
            return _start(LightGenerator(inputs, outputs, s.width, self.blocks, kind, padding))
        blocks = [ResidualBlock(self.code_channels, kind, padding) for _ in range(self.blocks)]
        down = resnet_down(inputs, s.width, kind, padding, s.antialias)
        return _start(nn.Sequential(*down, *blocks, *resnet_up(outputs, s.width, kind, padding, s.antialias)))

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
        return Role(*self._augment(), *layers)

    def _augment(self) -> list[nn.Module]:
        policies = self.settings.augment
        assert policies != "auto", "resolved before networks are built"
        return [Augment(policies)] if policies else []

    def encoder(self, domain: str) -> Role:
        """`domain`'s images -> features (B, code channels, H/4, W/4): the convolutions and half the blocks."""
        self._needs(4)
        s, channels = self.settings, self.channels[domain]
        if s.generator == "light":
            layers = light_down(channels, s.width, s.norm, s.padding)
        else:
            layers = resnet_down(channels, s.width, s.norm, s.padding, s.antialias)
        role = self._role(*layers, *self._residual(self.blocks // 2))
        return Role(PictureCode(role, channels, self.code_channels)) if self._identical else role

    def decoder(self, domain: str, embedding: nn.Module | None = None) -> Role:
        """The mirror of `encoder`: features (B, code channels, H/4, W/4) -> `domain`'s images.

        Of an `embedding`, a 1 x 1 convolution makes its maps of as many channels as a code has.
        """
        self._needs(4)
        inputs = None if embedding is None else channels_of(embedding, self.size)
        s, channels = self.settings, self.channels[domain]
        enter = [nn.Conv2d(inputs, self.code_channels, 1), nn.ReLU(inplace=True)] if inputs else []
        if s.generator == "light":
            return Role(*_start(nn.Sequential(*enter)), self._light_decoder(channels, s.norm, pictured=not inputs))
        up = resnet_up(channels, s.width, s.norm, s.padding, s.antialias)
        return self._role(*enter, *self._residual(self.blocks // 2), *up)

    def _light_decoder(self, channels: int, kind: Norm, labels: int = 0, *, pictured: bool = True) -> LightDecoder:
        s, pictured = self.settings, pictured and self._identical
        return _start(
            LightDecoder(channels, s.width, self.blocks // 2, kind, s.padding, labels, pictured=pictured)
        ).start()

    def projector(self, domain: str, patches: int = 256, pixels: bool = True) -> Projector:
        """Codes of patches of `domain`'s images, of what a generator without a depth makes of them at each halving, and
        of its first and fifth residual block, or the last (Park et al. 2020). `pixels`: of the images too.
        """
        w, light = self.settings.width, self.settings.generator == "light"
        # A light generator halves in its stem already; that of a resnet works at the full size.
        widths = {1: w, 2: 2 * w} if light else {2: 2 * w, 3: 4 * w}
        first = max(widths) + 1
        if self.blocks:
            widths |= {first: self.code_channels, first + min(5, self.blocks) - 1: self.code_channels}
        return Projector({0: self.channels[domain], **widths} if pixels else widths, patches)

    def unfold(self, codes: int) -> Role:
        """Codes (B, codes) -> features (B, width/2, size/2, size/2), which `paint` takes."""
        s = self.settings
        self._needs(2 ** halvings(self.size))
        return self._role(*unfold(codes, s.width, self.size, s.norm, s.padding))

    def paint(self, domain: str) -> Role:
        """Features (B, width/2, h, w) of `unfold` -> `domain`'s images (B, C, 2 h, 2 w): a generator's last layer."""
        s = self.settings
        return self._role(*paint(self.channels[domain], s.width, s.padding, s.generator == "light"))

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

    def classifier(self, labels: int) -> Role:
        """Any domain's images -> logits (B, labels)."""
        return Role(classifier(self.channels[self.domains[0]], self.settings.critic_width, labels))

    def relabeller(self, labels: int) -> Role:
        """Images joined with `labels` maps -> images.

        An even map of a label vanishes in an instance norm behind padding that mirrors it. So where the norm is of that
        kind it is affine, and zeros pad (as in the code of Choi et al. 2018).
        """
        s, channels = self.settings, self.channels[self.domains[0]]
        if s.norm in ("instance", "instance-affine"):
            net = self._generator(channels + labels, channels, "instance-affine", "zeros")
        else:
            net = self._generator(channels + labels, channels, s.norm, s.padding)
        return Role(Residual(net, channels) if s.residual else net)

    def labelled_critic(self, labels: int, outputs: int = 1) -> tuple[Role, Role, Role]:
        """A critic that also tells labels: what both heads share, the head of the scores, the head of the logits.

        Scores are (B, views x outputs, h, w), the `outputs` of a view side by side.
        """
        s, channels = self.settings, self.channels[self.domains[0]]
        augment = self._augment()
        if s.critic == "light":
            shared = Role(*(augment or [nn.Identity()]))
            return shared, Role(light_critic(channels, s.critic_width, outputs)), self.classifier(labels)
        trunk, scores, logits = deep_critic(channels, s.critic_width, self.size, labels, outputs)
        return Role(*augment, *trunk), Role(*scores), Role(*logits)

    def label_coders(self, labels: int, dropout: float) -> tuple[Role, Role, Role]:
        """An encoder to a code of 4 x 4, its decoder, which is told the label at every layer, and a critic of codes.

        Light: the encoder and the code of the other methods, since places that a code does not tell must be learned,
        which takes longer than there is.
        """
        s, channels = self.settings, self.channels[self.domains[0]]
        kind = affine(s.norm)
        if s.generator == "light":
            told = Role(self._light_decoder(channels, kind, labels))
            return self.encoder(self.domains[0]), told, self.code_critic(labels, dropout=dropout)
        count = fader_halvings(self.size)
        self._needs(2**count)
        encoder = Role(*deep_encoder(channels, s.width, count, kind))
        decoder = Role(deep_decoder(channels, s.width, count, kind, labels))
        code = s.width * min(2 ** (count - 1), 16)
        return encoder, decoder, Role(*code_critic(code, min(512, 16 * s.width), labels, dropout))

    def label_residual(self, labels: int) -> Role:  # noqa: ARG002 - as voices are asked
        """Refused: sums of what decoders of images give leave their range."""
        raise UsageError("residual_from: for recordings only; with pictures leave it out (--residual-from 1)")

    def transport(self, given: float = 0.0) -> Transport:  # noqa: ARG002 - as voices are asked
        """Refused: near is a matter of frames of voices."""
        raise UsageError(NO_TRANSPORT)

    def labelled_transport(self, labels: int, given: float = 0.0) -> LabelledTransport:  # noqa: ARG002 - as voices are
        """Refused as `transport`."""
        raise UsageError(NO_TRANSPORT)

    def teacher(self) -> Role | None:
        """The translation from "X" to "Y" that another run has learned, where one is given."""
        return self._teacher

    def read_out(self, embedding: nn.Module) -> Role:
        """Features (B, code channels, h, w) -> (B, channels of the embedding's maps, h, w), by a 1 x 1 convolution.

        Empty where the embedding is not here: whatever does without it does without this.
        """
        if missing(embedding) is not None:
            return Role()
        return self._role(nn.Conv2d(self.code_channels, channels_of(embedding, self.size), 1))

    def shared(self) -> Role:
        """Features -> features, one residual block: the layer that encoders, or decoders, have in common."""
        s = self.settings
        return quiet_block(self.code_channels, s.norm, s.padding) if self._identical else self._role(*self._residual(1))

    def code_critic(self, outputs: int, dropout: float = 0.0) -> Role:
        """Features (B, code channels, h, w) -> logits (B, outputs)."""
        return Role(*code_critic(self.code_channels, self.settings.critic_width, outputs, dropout))

    @property
    def _identical(self) -> bool:
        """Whether coders begin at the identity."""
        s = self.settings
        return s.generator == "light" and bool(s.residual) and len(set(self.channels.values())) == 1

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
