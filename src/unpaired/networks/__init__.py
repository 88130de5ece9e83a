"""Define the interface of the network factories.

A medium's factory builds the networks of a method, each as a `Role`. Methods ask for roles through `NetworkFactory`
only, so the same method trains on images and on voice features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # settings of networks are imported without torch
    from torch import nn

    from unpaired.labels import Labels
    from unpaired.networks.blocks import Role
    from unpaired.networks.optimal_transport import ConditionalTransportLoss, OptimalTransportLoss
    from unpaired.networks.projector import Projector


class NetworkFactory(Protocol):
    """Interface of the network factories `ImageNetworkFactory` and `VoiceNetworkFactory`.

    Domains are the keys "X", "Y", ... Items are images (B, C, H, W) or voice features (B, 1, Q, T). "Features" are what
    `encoder` returns and `decoder` takes.
    """

    stride: int
    """Heights and widths that are multiples of it pass through every role built so far."""

    @property
    def domains(self) -> Sequence[str]:
        """The keys of the domains, in order."""

    @property
    def labels(self) -> Labels:
        """The labels of the items, for methods that train on labeled batches."""

    @property
    def num_conditions(self) -> int:
        """Number of the last rows of an item that are conditions, for methods that synthesize items from them."""

    def generator(self, source: str, target: str, depth: int | None = None, max_mask_fraction: float = 0.0) -> Role:
        """Build a generator: items of `source` -> items of `target`.

        Args:
            depth: Number of layers of a plain convolutional generator; None builds the default generator of the medium.
            max_mask_fraction: Largest fraction of frames, in [0, 1], that `mask_frames` hides. If it is above 0, the
                generator also takes the mask as a second channel (voice features only).
        """

    def alignment(self, source: str, target: str) -> Role:
        """Build a fixed map that brings items of `source` closer to those of `target`; without one, the identity."""

    def discriminator(self, domain: str, outputs: int = 1) -> Role:
        """Build a discriminator: items of `domain` -> one or several scores per item.

        Each score has `outputs` adjacent channels.
        """

    def pair_discriminator(self, domain: str) -> Role:
        """Build a discriminator of pairs: two items of `domain`, concatenated as channels -> one or several scores."""

    def encoder(self, domain: str) -> Role:
        """Build an encoder: items of `domain` -> features."""

    def decoder(self, domain: str, embedding: nn.Module | None = None) -> Role:
        """Build a decoder: features, from an encoder or from the image `embedding` if given -> items of `domain`."""

    def latent_discriminator(self, outputs: int, dropout: float = 0.0) -> Role:
        """Build a discriminator of latent codes: features -> logits (B, outputs).

        `dropout` is a probability in [0, 1).
        """

    def classifier(self, num_labels: int) -> Role:
        """Build a classifier: items of any domain -> logits (B, num_labels)."""

    def conditional_generator(self, num_labels: int) -> Role:
        """Build one generator for all domains: items concatenated with `num_labels` label maps -> items.

        `concat_label` concatenates them.
        """

    def discriminator_with_classifier(self, num_labels: int, outputs: int = 1) -> tuple[Role, Role, Role]:
        """Build a discriminator with an auxiliary classifier, as three roles.

        Returns:
            The shared layers (items -> features of the discriminator), the head of the scores (`outputs` adjacent
            channels per score), and the head of the logits (B, num_labels).
        """

    def conditional_autoencoder(self, num_labels: int, dropout: float) -> tuple[Role, Role, Role]:
        """Build a label-conditioned autoencoder, as three roles.

        Returns:
            The encoder (items -> code), the decoder (code concatenated with `num_labels` label maps -> items), and the
            latent discriminator (code -> logits (B, num_labels), with `dropout`).
        """

    def conditional_residual_decoder(self, num_labels: int) -> Role:
        """Build a decoder: code concatenated with `num_labels` label maps -> residual of items, zero at the start."""

    def decode_vector(self, latent_dim: int) -> Role:
        """Build a decoder of vectors: latent codes (B, latent_dim) -> features that `render` takes."""

    def render(self, domain: str) -> Role:
        """Build the last layers of a generator: features from `decode_vector` -> items of `domain`.

        The items have the training size.
        """

    def encode_vector(self, domain: str, outputs: int) -> Role:
        """Build an encoder to vectors: items of `domain`, of any size -> codes (B, outputs)."""

    def coupled_discriminators(self, *domains: str) -> list[Role]:
        """Build one discriminator per domain; they share all layers except the first convolutions."""

    def projector(self, domain: str, num_patches: int = 256, with_pixels: bool = True) -> Projector:
        """Build a projector: activations of a generator's layers -> codes of `num_patches` positions per layer.

        If `with_pixels` is True, the items of `domain` themselves are the first layer.
        """

    def transport_loss(self) -> OptimalTransportLoss:
        """Build the optimal transport loss of converted frames; voice features only."""

    def conditional_transport_loss(self, num_labels: int) -> ConditionalTransportLoss:
        """Build one optimal transport loss per label, for items that have exactly one of `num_labels` labels."""

    def synthesizer(self, num_labels: int) -> Role:
        """Build a synthesizer: items, whose conditions it uses, concatenated with `num_labels` label maps -> values.

        Values are the rows of an item above its conditions.
        """

    def teacher(self) -> Role | None:
        """Return the frozen generator "X" -> "Y" of another run, or None if the run has no teacher."""

    def embedding_head(self, embedding: nn.Module) -> Role:
        """Build a head: features -> maps with as many channels as the image `embedding` has."""

    def shared_block(self) -> Role:
        """Build a block that several encoders or decoders share: features -> features of the same shape."""
