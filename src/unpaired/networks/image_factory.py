"""The factory that builds a method's roles for images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

from torch import nn

from unpaired.config.settings import NetworkSettings, Norm, Padding
from unpaired.errors import UsageError
from unpaired.labels import Labels, create_domain_labels
from unpaired.networks.augment import Augment
from unpaired.networks.blocks import ImageResidual, ResidualBlock, Role, as_affine, init_normal
from unpaired.networks.conditional import (
    classifier,
    count_fader_halvings,
    fader_decoder,
    fader_encoder,
    stargan_discriminator,
)
from unpaired.networks.discriminator import latent_discriminator, light_discriminator, patch_discriminator
from unpaired.networks.generator import (
    LightGenerator,
    fixed_depth_generator,
    init_icnr,
    init_kaiming_relu,
    light_down,
    resnet_down,
    resnet_up,
)
from unpaired.networks.identity_autoencoder import DctEncoder, LightDecoder, zero_init_block
from unpaired.networks.pretrained import count_map_channels as channels_of
from unpaired.networks.pretrained import find_missing_embedding
from unpaired.networks.projector import Projector
from unpaired.networks.transport import ConditionalTransportLoss, OptimalTransportLoss
from unpaired.networks.vector_codes import (
    count_halvings,
    render_layers,
    share_layers,
    vector_decoder_layers,
    vector_encoder_layers,
)

Net = TypeVar("Net", bound=nn.Module)

NO_TRANSPORT_MESSAGE = (
    "transport_weight: for recordings only, whose frames it brings to the target; with pictures leave it out"
)


class ImageNetworkFactory:
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
        return self._labels or create_domain_labels(self.domains)

    @property
    def code_channels(self) -> int:
        """Channels of the features that encoders give and decoders take."""
        return (2 if self.settings.generator == "light" else 4) * self.settings.width

    def generator(self, source: str, target: str, depth: int | None = None, max_mask_fraction: float = 0.0) -> Role:
        """`source`'s images -> `target`'s; with a `depth`, a plain stack of so many convolutions."""
        if max_mask_fraction:
            raise UsageError(
                f"mask {max_mask_fraction:g}: hides frames of recordings; with pictures leave it out (--mask 0)"
            )
        s, inputs, outputs = self.settings, self.channels[source], self.channels[target]
        net: nn.Module
        if depth is not None:
            if depth < 2 or 2 ** (depth // 2) > self.size:
                max_depth = 2 * int(math.log2(self.size)) + 1
                raise UsageError(f"depth {depth}: a generator for {self.size} px has from 2 to {max_depth} layers")
            self._require_stride(2 ** (depth // 2))
            net = _init_weights(fixed_depth_generator(inputs, outputs, s.width, depth, s.norm))
        else:
            net = self._build_generator(inputs, outputs, s.norm, s.padding)
        if s.residual and depth is None and inputs == outputs:
            net = ImageResidual(net, outputs)
        return Role(net)

    def _build_generator(self, inputs: int, outputs: int, kind: Norm, padding: Padding) -> nn.Module:
        s = self.settings
        self._require_stride(4)
        if s.generator == "light":
            return _init_weights(LightGenerator(inputs, outputs, s.width, self.blocks, kind, padding))
        blocks = [ResidualBlock(self.code_channels, kind, padding) for _ in range(self.blocks)]
        down = resnet_down(inputs, s.width, kind, padding, s.antialias)
        return _init_weights(nn.Sequential(*down, *blocks, *resnet_up(outputs, s.width, kind, padding, s.antialias)))

    def discriminator(self, domain: str, outputs: int = 1) -> Role:
        """`domain`'s images -> scores per patch, seen through the augmentation of the settings.

        (B, C, H, W) -> (B, views x outputs, h, w), the `outputs` of a view side by side.
        """
        return self._build_discriminator(self.channels[domain], outputs)

    def pair_discriminator(self, domain: str) -> Role:
        """Two of `domain`'s images, joined as channels -> scores per patch; the pair is augmented alike."""
        return self._build_discriminator(2 * self.channels[domain])

    def _build_discriminator(self, channels: int, outputs: int = 1) -> Role:
        s = self.settings
        if s.discriminator == "light":
            layers: list[nn.Module] = [light_discriminator(channels, s.discriminator_width, outputs)]
        else:
            if self.size < 3 * 2**s.discriminator_layers:
                raise UsageError(
                    f"size {self.size}: a patch critic of critic_layers {s.discriminator_layers} needs at least "
                    f"{3 * 2**s.discriminator_layers} px; raise the size or lower critic_layers"
                )
            layers = patch_discriminator(channels, s.discriminator_width, s.discriminator_layers, s.norm, outputs)
            init_normal(nn.Sequential(*layers))
        return Role(*self._augmentation_layers(), *layers)

    def _augmentation_layers(self) -> list[nn.Module]:
        policies = self.settings.augment
        assert policies != "auto", "resolved before networks are built"
        return [Augment(policies)] if policies else []

    def encoder(self, domain: str) -> Role:
        """`domain`'s images -> features (B, code channels, H/4, W/4): the convolutions and half the blocks."""
        self._require_stride(4)
        s, channels = self.settings, self.channels[domain]
        if s.generator == "light":
            layers = light_down(channels, s.width, s.norm, s.padding)
        else:
            layers = resnet_down(channels, s.width, s.norm, s.padding, s.antialias)
        role = self._build_role(*layers, *self._residual_blocks(self.blocks // 2))
        return Role(DctEncoder(role, channels, self.code_channels)) if self._starts_at_identity else role

    def decoder(self, domain: str, embedding: nn.Module | None = None) -> Role:
        """The mirror of `encoder`: features (B, code channels, H/4, W/4) -> `domain`'s images.

        Of an `embedding`, a 1 x 1 convolution makes its maps of as many channels as a code has.
        """
        self._require_stride(4)
        inputs = None if embedding is None else channels_of(embedding, self.size)
        s, channels = self.settings, self.channels[domain]
        enter = [nn.Conv2d(inputs, self.code_channels, 1), nn.ReLU(inplace=True)] if inputs else []
        if s.generator == "light":
            return Role(
                *_init_weights(nn.Sequential(*enter)),
                self._build_light_decoder(channels, s.norm, has_dct_channels=not inputs),
            )
        up = resnet_up(channels, s.width, s.norm, s.padding, s.antialias)
        return self._build_role(*enter, *self._residual_blocks(self.blocks // 2), *up)

    def _build_light_decoder(
        self, channels: int, kind: Norm, num_labels: int = 0, *, has_dct_channels: bool = True
    ) -> LightDecoder:
        s, has_dct_channels = self.settings, has_dct_channels and self._starts_at_identity
        return _init_weights(
            LightDecoder(
                channels, s.width, self.blocks // 2, kind, s.padding, num_labels, has_dct_channels=has_dct_channels
            )
        ).zero_init_head()

    def projector(self, domain: str, num_patches: int = 256, with_pixels: bool = True) -> Projector:
        """Codes of patches of `domain`'s images, of what a generator without a depth makes of them at each halving, and
        of its first and fifth residual block, or the last (Park et al. 2020). `pixels`: of the images too.
        """
        w, light = self.settings.width, self.settings.generator == "light"
        # A light generator halves in its stem already; that of a resnet works at the full size.
        widths = {1: w, 2: 2 * w} if light else {2: 2 * w, 3: 4 * w}
        first = max(widths) + 1
        if self.blocks:
            widths |= {first: self.code_channels, first + min(5, self.blocks) - 1: self.code_channels}
        return Projector({0: self.channels[domain], **widths} if with_pixels else widths, num_patches)

    def decode_vector(self, latent_dim: int) -> Role:
        """Codes (B, codes) -> features (B, width/2, size/2, size/2), which `paint` takes."""
        s = self.settings
        self._require_stride(2 ** count_halvings(self.size))
        return self._build_role(*vector_decoder_layers(latent_dim, s.width, self.size, s.norm, s.padding))

    def render(self, domain: str) -> Role:
        """Features (B, width/2, h, w) of `unfold` -> `domain`'s images (B, C, 2 h, 2 w): a generator's last layer."""
        s = self.settings
        return self._build_role(*render_layers(self.channels[domain], s.width, s.padding, s.generator == "light"))

    def encode_vector(self, domain: str, outputs: int) -> Role:
        """`domain`'s images of any size, brought to the trained one -> (B, outputs)."""
        s = self.settings
        self._require_stride(2 ** count_halvings(self.size))
        light = s.generator == "light"
        return self._build_role(
            *vector_encoder_layers(self.channels[domain], outputs, s.width, self.size, s.norm, light)
        )

    def coupled_discriminators(self, *domains: str) -> list[Role]:
        """A critic per domain, which have all layers but the first in common."""
        discriminators = [self.discriminator(domain) for domain in domains]
        for discriminator in discriminators[1:]:
            share_layers(discriminators[0], discriminator)
        return discriminators

    def classifier(self, num_labels: int) -> Role:
        """Any domain's images -> logits (B, labels)."""
        return Role(classifier(self.channels[self.domains[0]], self.settings.discriminator_width, num_labels))

    def conditional_generator(self, num_labels: int) -> Role:
        """Images joined with `labels` maps -> images.

        An even map of a label vanishes in an instance norm behind padding that mirrors it. So where the norm is of that
        kind it is affine, and zeros pad (as in the code of Choi et al. 2018).
        """
        s, channels = self.settings, self.channels[self.domains[0]]
        if s.norm in ("instance", "instance-affine"):
            net = self._build_generator(channels + num_labels, channels, "instance-affine", "zeros")
        else:
            net = self._build_generator(channels + num_labels, channels, s.norm, s.padding)
        return Role(ImageResidual(net, channels) if s.residual else net)

    def discriminator_with_classifier(self, num_labels: int, outputs: int = 1) -> tuple[Role, Role, Role]:
        """A critic that also tells labels: what both heads share, the head of the scores, the head of the logits.

        Scores are (B, views x outputs, h, w), the `outputs` of a view side by side.
        """
        s, channels = self.settings, self.channels[self.domains[0]]
        augment = self._augmentation_layers()
        if s.discriminator == "light":
            shared_layers = Role(*(augment or [nn.Identity()]))
            return (
                shared_layers,
                Role(light_discriminator(channels, s.discriminator_width, outputs)),
                self.classifier(num_labels),
            )
        trunk, scores, logits = stargan_discriminator(channels, s.discriminator_width, self.size, num_labels, outputs)
        return Role(*augment, *trunk), Role(*scores), Role(*logits)

    def conditional_autoencoder(self, num_labels: int, dropout: float) -> tuple[Role, Role, Role]:
        """An encoder to a code of 4 x 4, its decoder, which is told the label at every layer, and a critic of codes.

        Light: the encoder and the code of the other methods, since places that a code does not tell must be learned,
        which takes longer than there is.
        """
        s, channels = self.settings, self.channels[self.domains[0]]
        kind = as_affine(s.norm)
        if s.generator == "light":
            light_decoder = Role(self._build_light_decoder(channels, kind, num_labels))
            return self.encoder(self.domains[0]), light_decoder, self.latent_discriminator(num_labels, dropout=dropout)
        num_halvings = count_fader_halvings(self.size)
        self._require_stride(2**num_halvings)
        encoder = Role(*fader_encoder(channels, s.width, num_halvings, kind))
        decoder = Role(fader_decoder(channels, s.width, num_halvings, kind, num_labels))
        code = s.width * min(2 ** (num_halvings - 1), 16)
        return encoder, decoder, Role(*latent_discriminator(code, min(512, 16 * s.width), num_labels, dropout))

    def conditional_residual_decoder(self, num_labels: int) -> Role:  # noqa: ARG002 - as voices are asked
        """Refused: sums of what decoders of images give leave their range."""
        raise UsageError("residual_from: for recordings only; with pictures leave it out (--residual-decoder-start 1)")

    def transport_loss(self, source_weight: float = 0.0) -> OptimalTransportLoss:  # noqa: ARG002 - as voices are asked
        """Refused: near is a matter of frames of voices."""
        raise UsageError(NO_TRANSPORT_MESSAGE)

    def conditional_transport_loss(self, num_labels: int, source_weight: float = 0.0) -> ConditionalTransportLoss:  # noqa: ARG002 - as voices are
        """Refused as `transport`."""
        raise UsageError(NO_TRANSPORT_MESSAGE)

    def teacher(self) -> Role | None:
        """The translation from "X" to "Y" that another run has learned, where one is given."""
        return self._teacher

    def embedding_head(self, embedding: nn.Module) -> Role:
        """Features (B, code channels, h, w) -> (B, channels of the embedding's maps, h, w), by a 1 x 1 convolution.

        Empty where the embedding is not here: whatever does without it does without this.
        """
        if find_missing_embedding(embedding) is not None:
            return Role()
        return self._build_role(nn.Conv2d(self.code_channels, channels_of(embedding, self.size), 1))

    def shared_block(self) -> Role:
        """Features -> features, one residual block: the layer that encoders, or decoders, have in common."""
        s = self.settings
        return (
            zero_init_block(self.code_channels, s.norm, s.padding)
            if self._starts_at_identity
            else self._build_role(*self._residual_blocks(1))
        )

    def latent_discriminator(self, outputs: int, dropout: float = 0.0) -> Role:
        """Features (B, code channels, h, w) -> logits (B, outputs)."""
        return Role(*latent_discriminator(self.code_channels, self.settings.discriminator_width, outputs, dropout))

    @property
    def _starts_at_identity(self) -> bool:
        """Whether coders begin at the identity."""
        s = self.settings
        return s.generator == "light" and bool(s.residual) and len(set(self.channels.values())) == 1

    def _residual_blocks(self, count: int) -> list[ResidualBlock]:
        s = self.settings
        return [ResidualBlock(self.code_channels, s.norm, s.padding) for _ in range(count)]

    def _build_role(self, *layers: nn.Module) -> Role:
        role = Role(*layers)
        return _init_weights(role)

    def _require_stride(self, stride: int) -> None:
        self.stride = math.lcm(self.stride, stride)


def _init_weights(net: Net) -> Net:
    """The starting weights of everything but critics."""
    init_icnr(init_kaiming_relu(init_normal(net)))
    return net
