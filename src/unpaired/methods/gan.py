"""A critic and nothing else: a shallow generator stays close to its input by itself."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from unpaired.methods.game import Batch, Frozen, Method, Move, Now, Past, Player, Route, Turn, spotted
from unpaired.networks import Networks
from unpaired.terms.adversarial import Kind, fool
from unpaired.terms.closeness import l1


class GAN(Method):
    """Galanti, Wolf, Benaim 2018 (ICLR), arXiv:1709.00074: the role of minimal complexity in unsupervised mapping.

    One way, from X to Y, with the adversarial term alone. `depth` is their complexity: the number of convolutions and
    deconvolutions of the generator (6 is the smallest that they find sufficient at 64 px). None takes the generator of
    the network settings. `clip` bounds the norm of each player's gradient; None is the paper's.

    With a teacher g, a shallow generator, this is the second step of their Alg. 1: G, their h, is a deeper one that is
    held to g by R[h, g], here the L1 distance of h(x) and g(x), times `similarity_weight` (their lambda).

    Differs: least squares and patches of CycleGAN's critic instead of DiscoGAN's, so that depth is all that changes
    between it and `cyclegan`.
    """

    taught = True
    deepens = "depth"

    presets = {  # noqa: RUF012 - data
        "small": {"memory": 0, "rate": 4e-4, "critic_rate": 1e-3, "clip": 5.0},
        "tiny": {"memory": 0, "rate": 4e-4, "critic_rate": 1e-3, "clip": 5.0},
    }

    def __init__(
        self,
        net: Networks,
        *,
        depth: int | None = 6,
        adversarial: Kind = "lsgan",
        similarity_weight: float = 1.0,
        memory: int = 50,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.kind: Kind = adversarial
        self.G, self.D, self.past = net.generator("X", "Y", depth), net.critic("Y"), Past(memory)
        teacher = net.teacher()
        self.g = Frozen(teacher) if teacher is not None else None
        self.players = {
            "generator": Player(("G",), rate=rate, clip=clip),
            "critic": Player(("D",), rate=critic_rate, clip=clip),
        }
        self.weights = {"adversarial": 1.0, "critic.adversarial": 0.5}
        if self.g is not None:
            self.weights["similarity"] = similarity_weight
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The generator, then the critic."""
        x = batch["X"]
        fake = self.G(x)
        similarity = l1(fake, self.g(x)) if self.g is not None else None
        yield Turn("generator", adversarial=fool(self.D(fake), self.kind), similarity=similarity)
        yield Turn("critic", adversarial=spotted(self.D, batch["Y"], self.past(fake), self.kind))

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y."""
        out: Tensor = self.G(x)
        return out
