"""What roles are made of. A medium's factory builds them; methods only ask it, by this protocol, for roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import nn

from unpaired.labels import Labels
from unpaired.networks.blocks import Role
from unpaired.networks.projector import Projector
from unpaired.networks.transport import ConditionalTransportLoss, OptimalTransportLoss


class NetworkFactory(Protocol):
    """A medium's factory of roles: `images.ImageNetworks` for pictures. Domains are the keys "X", "Y", ..."""

    @property
    def domains(self) -> Sequence[str]:
        """The keys of the domains, in order."""

    @property
    def labels(self) -> Labels:
        """The labels of the items, where a method draws labelled ones."""

    def generator(self, source: str, target: str, depth: int | None = None, max_mask_fraction: float = 0.0) -> Role:
        """`source`'s items -> `target`'s, of the medium's form or a plain stack of `depth` layers.

        With a `mask`, the largest share of frames that `hide` hides of voices, it is also told which it sees.
        """

    def discriminator(self, domain: str, outputs: int = 1) -> Role:
        """`domain`'s items -> scores, one or many per item; for each, `outputs` channels side by side."""

    def pair_discriminator(self, domain: str) -> Role:
        """Two of `domain`'s items, joined as channels -> scores, one or many per pair."""

    def encoder(self, domain: str) -> Role:
        """`domain`'s items -> features."""

    def decoder(self, domain: str, embedding: nn.Module | None = None) -> Role:
        """Features, as encoders give them or the `embedding` of pictures -> `domain`'s items."""

    def latent_discriminator(self, outputs: int, dropout: float = 0.0) -> Role:
        """Features, as encoders give them -> logits (B, outputs)."""

    def classifier(self, num_labels: int) -> Role:
        """Any domain's items -> logits (B, labels)."""

    def conditional_generator(self, num_labels: int) -> Role:
        """Items joined with `labels` label maps (`joined`) -> items: one generator for all domains."""

    def discriminator_with_classifier(self, num_labels: int, outputs: int = 1) -> tuple[Role, Role, Role]:
        """Items -> what both heads share; the head of the scores, `outputs` of each; that of the logits (B, labels)."""

    def conditional_autoencoder(self, num_labels: int, dropout: float) -> tuple[Role, Role, Role]:
        """Items -> code; code joined with `labels` label maps -> items; code -> logits (B, labels)."""

    def conditional_residual_decoder(self, num_labels: int) -> Role:
        """Code joined with `labels` label maps -> what to add to items: nothing, until it learns."""

    def decode_vector(self, latent_dim: int) -> Role:
        """Codes (B, codes) -> features that `paint` takes."""

    def render(self, domain: str) -> Role:
        """Features that `unfold` gave -> `domain`'s items, of the trained size: the last layer of a generator."""

    def encode_vector(self, domain: str, outputs: int) -> Role:
        """`domain`'s items -> (B, outputs), whatever their size."""

    def coupled_discriminators(self, *domains: str) -> list[Role]:
        """A critic per domain, which have all layers but the first in common."""

    def projector(self, domain: str, num_patches: int = 256, with_pixels: bool = True) -> Projector:
        """What a generator sees inside of `domain`'s items, and with `pixels` they themselves -> codes of `patches`
        places of each layer.
        """

    def transport_loss(self, source_weight: float = 0.0) -> OptimalTransportLoss:
        """How far frames are from where optimal transport brings them in a domain; voices have it."""

    def conditional_transport_loss(self, num_labels: int, source_weight: float = 0.0) -> ConditionalTransportLoss:
        """The same for each of the labels, one of which an item has."""

    def teacher(self) -> Role | None:
        """The translation from the first domain to the second that another run has learned, where one is given."""

    def embedding_head(self, embedding: nn.Module) -> Role:
        """Features, as encoders give them -> maps of as many channels as an embedding of pictures has."""

    def shared_block(self) -> Role:
        """Features -> features of the same shape."""
