"""What roles are made of. A medium's factory builds them; methods only ask it, by this protocol, for roles."""

from __future__ import annotations

from typing import Protocol

from unpaired.networks.blocks import Role


class Networks(Protocol):
    """A medium's factory of roles: `images.ImageNetworks` for pictures. Domains are the keys "X", "Y"."""

    def generator(self, source: str, target: str, depth: int | None = None) -> Role:
        """`source`'s items -> `target`'s, of the medium's form or a plain stack of `depth` layers."""

    def critic(self, domain: str) -> Role:
        """`domain`'s items -> scores, one or many per item."""

    def pair_critic(self, domain: str) -> Role:
        """Two of `domain`'s items, joined as channels -> scores, one or many per pair."""

    def encoder(self, domain: str) -> Role:
        """`domain`'s items -> features."""

    def decoder(self, domain: str) -> Role:
        """Features -> `domain`'s items."""

    def code_critic(self, outputs: int, width: int | None = None, dropout: float = 0.0) -> Role:
        """Features, as encoders give them -> logits (B, outputs); `width` None takes that of the critics."""

    def shared(self) -> Role:
        """Features -> features of the same shape."""
