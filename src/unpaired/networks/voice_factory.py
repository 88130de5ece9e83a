"""Network factory for voice features."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from unpaired.config.settings import NetworkSettings
from unpaired.errors import UsageError
from unpaired.labels import Labels, create_domain_labels
from unpaired.networks.blocks import Role, zero_init
from unpaired.networks.gated_convolutions import (
    FlattenFrequency,
    GatedConv,
    LabelConditioned,
    LastRows,
    RepeatOverTime,
    VoiceResidual,
)
from unpaired.networks.masking import MaskedInfilling
from unpaired.networks.optimal_transport import ConditionalTransportLoss, OptimalTransportLoss
from unpaired.networks.projector import Projector
from unpaired.networks.voice_layers import VoiceLayers, build_kaiming_role

NO_EMBEDDING = "feature_extractor: for pictures only; with recordings leave it out (--feature-extractor none)"


class VoiceNetworkFactory(VoiceLayers):
    """Build the roles of a method for voice features (B, 1, Q, T): Q `coefficients`, normalized, and T frames.

    Generators are those of CycleGAN-VC2 (Kaneko et al. 2019, arXiv:1904.04631: 2-1-2-D, with the paper's sizes for
    width 64 and 6 blocks), or 1D after CycleGAN-VC (Kaneko and Kameoka 2017, arXiv:1711.11293). Discriminators are
    CycleGAN-VC2's PatchGAN, or lighter. Latent codes are (B, C, 1, T/4). Numbers of frames that are multiples of
    `stride` fit every role.

    Args:
        coefficients: The rows of an item, without its conditions.
        domains: The keys of the domains ("X", "Y").
        labels: The labels of the items; None: the domains are the labels.
        teacher: The frozen generator of another run, if any.
        num_conditions: The rows of conditions below the coefficients of an item.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        coefficients: int,
        crop_frames: int,
        generator_dims: str,
        domains: Sequence[str],
        labels: Labels | None = None,
        teacher: Role | None = None,
        num_conditions: int = 0,
    ) -> None:
        super().__init__(settings, coefficients, crop_frames, generator_dims)
        self.domains = tuple(domains)
        self._labels = labels
        self._teacher = teacher
        self.num_conditions = num_conditions

    @property
    def labels(self) -> Labels:
        """The labels of the items; the domains, if the data set has no other labels."""
        return self._labels or create_domain_labels(self.domains)

    def generator(
        self,
        source: str,  # noqa: ARG002 - the same for all domains
        target: str,  # noqa: ARG002
        depth: int | None = None,
        max_mask_fraction: float = 0.0,
    ) -> Role:
        """Build a generator of voice features.

        If `max_mask_fraction` is above 0, it also takes the mask from `mask_frames` and fills in the masked frames.
        """
        if depth is not None:
            raise UsageError(f"depth {depth}: for pictures only; with recordings leave it out (--depth none)")
        if not 0 <= max_mask_fraction <= 1:
            raise UsageError(
                f"max_mask_fraction {max_mask_fraction:g}: expected a fraction of a crop's frames, from 0 to 1"
            )
        net: nn.Module = nn.Sequential(
            *self._encoder_layers(channels=2 if max_mask_fraction else 1),
            *self._residual_blocks(self.blocks),
            *self._decoder_layers(),
        )
        net = VoiceResidual(net) if self.settings.residual else net
        return Role(MaskedInfilling(net)) if max_mask_fraction else Role(net)

    def alignment(self, source: str, target: str) -> Role:  # noqa: ARG002 - signature of NetworkFactory
        """Return the identity: each speaker's features are normalized by the speaker's own statistics."""
        return Role()

    def discriminator(self, domain: str, outputs: int = 1) -> Role:  # noqa: ARG002
        """Build a discriminator: voice features of `domain` -> scores (B, views x outputs, h, w).

        "patch" has one view; the light discriminator has two, of patches and of frames.
        """
        return Role(*self._discriminator_layers(1, outputs))

    def pair_discriminator(self, domain: str) -> Role:  # noqa: ARG002
        """Build a discriminator of two items of `domain`, concatenated as channels -> scores (B, views, h, w)."""
        return Role(*self._discriminator_layers(2, 1))

    def coupled_discriminators(self, *domains: str) -> list[Role]:
        """Raise UsageError: there are no discriminators with shared layers for voice features."""
        raise UsageError(
            f"discriminators of {', '.join(domains)} with shared layers: for pictures only; choose another method"
        )

    def encoder(self, domain: str) -> Role:  # noqa: ARG002
        """Build an encoder: voice features of `domain` -> codes (B, code_channels, 1, T/4).

        It has the downsampling layers and half of the residual blocks of a generator.
        """
        return Role(*self._encoder_layers(), *self._residual_blocks(self.encoder_blocks))

    def decoder(self, domain: str, embedding: nn.Module | None = None) -> Role:  # noqa: ARG002
        """Build the mirror image of `encoder`: codes (B, code_channels, 1, T/4) -> voice features of `domain`."""
        if embedding is not None:
            raise UsageError(NO_EMBEDDING)
        return Role(*self._residual_blocks(self.blocks - self.encoder_blocks), *self._decoder_layers())

    def embedding_head(self, embedding: nn.Module) -> Role:  # noqa: ARG002 - signature of NetworkFactory
        """Raise UsageError: embeddings are of images only."""
        raise UsageError(NO_EMBEDDING)

    def shared_block(self) -> Role:
        """Build a residual block that several encoders or decoders share: codes -> codes of the same shape."""
        return Role(*self._residual_blocks(1))

    def latent_discriminator(self, outputs: int, dropout: float = 0.0) -> Role:
        """Build a discriminator of latent codes (B, code_channels, 1, t) -> logits (B, outputs), averaged over time."""
        w = 2 * self.settings.discriminator_width
        net: list[nn.Module] = [nn.Conv2d(self.code_channels, w, (1, 5), 1, (0, 2)), nn.LeakyReLU(0.2)]
        net += [nn.Conv2d(w, w, (1, 3), 1, (0, 1)), nn.LeakyReLU(0.2)]
        net += [nn.Dropout(dropout)] if dropout else []
        return build_kaiming_role(*net, nn.Conv2d(w, outputs, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())

    def classifier(self, num_labels: int) -> Role:
        """Build a classifier: voice features of any domain -> logits (B, num_labels), averaged over time."""
        return build_kaiming_role(*self._trunk_layers(), *self._classifier_head(num_labels))

    def conditional_generator(self, num_labels: int) -> Role:
        """Build a generator: voice features concatenated with `num_labels` label maps -> voice features.

        Every gated layer takes the label.
        """
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
        """Build a discriminator with an auxiliary classifier: the shared layers, the score head, and the logit head.

        There is no normalization, with which a gradient penalty per item would be meaningless.
        """
        trunk_channels = 4 * self.settings.discriminator_width
        scores = nn.Conv2d(trunk_channels, outputs, (1, 5), 1, (0, 2))
        return (
            build_kaiming_role(*self._trunk_layers()),
            build_kaiming_role(scores),
            build_kaiming_role(*self._classifier_head(num_labels)),
        )

    def conditional_autoencoder(self, num_labels: int, dropout: float) -> tuple[Role, Role, Role]:
        """Build an encoder, a decoder whose gated layers take the label, and a latent discriminator."""
        decoder = self._build_conditional_decoder(num_labels)
        return self.encoder(self.domains[0]), decoder, self.latent_discriminator(num_labels, dropout=dropout)

    def conditional_residual_decoder(self, num_labels: int) -> Role:
        """Build a conditional decoder whose output, a residual to add to voice features, starts at zero."""
        decoder = self._build_conditional_decoder(num_labels)
        *_, last = (layer for layer in decoder.modules() if isinstance(layer, nn.Conv2d))
        zero_init(last)
        return decoder

    def decode_vector(self, latent_dim: int) -> Role:
        """Build a decoder: codes (B, latent_dim, 1, T/4) -> features, the input of `render`.

        Codes (B, latent_dim) are repeated over the frames of a training crop.
        """
        enter = [RepeatOverTime(self.crop_frames // 4), nn.Conv2d(latent_dim, self.code_channels, 1), nn.LeakyReLU(0.2)]
        return Role(*enter, *self._residual_blocks(self.blocks - self.encoder_blocks))

    def render(self, domain: str) -> Role:  # noqa: ARG002
        """Build the last layers of a generator: features from `decode_vector` -> voice features of `domain`."""
        return Role(*self._decoder_layers())

    def encode_vector(self, domain: str, outputs: int) -> Role:
        """Build an encoder: voice features of `domain` -> codes (B, outputs, 1, T/4).

        Codes keep the time axis, which the words need.
        """
        return Role(self.encoder(domain), nn.Conv2d(self.code_channels, outputs, 1))

    def projector(self, domain: str, num_patches: int = 256, with_pixels: bool = True) -> Projector:  # noqa: ARG002
        """Build a projector of the generator's features.

        The features are those after each halving and after residual blocks 1 and 5, or the last. If `with_pixels` is
        True, the voice features themselves are layer 0.
        """
        w = self.settings.width
        widths = {2: 2 * w, 3: 4 * w}
        if self.blocks:
            widths |= {4: self.code_channels, 3 + min(5, self.blocks): self.code_channels}
        return Projector({0: 1, **widths} if with_pixels else widths, num_patches)

    def transport_loss(self) -> OptimalTransportLoss:
        """Build the optimal transport loss of converted frames."""
        return OptimalTransportLoss()

    def conditional_transport_loss(self, num_labels: int) -> ConditionalTransportLoss:
        """Build one optimal transport loss per label (speaker)."""
        return ConditionalTransportLoss(num_labels)

    def synthesizer(self, num_labels: int) -> Role:
        """Build a synthesizer: conditions (the last rows of an item) and label maps -> values (B, 1, Q, T).

        It has the residual blocks and upsampling layers of a generator; content changes every 20 ms, which is the rate
        of the codes.
        """
        enter = GatedConv(self.num_conditions, self.code_channels, (1, 5), (1, 4), num_labels=num_labels)
        return Role(
            LabelConditioned(
                [
                    LastRows(self.num_conditions),
                    FlattenFrequency(self.num_conditions),
                    enter,
                    *self._residual_blocks(self.blocks, num_labels),
                    *self._decoder_layers(num_labels),
                ],
                num_labels,
            )
        )

    def teacher(self) -> Role | None:
        """Return the frozen generator "X" -> "Y" of another run, or None if the run has no teacher."""
        return self._teacher
