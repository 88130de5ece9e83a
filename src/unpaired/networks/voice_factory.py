"""The factory that builds a method's roles for voices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from unpaired.config.settings import NetworkSettings, VoiceSettings
from unpaired.errors import UsageError
from unpaired.labels import Labels, create_domain_labels
from unpaired.networks.blocks import Role, norm, zero_init
from unpaired.networks.discriminator import MultiViewDiscriminator, init_kaiming_leaky
from unpaired.networks.gated_convolutions import (
    FlattenFrequency,
    GatedConv,
    GatedResidualBlock,
    LabelConditioned,
    LocalDeviation,
    PadOrCropRows,
    RepeatOverTime,
    UnflattenFrequency,
    VoiceResidual,
)
from unpaired.networks.masking import MaskedInfilling
from unpaired.networks.projector import Projector
from unpaired.networks.transport import ConditionalTransportLoss, OptimalTransportLoss

NO_EMBEDDING = "embedding: sees pictures and hears nothing; with recordings leave it out (--embedding none)"


class VoiceNetworkFactory:
    """Builds roles for voices (B, 1, Q, T) of `coefficients` Q, scaled; the `domains` are keys ("X", "Y").

    Generators are CycleGAN-VC2's (Kaneko et al. 2019, arXiv:1904.04631: 2-1-2-d, its sizes at width 64 with 6 blocks),
    or work in time alone, after CycleGAN-VC (Kaneko and Kameoka 2017, arXiv:1711.11293). Critics are CycleGAN-VC2's
    patches, or lighter. Codes are (B, C, 1, T/4). `stride`: frames that are a multiple of it pass through every role,
    whatever their number.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        voice: VoiceSettings,
        coefficients: int,
        domains: Sequence[str],
        labels: Labels | None = None,
        teacher: Role | None = None,
    ) -> None:
        self.settings = settings
        self.domains = tuple(domains)
        self.stride = 4
        self.crop_frames = voice.crop_frames
        self.blocks = 6 if settings.blocks is None else settings.blocks
        self._is_1d = voice.generator_dims == "1"
        self._q = coefficients
        self._rows = -(-coefficients // 4)
        self._labels = labels
        self._teacher = teacher

    @property
    def labels(self) -> Labels:
        """The labels of the items; the domains themselves where nothing else is told."""
        return self._labels or create_domain_labels(self.domains)

    @property
    def code_channels(self) -> int:
        """Channels of the features that encoders give and decoders take."""
        return 4 * self.settings.width

    def generator(
        self,
        source: str,  # noqa: ARG002 - all are alike
        target: str,  # noqa: ARG002
        depth: int | None = None,
        max_mask_fraction: float = 0.0,
    ) -> Role:
        """`source`'s voices -> `target`'s; with a `mask`, also what `hide` gives of them, whose frames it fills in."""
        if depth is not None:
            raise UsageError(f"depth {depth}: voices have no generators of a chosen depth; leave it out (--depth none)")
        if not 0 <= max_mask_fraction <= 1:
            raise UsageError(
                f"mask {max_mask_fraction:g}: the largest share of a crop's frames that is hidden; expected 0 to 1"
            )
        net: nn.Module = nn.Sequential(
            *self._encoder_layers(channels=2 if max_mask_fraction else 1),
            *self._residual_blocks(self.blocks),
            *self._decoder_layers(),
        )
        net = VoiceResidual(net) if self.settings.residual else net
        return Role(MaskedInfilling(net)) if max_mask_fraction else Role(net)

    def discriminator(self, domain: str, outputs: int = 1) -> Role:  # noqa: ARG002
        """`domain`'s voices -> scores per patch of time and frequency (B, outputs, h, w); light: of several views."""
        return Role(*self._discriminator_layers(1, outputs))

    def pair_discriminator(self, domain: str) -> Role:  # noqa: ARG002
        """Two of `domain`'s voices, joined as channels -> scores per patch."""
        return Role(*self._discriminator_layers(2, 1))

    def coupled_discriminators(self, *domains: str) -> list[Role]:
        """Refused: voices have no such critics."""
        raise UsageError(f"critics of {', '.join(domains)} with common layers: voices have none")

    def encoder(self, domain: str) -> Role:  # noqa: ARG002
        """`domain`'s voices -> features (B, code channels, 1, T/4): the way down and half the blocks."""
        return Role(*self._encoder_layers(), *self._residual_blocks(self.blocks // 2))

    def decoder(self, domain: str, embedding: nn.Module | None = None) -> Role:  # noqa: ARG002
        """The mirror of `encoder`."""
        if embedding is not None:
            raise UsageError(NO_EMBEDDING)
        return Role(*self._residual_blocks(self.blocks // 2), *self._decoder_layers())

    def embedding_head(self, embedding: nn.Module) -> Role:  # noqa: ARG002 - as images are asked
        """Refused: embeddings see pictures."""
        raise UsageError(NO_EMBEDDING)

    def shared_block(self) -> Role:
        """Features -> features, one residual block."""
        return Role(*self._residual_blocks(1))

    def latent_discriminator(self, outputs: int, dropout: float = 0.0) -> Role:
        """Features (B, code channels, 1, t) -> logits (B, outputs), the mean over time of what frames seem to say."""
        w = 2 * self.settings.discriminator_width
        net: list[nn.Module] = [nn.Conv2d(self.code_channels, w, (1, 5), 1, (0, 2)), nn.LeakyReLU(0.2)]
        net += [nn.Conv2d(w, w, (1, 3), 1, (0, 1)), nn.LeakyReLU(0.2)]
        net += [nn.Dropout(dropout)] if dropout else []
        return _build_leaky_role(*net, nn.Conv2d(w, outputs, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def classifier(self, num_labels: int) -> Role:
        """Any domain's voices -> logits (B, labels), the mean over time."""
        return _build_leaky_role(*self._trunk_layers(), *self._classifier_head(num_labels))

    def conditional_generator(self, num_labels: int) -> Role:
        """Voices joined with `labels` label maps -> voices: every gate is told the label."""
        net = LabelConditioned(
            [
                *self._encoder_layers(num_labels),
                *self._residual_blocks(self.blocks, num_labels),
                *self._decoder_layers(num_labels),
            ],
            num_labels,
        )
        return Role(VoiceResidual(net)) if self.settings.residual else Role(net)

    def discriminator_with_classifier(self, num_labels: int, outputs: int = 1) -> tuple[Role, Role, Role]:
        """A critic that also tells labels: what both heads share, the head of the scores, the head of the logits.

        Without a norm, which would make a penalty on gradients of single items meaningless.
        """
        trunk_channels = 4 * self.settings.discriminator_width
        scores = nn.Conv2d(trunk_channels, outputs, (1, 5), 1, (0, 2))
        return (
            _build_leaky_role(*self._trunk_layers()),
            _build_leaky_role(scores),
            _build_leaky_role(*self._classifier_head(num_labels)),
        )

    def conditional_autoencoder(self, num_labels: int, dropout: float) -> tuple[Role, Role, Role]:
        """Voices -> code; code joined with `labels` label maps -> voices, every gate told; code -> logits."""
        decoder = self._build_conditional_decoder(num_labels)
        return self.encoder(self.domains[0]), decoder, self.latent_discriminator(num_labels, dropout=dropout)

    def conditional_residual_decoder(self, num_labels: int) -> Role:
        """Code joined with `labels` label maps -> what to add to voices, every gate told; nothing until it learns."""
        decoder = self._build_conditional_decoder(num_labels)
        *_, last = (layer for layer in decoder.modules() if isinstance(layer, nn.Conv2d))
        zero_init(last)
        return decoder

    def decode_vector(self, latent_dim: int) -> Role:
        """Codes (B, codes, 1, T/4), or (B, codes) that are held for the trained frames -> features for `paint`."""
        enter = [RepeatOverTime(self.crop_frames // 4), nn.Conv2d(latent_dim, self.code_channels, 1), nn.LeakyReLU(0.2)]
        return Role(*enter, *self._residual_blocks(self.blocks // 2))

    def render(self, domain: str) -> Role:  # noqa: ARG002
        """Features that `unfold` gave -> `domain`'s voices."""
        return Role(*self._decoder_layers())

    def encode_vector(self, domain: str, outputs: int) -> Role:
        """`domain`'s voices -> (B, outputs, 1, T/4): codes of voices keep their time, in which the words are."""
        return Role(self.encoder(domain), nn.Conv2d(self.code_channels, outputs, 1))

    def projector(self, domain: str, num_patches: int = 256, with_pixels: bool = True) -> Projector:  # noqa: ARG002
        """Codes of places of `domain`'s voices, of what a generator makes of them at each halving, and of its first and
        fifth residual block, or the last. `pixels`: of the voices too.
        """
        w = self.settings.width
        widths = {2: 2 * w, 3: 4 * w}
        if self.blocks:
            widths |= {4: self.code_channels, 3 + min(5, self.blocks): self.code_channels}
        return Projector({0: 1, **widths} if with_pixels else widths, num_patches)

    def transport_loss(self, source_weight: float = 0.0) -> OptimalTransportLoss:
        """How far frames are from where optimal transport brings them."""
        return OptimalTransportLoss(source_weight)

    def conditional_transport_loss(self, num_labels: int, source_weight: float = 0.0) -> ConditionalTransportLoss:
        """The same to each speaker."""
        return ConditionalTransportLoss(num_labels, source_weight)

    def teacher(self) -> Role | None:
        """The translation from "X" to "Y" that another run has learned, where one is given."""
        return self._teacher

    def _encoder_layers(self, num_labels: int = 0, channels: int = 1) -> list[nn.Module]:
        s, w, q = self.settings, self.settings.width, self._q
        if self._is_1d:
            return [
                FlattenFrequency(q),
                GatedConv(channels * q, w, (1, 15), num_labels=num_labels),
                GatedConv(w, 2 * w, (1, 5), (1, 2), s.norm, num_labels=num_labels),
                GatedConv(2 * w, 4 * w, (1, 5), (1, 2), s.norm, num_labels=num_labels),
            ]
        return [
            PadOrCropRows(4 * self._rows),
            GatedConv(channels, w, (5, 15), num_labels=num_labels),
            GatedConv(w, 2 * w, (5, 5), (2, 2), s.norm, num_labels=num_labels),
            GatedConv(2 * w, 4 * w, (5, 5), (2, 2), s.norm, num_labels=num_labels),
            FlattenFrequency(self._rows),
            nn.Conv2d(4 * w * self._rows, self.code_channels, 1),
            norm(s.norm, self.code_channels),
        ]

    def _residual_blocks(self, count: int, num_labels: int = 0) -> list[nn.Module]:
        return [GatedResidualBlock(self.code_channels, self.settings.norm, num_labels) for _ in range(count)]

    def _build_conditional_decoder(self, num_labels: int) -> Role:
        return Role(
            LabelConditioned(
                [*self._residual_blocks(self.blocks // 2, num_labels), *self._decoder_layers(num_labels)], num_labels
            )
        )

    def _decoder_layers(self, num_labels: int = 0) -> list[nn.Module]:
        s, w, q = self.settings, self.settings.width, self._q
        if self._is_1d:
            return [
                GatedConv(4 * w, 2 * w, (1, 5), kind=s.norm, upscale_factor=(1, 2), num_labels=num_labels),
                GatedConv(2 * w, w, (1, 5), kind=s.norm, upscale_factor=(1, 2), num_labels=num_labels),
                self._init_output_layer(nn.Conv2d(w, q, (1, 15), 1, (0, 7))),
                UnflattenFrequency(q),
            ]
        return [
            nn.Conv2d(self.code_channels, 4 * w * self._rows, 1),
            norm(s.norm, 4 * w * self._rows),
            UnflattenFrequency(self._rows),
            GatedConv(4 * w, 2 * w, (5, 5), kind=s.norm, upscale_factor=(2, 2), num_labels=num_labels),
            GatedConv(2 * w, w, (5, 5), kind=s.norm, upscale_factor=(2, 2), num_labels=num_labels),
            self._init_output_layer(nn.Conv2d(w, 1, (5, 15), 1, (2, 7))),
            PadOrCropRows(q),
        ]

    def _init_output_layer(self, layer: nn.Conv2d) -> nn.Conv2d:
        if self.settings.residual:  # a change begins small, so that training begins at the affine baseline
            nn.init.normal_(layer.weight, 0.0, 0.1 / math.sqrt(layer.weight[0].numel()))
        return layer

    def _discriminator_layers(self, channels: int, outputs: int) -> list[nn.Module]:
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
        rows: list[nn.Module] = [
            FlattenFrequency(self._q),
            nn.Conv2d(2 * channels * self._q, 4 * w, (1, 5), 1, (0, 2)),
            leaky,
        ]
        rows += [nn.Conv2d(4 * w, 4 * w, (1, 4), (1, 2), (0, 1)), leaky]
        rows += [nn.Conv2d(4 * w, 4 * w, (1, 4), (1, 2), (0, 1)), leaky, nn.Conv2d(4 * w, outputs, 1)]
        views = MultiViewDiscriminator(nn.Sequential(*patches), nn.Sequential(*rows))
        init_kaiming_leaky(views)
        return [LocalDeviation(), views]

    def _trunk_layers(self) -> list[nn.Module]:
        """What tells a voice: convolutions over all coefficients, (B, 1, Q, T) -> (B, 4 critic width, 1, T/4)."""
        trunk_channels = 4 * self.settings.discriminator_width
        layers: list[nn.Module] = [LocalDeviation(), FlattenFrequency(self._q)]
        layers += [nn.Conv2d(2 * self._q, trunk_channels, (1, 5), 1, (0, 2)), nn.LeakyReLU(0.2)]
        for _ in range(2):
            layers += [nn.Conv2d(trunk_channels, trunk_channels, (1, 4), (1, 2), (0, 1)), nn.LeakyReLU(0.2)]
        return layers

    def _classifier_head(self, num_labels: int) -> list[nn.Module]:
        trunk_channels = 4 * self.settings.discriminator_width
        return [nn.Conv2d(trunk_channels, num_labels, (1, 3), 1, (0, 1)), nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def _build_leaky_role(*layers: nn.Module) -> Role:
    role = Role(*layers)
    init_kaiming_leaky(role)
    return role
