"""XGAN: two auto-encoders with shared inner layers; a translation's code is to be that of its input."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from unpaired.losses.adversarial import AdversarialLoss, discriminator_loss, generator_loss
from unpaired.losses.distances import l1
from unpaired.methods.base import (
    Batch,
    FrozenNetwork,
    Player,
    Route,
    StepContext,
    Turn,
    Turns,
    discriminator_loss_joint,
    forward_pair,
)
from unpaired.methods.capabilities import EncoderDecoderMethod
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import load_embedding as pretrained


class XGAN(EncoderDecoderMethod):
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

    is_cycle_consistent = True
    ignored_if = {"teacher_weight": ("embedding", None)}  # noqa: RUF012 - data

    presets = {  # noqa: RUF012 - data
        preset: {
            "adversarial_loss": "lsgan",
            "adversarial_weight": 10.0,
            "reconstruction_weight": 30.0,
            "latent_adversarial_weight": 1.0,
            "latent_consistency_weight": 10.0,
            "lr": 4e-4,
            "lr_d": 1e-3,
            "grad_clip": 5.0,
        }
        for preset in ("small", "tiny")
    }
    voice_presets = {p: {**s, "transport_weight": 50.0} for p, s in presets.items()}  # noqa: RUF012

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_loss: AdversarialLoss = "bce",
        adversarial_weight: float = 1.0,
        reconstruction_weight: float = 1.0,
        latent_adversarial_weight: float = 1.0,
        latent_consistency_weight: float = 1.0,
        embedding: str | None = None,
        teacher_weight: float = 1.0,
        transport_weight: float = 0.0,
        lr: float = 1e-4,
        lr_d: float = 1e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss: AdversarialLoss = adversarial_loss
        shared_encoder_block, shared_decoder_block = net.shared_block(), net.shared_block()
        self.E_x, self.E_y = Role(net.encoder("X"), shared_encoder_block), Role(net.encoder("Y"), shared_encoder_block)
        self.G_x, self.G_y = Role(shared_decoder_block, net.decoder("X")), Role(shared_decoder_block, net.decoder("Y"))
        self.D_x, self.D_y, self.C = net.discriminator("X"), net.discriminator("Y"), net.latent_discriminator(1)
        self.transport = nn.ModuleList(net.transport_loss(source_weight=0.5) for _ in range(2 * (transport_weight > 0)))
        self.T = FrozenNetwork(Role(pretrained(embedding))) if embedding else None
        self.R = net.embedding_head(self.T) if self.T else None
        self.players = {
            "autoencoders": Player(("E_x", "E_y", "G_x", "G_y", *["R"] * bool(embedding)), lr=lr, grad_clip=grad_clip),
            "discriminators": Player(("D_x", "D_y"), lr=lr_d, grad_clip=grad_clip),
            "latent_discriminator": Player(("C",), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {
            "adversarial": adversarial_weight,
            "reconstruction": reconstruction_weight,
            "latent_adversarial": latent_adversarial_weight,
            "latent_consistency": latent_consistency_weight,
            "latent_discriminator.classification": 1.0,
        }
        self.loss_weights |= {"teacher": teacher_weight} if embedding else {}
        self.loss_weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = (Route("X", "Y", ("E_x", "G_y")), Route("Y", "X", ("E_y", "G_x")))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The coders of both domains together, then the critics and the reader of codes at once."""
        x, y = batch["X"], batch["Y"]
        code_x, code_y = self.E_x(x), self.E_y(y)
        rec_x, fake_x = forward_pair(self.G_x, code_x, code_y)
        rec_y, fake_y = forward_pair(self.G_y, code_y, code_x)
        domain_logits_x, domain_logits_y = forward_pair(self.C, code_x, code_y)
        yield Turn(
            "autoencoders",
            reconstruction=l1(rec_x, x) + l1(rec_y, y),
            latent_adversarial=discriminator_loss(domain_logits_y, domain_logits_x, "bce"),
            latent_consistency=l1(self.E_y(fake_y), code_x) + l1(self.E_x(fake_x), code_y),
            adversarial=generator_loss(self.D_x(fake_x), self.adversarial_loss)
            + generator_loss(self.D_y(fake_y), self.adversarial_loss),
            teacher=l1(self.R(code_x), self.T(x)) if self.R is not None and self.T is not None else None,
            transport=self.transport[0](fake_x, y, x) + self.transport[1](fake_y, x, y) if self.transport else None,
        )
        loss_x = discriminator_loss_joint(self.D_x, x, fake_x, self.adversarial_loss)
        loss_y = discriminator_loss_joint(self.D_y, y, fake_y, self.adversarial_loss)
        discriminator_turn = Turn("discriminators", adversarial=loss_x + loss_y)
        yield [
            discriminator_turn,
            Turn("latent_discriminator", classification=discriminator_loss_joint(self.C, code_x, code_y, "bce")),
        ]

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """The domain's encoder."""
        return (self.E_x if domain == "X" else self.E_y)(x)  # type: ignore[no-any-return]

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """The domain's decoder."""
        return (self.G_x if domain == "X" else self.G_y)(code)  # type: ignore[no-any-return]
