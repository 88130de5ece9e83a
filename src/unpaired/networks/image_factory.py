"""Network factory for images."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import nn

from unpaired.errors import UsageError
from unpaired.labels import Labels, create_domain_labels
from unpaired.networks.blocks import ImageResidual, Role, as_affine
from unpaired.networks.color_alignment import ColorAlignment
from unpaired.networks.conditional import (
    classifier,
    count_fader_halvings,
    fader_decoder,
    fader_encoder,
    stargan_discriminator,
)
from unpaired.networks.discriminator import latent_discriminator
from unpaired.networks.generator import (
    fixed_depth_generator,
    light_down,
    resnet_down,
    resnet_up,
)
from unpaired.networks.identity_autoencoder import DctEncoder, zero_init_block
from unpaired.networks.image_layers import ImageLayers, init_weights
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.networks.optimal_transport import ConditionalTransportLoss, OptimalTransportLoss
from unpaired.networks.pretrained import count_map_channels, find_missing_embedding
from unpaired.networks.projector import Projector
from unpaired.networks.vector_codes import (
    count_halvings,
    render_layers,
    share_layers,
    vector_decoder_layers,
    vector_encoder_layers,
)

NO_TRANSPORT_MESSAGE = "transport_weight: for recordings only; with pictures leave it out (--transport-weight 0)"


class ImageNetworkFactory(ImageLayers):
    """Build the roles of a method for images of `size` x `size` pixels.

    Heights and widths that are multiples of `stride`, which grows with the roles built so far, fit every role.

    Args:
        channels: The number of channels of each domain, by its key ("X", "Y", ...).
        labels: The labels of the items; None: the domains are the labels.
        teacher: The frozen generator of another run, if any.
        alignments: The color alignment from one domain to another, by their keys.
    """

    def __init__(
        self,
        settings: ImageNetworkSettings,
        channels: Mapping[str, int],
        size: int,
        labels: Labels | None = None,
        teacher: Role | None = None,
        alignments: Mapping[tuple[str, str], ColorAlignment] | None = None,
    ) -> None:
        super().__init__(settings, channels, size)
        self.domains = tuple(channels)
        self._labels = labels
        self._teacher = teacher
        self._alignments = alignments or {}

    @property
    def labels(self) -> Labels:
        """The labels of the items; the domains, if the data set has no other labels."""
        return self._labels or create_domain_labels(self.domains)

    def generator(self, source: str, target: str, depth: int | None = None, max_mask_fraction: float = 0.0) -> Role:
        """Build a generator of images: the default architecture, or `fixed_depth_generator` if `depth` is given."""
        if max_mask_fraction:
            raise UsageError(
                f"max_mask_fraction {max_mask_fraction:g}: for recordings only; "
                "with pictures leave it out (--max-mask-fraction 0)"
            )
        s, inputs, outputs = self.settings, self.channels[source], self.channels[target]
        net: nn.Module
        if depth is not None:
            if depth < 2 or 2 ** (depth // 2) > self.size:
                max_depth = 2 * int(math.log2(self.size)) + 1
                raise UsageError(f"depth {depth}: a generator for {self.size} px needs from 2 to {max_depth} layers")
            self._require_stride(2 ** (depth // 2))
            net = init_weights(fixed_depth_generator(inputs, outputs, s.width, depth, s.norm))
        else:
            net = self._build_generator(inputs, outputs, s.norm, s.padding)
        if s.residual and depth is None and inputs == outputs:
            net = ImageResidual(net, outputs)
        return Role(net)

    def alignment(self, source: str, target: str) -> Role:
        """Return the color alignment from `source` to `target`; without one, the identity."""
        found = self._alignments.get((source, target))
        return Role() if found is None else Role(found)

    def discriminator(self, domain: str, outputs: int = 1) -> Role:
        """Build a discriminator: images of `domain` -> scores (B, views x outputs, h, w).

        "patch" has one view, "light" and "multi" have three; the `outputs` of a view are adjacent channels.
        """
        return self._build_discriminator(self.channels[domain], outputs)

    def pair_discriminator(self, domain: str) -> Role:
        """Build a discriminator of two images of `domain`, concatenated as channels -> scores (B, views, h, w)."""
        return self._build_discriminator(2 * self.channels[domain])

    def encoder(self, domain: str) -> Role:
        """Build an encoder: images of `domain` -> features (B, code_channels, H/4, W/4).

        It has the downsampling layers and half of the residual blocks of a generator.
        """
        self._require_stride(4)
        s, channels = self.settings, self.channels[domain]
        if s.generator == "light":
            layers = light_down(channels, s.width, s.norm, s.padding)
        else:
            layers = resnet_down(channels, s.width, s.norm, s.padding, s.antialias)
        role = self._build_role(*layers, *self._residual_blocks(self.encoder_blocks))
        return Role(DctEncoder(role, channels, self.code_channels)) if self._starts_at_identity else role

    def decoder(self, domain: str, embedding: nn.Module | None = None) -> Role:
        """Build the mirror image of `encoder`: features (B, code_channels, H/4, W/4) -> images of `domain`.

        It has the residual blocks of a generator that the encoder does not have: 5 of 9, as in ComboGAN's code.
        If the input is an `embedding`, a 1 x 1 convolution first maps its channels to `code_channels`.
        """
        self._require_stride(4)
        inputs = None if embedding is None else count_map_channels(embedding, self.size)
        s, channels = self.settings, self.channels[domain]
        enter = [nn.Conv2d(inputs, self.code_channels, 1), nn.ReLU(inplace=True)] if inputs else []
        if s.generator == "light":
            return Role(
                *init_weights(nn.Sequential(*enter)),
                self._build_light_decoder(channels, s.norm, has_dct_channels=not inputs),
            )
        up = resnet_up(channels, s.width, s.norm, s.padding, s.antialias)
        return self._build_role(*enter, *self._residual_blocks(self.blocks - self.encoder_blocks), *up)

    def projector(self, domain: str, num_patches: int = 256, with_pixels: bool = True) -> Projector:
        """Build a projector of the default generator's features.

        The features are those after each halving and after residual blocks 1 and 5, or the last. Source: Park et al.
        2020. If `with_pixels` is True, the images themselves are layer 0.
        """
        w, light = self.settings.width, self.settings.generator == "light"
        # The first layer of a light generator halves the image; that of a ResNet generator keeps its size.
        widths = {1: w, 2: 2 * w} if light else {2: 2 * w, 3: 4 * w}
        first = max(widths) + 1
        if self.blocks:
            widths |= {first: self.code_channels, first + min(5, self.blocks) - 1: self.code_channels}
        return Projector({0: self.channels[domain], **widths} if with_pixels else widths, num_patches)

    def decode_vector(self, latent_dim: int) -> Role:
        """Build a decoder: codes (B, latent_dim) -> features (B, width/2, size/2, size/2), the input of `render`."""
        s = self.settings
        self._require_stride(2 ** count_halvings(self.size))
        return self._build_role(*vector_decoder_layers(latent_dim, s.width, self.size, s.norm, s.padding))

    def render(self, domain: str) -> Role:
        """Build the last layer of a generator: features (B, width/2, h, w) -> images of `domain` (B, C, 2 h, 2 w)."""
        s = self.settings
        return self._build_role(*render_layers(self.channels[domain], s.width, s.padding, s.generator == "light"))

    def encode_vector(self, domain: str, outputs: int) -> Role:
        """Build an encoder: images of `domain` of any size, resized to the training size -> codes (B, outputs)."""
        s = self.settings
        self._require_stride(2 ** count_halvings(self.size))
        light = s.generator == "light"
        return self._build_role(
            *vector_encoder_layers(self.channels[domain], outputs, s.width, self.size, s.norm, light)
        )

    def coupled_discriminators(self, *domains: str) -> list[Role]:
        """Build one discriminator per domain; they share all layers except the first convolutions."""
        discriminators = [self.discriminator(domain) for domain in domains]
        for discriminator in discriminators[1:]:
            share_layers(discriminators[0], discriminator)
        return discriminators

    def classifier(self, num_labels: int) -> Role:
        """Build a classifier: images of any domain -> logits (B, num_labels)."""
        return Role(classifier(self.channels[self.domains[0]], self.settings.discriminator_width, num_labels))

    def conditional_generator(self, num_labels: int) -> Role:
        """Build a generator: images concatenated with `num_labels` label maps -> images.

        Behind reflection padding, an instance norm removes a constant label map. Instance norm therefore is affine
        here, with zero padding, as in the code of Choi et al. 2018.
        """
        s, channels = self.settings, self.channels[self.domains[0]]
        if s.norm in ("instance", "instance-affine"):
            net = self._build_generator(channels + num_labels, channels, "instance-affine", "zeros")
        else:
            net = self._build_generator(channels + num_labels, channels, s.norm, s.padding)
        return Role(ImageResidual(net, channels) if s.residual else net)

    def discriminator_with_classifier(self, num_labels: int, outputs: int = 1) -> tuple[Role, Role, Role]:
        """Build a discriminator with an auxiliary classifier: the shared layers, the score head, and the logit head.

        Scores are (B, views x outputs, h, w), where the `outputs` of a view are adjacent channels; logits are (B,
        num_labels).
        """
        s, channels = self.settings, self.channels[self.domains[0]]
        augment = self._augmentation_layers()
        if s.discriminator != "patch":
            shared_layers = Role(*(augment or [nn.Identity()]))
            return shared_layers, Role(*self._score_layers(channels, outputs)), self.classifier(num_labels)
        trunk, scores, logits = stargan_discriminator(channels, s.discriminator_width, self.size, num_labels, outputs)
        return Role(*augment, *trunk), Role(*scores), Role(*logits)

    def conditional_autoencoder(self, num_labels: int, dropout: float) -> tuple[Role, Role, Role]:
        """Build an encoder, a decoder with the label at every layer, and a latent discriminator.

        The generator "resnet" uses the autoencoder of Fader Networks, with a code of about 4 x 4 positions. "light"
        uses the encoder of the other methods: reconstruction from so small a code takes longer to learn than a short
        run lasts.
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

    def conditional_residual_decoder(self, num_labels: int) -> Role:  # noqa: ARG002 - signature of NetworkFactory
        """Raise UsageError: sums of decoded images would leave the value range."""
        raise UsageError(
            "residual_decoder_start: for recordings only; with pictures leave it out (--residual-decoder-start 1)"
        )

    def transport_loss(self) -> OptimalTransportLoss:
        """Raise UsageError: the loss compares frames of voice features."""
        raise UsageError(NO_TRANSPORT_MESSAGE)

    def conditional_transport_loss(self, num_labels: int) -> ConditionalTransportLoss:  # noqa: ARG002
        """Raise UsageError, as `transport_loss`."""
        raise UsageError(NO_TRANSPORT_MESSAGE)

    @property
    def num_conditions(self) -> int:
        """Number of rows that are conditions: images have none."""
        return 0

    def synthesizer(self, num_labels: int) -> Role:  # noqa: ARG002 - signature of NetworkFactory
        """Raise UsageError: images have no conditions."""
        raise UsageError("a synthesizer from conditions: for recordings only; choose another method")

    def teacher(self) -> Role | None:
        """Return the frozen generator "X" -> "Y" of another run, or None if the run has no teacher."""
        return self._teacher

    def embedding_head(self, embedding: nn.Module) -> Role:
        """Build a 1 x 1 convolution: features (B, code_channels, h, w) -> (B, channels of the embedding, h, w).

        If the embedding is missing, the role is empty; translation needs neither.
        """
        if find_missing_embedding(embedding) is not None:
            return Role()
        return self._build_role(nn.Conv2d(self.code_channels, count_map_channels(embedding, self.size), 1))

    def shared_block(self) -> Role:
        """Build a residual block that several encoders or decoders share: features -> features of the same shape."""
        s = self.settings
        return (
            zero_init_block(self.code_channels, s.norm, s.padding)
            if self._starts_at_identity
            else self._build_role(*self._residual_blocks(1))
        )

    def latent_discriminator(self, outputs: int, dropout: float = 0.0) -> Role:
        """Build a discriminator of latent codes: features (B, code_channels, h, w) -> logits (B, outputs)."""
        return Role(*latent_discriminator(self.code_channels, self.settings.discriminator_width, outputs, dropout))
