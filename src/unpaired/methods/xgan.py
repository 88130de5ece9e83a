"""XGAN: two auto-encoders with shared inner layers; a translation's code is to be that of its input."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from unpaired.methods.game import Batch, Frozen, Move, Now, Player, Route, Turn, spotted, together
from unpaired.methods.kinds import Coding
from unpaired.networks import Networks
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import embedding as pretrained
from unpaired.terms.adversarial import Kind, fool, spot
from unpaired.terms.closeness import l1


class XGAN(Coding):
    """Royer et al. 2017, arXiv:1711.05139, sec. 3: L_rec + w_d L_dann + w_s L_sem + w_g L_gan + w_t L_teach.

    An encoder and a decoder per domain; the encoders' last residual block and the decoders' first are one module each.
    A reader C of codes tells the domain that they are of, and the encoders want it wrong (L_dann). The code of a
    translation is to be that of its input (L_sem), and critics judge translations (L_gan). An `embedding`, named as
    DTN's, is the optional teacher T: what it sees of x is to be read from x's code (L_teach); None leaves it out.

    `transport_weight` as in CycleGAN, of voices. `clip` bounds the norm of each player's gradient; None is the paper's.

    Differs: not the code but R, a learned 1 x 1 read-out of it, is held to T's normalised maps, whose channels are
    others; the encoders learn by C's term with the domains exchanged, not by a reversed gradient, which vanishes where
    C is sure; L_rec is L1, not L2. Weights are one, as reimplementations have them; the paper tunes them to the task.
    """

    restores = True
    idle = {"teacher_weight": ("embedding", None)}  # noqa: RUF012 - data

    presets = {  # noqa: RUF012 - data
        preset: {
            "adversarial": "lsgan",
            "adversarial_weight": 10.0,
            "reconstruction_weight": 30.0,
            "domain_weight": 1.0,
            "semantic_weight": 10.0,
            "rate": 4e-4,
            "critic_rate": 1e-3,
            "clip": 5.0,
        }
        for preset in ("small", "tiny")
    }
    voice_presets = {p: {**s, "transport_weight": 50.0} for p, s in presets.items()}  # noqa: RUF012

    def __init__(
        self,
        net: Networks,
        *,
        adversarial: Kind = "bce",
        adversarial_weight: float = 1.0,
        reconstruction_weight: float = 1.0,
        domain_weight: float = 1.0,
        semantic_weight: float = 1.0,
        embedding: str | None = None,
        teacher_weight: float = 1.0,
        transport_weight: float = 0.0,
        rate: float = 1e-4,
        critic_rate: float = 1e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.kind: Kind = adversarial
        last, first = net.shared(), net.shared()
        self.E_x, self.E_y = Role(net.encoder("X"), last), Role(net.encoder("Y"), last)
        self.G_x, self.G_y = Role(first, net.decoder("X")), Role(first, net.decoder("Y"))
        self.D_x, self.D_y, self.C = net.critic("X"), net.critic("Y"), net.code_critic(1)
        self.transport = nn.ModuleList(net.transport(given=0.5) for _ in range(2 * (transport_weight > 0)))
        self.T = Frozen(Role(pretrained(embedding))) if embedding else None
        self.R = net.read_out(self.T) if self.T else None
        self.players = {
            "coders": Player(("E_x", "E_y", "G_x", "G_y", *["R"] * bool(embedding)), rate=rate, clip=clip),
            "critics": Player(("D_x", "D_y"), rate=critic_rate, clip=clip),
            "reader": Player(("C",), rate=critic_rate, clip=clip),
        }
        self.weights = {
            "adversarial": adversarial_weight,
            "reconstruction": reconstruction_weight,
            "domain": domain_weight,
            "semantic": semantic_weight,
            "reader.domain": 1.0,
        }
        self.weights |= {"teacher": teacher_weight} if embedding else {}
        self.weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = (Route("X", "Y", ("E_x", "G_y")), Route("Y", "X", ("E_y", "G_x")))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The coders of both domains together, then the critics and the reader of codes at once."""
        x, y = batch["X"], batch["Y"]
        code_x, code_y = self.E_x(x), self.E_y(y)
        same_x, fake_x = together(self.G_x, code_x, code_y)
        same_y, fake_y = together(self.G_y, code_y, code_x)
        of_x, of_y = together(self.C, code_x, code_y)
        yield Turn(
            "coders",
            reconstruction=l1(same_x, x) + l1(same_y, y),
            domain=spot(of_y, of_x, "bce"),
            semantic=l1(self.E_y(fake_y), code_x) + l1(self.E_x(fake_x), code_y),
            adversarial=fool(self.D_x(fake_x), self.kind) + fool(self.D_y(fake_y), self.kind),
            teacher=l1(self.R(code_x), self.T(x)) if self.R is not None and self.T is not None else None,
            transport=self.transport[0](fake_x, y, x) + self.transport[1](fake_y, x, y) if self.transport else None,
        )
        told_x = spotted(self.D_x, x, fake_x, self.kind)
        told_y = spotted(self.D_y, y, fake_y, self.kind)
        critics = Turn("critics", adversarial=told_x + told_y)
        yield [critics, Turn("reader", domain=spotted(self.C, code_x, code_y, "bce"))]

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """The domain's encoder."""
        return (self.E_x if domain == "X" else self.E_y)(x)  # type: ignore[no-any-return]

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """The domain's decoder."""
        return (self.G_x if domain == "X" else self.G_y)(code)  # type: ignore[no-any-return]
