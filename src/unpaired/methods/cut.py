"""CUT: a patch of the translation has more in common with the input's patch at its place than with others."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Method, Move, Now, Player, Route, Turn, spotted, still
from unpaired.networks import Networks
from unpaired.terms.adversarial import fool
from unpaired.terms.contrast import layered_nce


class CUT(Method):
    """Park, Efros, Zhang, Zhu 2020, arXiv:2007.15651: eq. (1) with least squares, eq. (4) and its identity (sec. 3.3).

    One way, from X to Y. The generator's own first half tells what a patch is; H makes it a code. `contrast` is eq. (4)
    of x and G(x) and, with `identity`, of y and G(y), averaged as in the authors' code (the paper's equal weights,
    halved). `patches` is how many places are drawn of each layer, `temperature` the paper's tau. Without `pixels` the
    image itself is no layer. `ramp` is a share of the budget over which the contrast's weight rises from zero; 0 is the
    paper's. Where dark and bright are to be exchanged both matter: what the layers give at the start is alike only
    where values are. `transport_weight` as in CycleGAN, of voices. `clip` bounds the norm of each player's gradient.

    Differs: layers are looked at after their norm and activation instead of before, and a light generator's first layer
    is at half the size; the generator blurs where it halves and doubles only with `--antialias true`.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "identity": False,
            "pixels": False,
            "contrast_weight": 0.1,
            "ramp": 0.3,
            "rate": 4e-4,
            "critic_rate": 1e-3,
            "clip": 5.0,
        }
        for preset in ("small", "tiny")
    }

    voice_presets = {p: {**s, "transport_weight": 5.0} for p, s in presets.items()}  # noqa: RUF012

    def __init__(
        self,
        net: Networks,
        *,
        contrast_weight: float = 1.0,
        ramp: float = 0.0,
        identity: bool = True,
        pixels: bool = True,
        patches: int = 256,
        temperature: float = 0.07,
        transport_weight: float = 0.0,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.identity, self.temperature = identity, temperature
        self.G, self.D, self.H = net.generator("X", "Y"), net.critic("Y"), net.projector("X", patches, pixels)
        self.transport = net.transport() if transport_weight else None
        self.players = {
            "generator": Player(("G", "H"), rate=rate, clip=clip),
            "critic": Player(("D",), rate=critic_rate, clip=clip),
        }
        self.weights = {"adversarial": 1.0, "critic.adversarial": 0.5}
        self.weights["contrast"] = lambda now: contrast_weight * now.ramp(ramp)
        self.weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The critic, then the generator with H."""
        x, y = batch["X"], batch["Y"]
        given = torch.cat((x, y)) if self.identity else x
        ((made, seen),) = self.G.look(given)
        fake = made[: len(x)]
        yield Turn("critic", adversarial=spotted(self.D, y, fake))
        places = self.H.places([given, *seen])
        keys = [still(key) for key in self.H([given, *seen], places)]
        queries = self.H([made, *self.G.features(made, self.H.most)], places)
        yield Turn(
            "generator",
            adversarial=fool(self.D(fake)),
            contrast=layered_nce(queries, keys, self.temperature),
            transport=self.transport(fake, x, y) if self.transport is not None else None,
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y."""
        out: Tensor = self.G(x)
        return out
