"""The Domain Transfer Network: a decoder after a pretrained network, whose critic tells three kinds apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from torch import Tensor

from unpaired.methods.game import Batch, Frozen, Method, Move, Now, Player, Route, Turn, together
from unpaired.networks import Networks
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import embedding as pretrained
from unpaired.terms.closeness import squared
from unpaired.terms.label import said
from unpaired.terms.smoothness import total_variation

OF_X: Final = 0
OF_Y: Final = 1
REAL: Final = 2
KINDS: Final = 3


class DTN(Method):
    """Taigman, Polyak, Wolf 2017, arXiv:1611.02200, sec. 4.

    One way, from X to Y, by G = g after f. f, `embedding`, is frozen: "efficientnet-lite0", "vgg16-hed", "timm:NAME",
    or the name that `unpaired.offer` gave to a network of one's own. g decodes its maps. The critic D tells g(f(x)),
    g(f(y)) and real y apart; g wants both taken for real. f of a translation is to be that of its input (L_CONST,
    alpha); an item of Y is to become itself (L_TID, beta); L_TV, gamma. Weights are those of the paper's faces.

    `clip` bounds the norm of each player's gradient; None is the paper's.

    Differs: f gives maps of three scales, and not a vector, which has lost where things are; distances are mean
    squares, that of f between normalised maps; terms are means, where the paper has sums.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "constancy_weight": 5.0,
            "identity_weight": 15.0,
            "smoothness_weight": 0.05,
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
        embedding: str = "efficientnet-lite0",
        constancy_weight: float = 100.0,
        identity_weight: float = 1.0,
        smoothness_weight: float = 0.05,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.f = Frozen(Role(pretrained(embedding)))
        self.g, self.D = net.decoder("Y", self.f), net.critic("Y", outputs=KINDS)
        self.players = {
            "generator": Player(("g",), rate=rate, clip=clip),
            "critic": Player(("D",), rate=critic_rate, clip=clip),
        }
        self.weights = {
            "adversarial": 1.0,
            "constancy": constancy_weight,
            "identity": identity_weight,
            "smoothness": smoothness_weight,
        }
        self.routes = (Route("X", "Y", ("f", "g")),)

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The generator, then the critic."""
        x, y = batch["X"], batch["Y"]
        code_x, code_y = together(self.f, x, y)
        fake, same = together(self.g, code_x, code_y)
        of_fake, of_same = together(self.D, fake, same)
        yield Turn(
            "generator",
            adversarial=said(of_fake, REAL, KINDS) + said(of_same, REAL, KINDS),
            constancy=squared(self.f(fake), code_x),
            identity=squared(same, y),
            smoothness=total_variation(fake) + total_variation(same),
        )
        of_fake, of_same = together(self.D, fake, same)
        told = said(of_fake, OF_X, KINDS) + said(of_same, OF_Y, KINDS) + said(self.D(y), REAL, KINDS)
        yield Turn("critic", adversarial=told)

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """g after f, from X to Y."""
        out: Tensor = self.g(self.f(x))
        return out
