"""The Domain Transfer Network's baseline: a critic, and what a pretrained network sees must stay."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from unpaired.methods.game import Batch, Frozen, Method, Move, Now, Past, Player, Route, Turn, spotted
from unpaired.networks import Networks
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import embedding as pretrained
from unpaired.terms.adversarial import Kind, fool
from unpaired.terms.closeness import squared


class DTNBaseline(Method):
    """Taigman, Polyak, Wolf 2017, arXiv:1611.02200: the baseline of sec. 3, R_GAN + alpha R_CONST (eq. 1 and 2).

    One way, from X to Y. G is any generator; f, `embedding`, is frozen: "efficientnet-lite0", "vgg16-hed", "timm:NAME",
    or the name that `unpaired.offer` gave to a network of one's own. The distance is the mean square of normalised
    maps, each with the same say. `constancy_weight` is alpha. `clip` bounds the norm of each player's gradient; None is
    the paper's.

    Differs: f is a general network of pictures and not one of digits or faces; a memory of fakes is at hand.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "adversarial": "lsgan",
            "constancy_weight": 0.5,
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
        adversarial: Kind = "bce",
        constancy_weight: float = 15.0,
        memory: int = 0,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.kind: Kind = adversarial
        self.G, self.D, self.past = net.generator("X", "Y"), net.critic("Y"), Past(memory)
        self.f = Frozen(Role(pretrained(embedding)))
        self.players = {
            "generator": Player(("G",), rate=rate, clip=clip),
            "critic": Player(("D",), rate=critic_rate, clip=clip),
        }
        self.weights = {"adversarial": 1.0, "constancy": constancy_weight}
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The generator, then the critic."""
        x, y = batch["X"], batch["Y"]
        fake = self.G(x)
        yield Turn("generator", adversarial=fool(self.D(fake), self.kind), constancy=squared(self.f(fake), self.f(x)))
        yield Turn("critic", adversarial=spotted(self.D, y, self.past(fake), self.kind))

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y."""
        out: Tensor = self.G(x)
        return out
