"""FastCUT: CUT without its pass over the target's own items, held by more contrast and by mirroring."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Method, Move, Now, Player, Route, Turn, spotted, still
from unpaired.networks import Networks
from unpaired.terms.adversarial import fool
from unpaired.terms.contrast import layered_nce


class FastCUT(Method):
    """Park, Efros, Zhang, Zhu 2020, arXiv:2007.15651: eq. (1) with least squares, eq. (4) with weight 10, no identity.

    Half the time G sees x mirrored, and what is seen of its translation is mirrored back (in the authors' code alone).
    `ramp`, `pixels`, `patches`, `temperature` and `clip` are those of `cut`.

    Differs: as `cut` does.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "pixels": False,
            "contrast_weight": 0.1,
            "ramp": 0.3,
            "rate": 4e-4,
            "critic_rate": 1e-3,
            "clip": 5.0,
        }
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: Networks,
        *,
        contrast_weight: float = 10.0,
        ramp: float = 0.0,
        pixels: bool = True,
        patches: int = 256,
        temperature: float = 0.07,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.G, self.D, self.H = net.generator("X", "Y"), net.critic("Y"), net.projector("X", patches, pixels)
        self.players = {
            "generator": Player(("G", "H"), rate=rate, clip=clip),
            "critic": Player(("D",), rate=critic_rate, clip=clip),
        }
        self.weights = {"adversarial": 1.0, "critic.adversarial": 0.5}
        self.weights["contrast"] = lambda now: contrast_weight * now.ramp(ramp)
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The critic, then the generator with H."""
        x = batch["X"]
        mirrored = bool(torch.rand(()) < 0.5)
        ((fake, seen),) = self.G.look(x.flip(3) if mirrored else x)
        yield Turn("critic", adversarial=spotted(self.D, batch["Y"], fake))
        layers = [x, *(self.G.features(x, self.H.most) if mirrored else seen)]
        again = [fake, *self.G.features(fake, self.H.most)]
        places = self.H.places(layers)
        keys = [still(key) for key in self.H(layers, places)]
        queries = self.H([layer.flip(3) for layer in again] if mirrored else again, places)
        yield Turn("generator", adversarial=fool(self.D(fake)), contrast=layered_nce(queries, keys, self.temperature))

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y."""
        out: Tensor = self.G(x)
        return out
