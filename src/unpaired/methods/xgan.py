"""XGAN: two auto-encoders with shared inner layers, and a translation with the same latent code as its input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from torch import Tensor, nn
from typing_extensions import Doc

from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.distances import l1
from unpaired.methods.base import (
    Batch,
    FrozenNetwork,
    Player,
    StepContext,
    Turn,
    Turns,
    discriminator_loss_joint,
    forward_pair,
)
from unpaired.methods.capabilities import EncoderDecoderMethod
from unpaired.methods.setting_types import (
    AdversarialLossName,
    AdversarialWeight,
    DiscriminatorLearningRate,
    GradClip,
    LatentConsistencyWeight,
    LearningRate,
    ReconstructionWeight,
    TransportWeight,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.optimal_transport import sum_transport_losses
from unpaired.networks.pretrained import load_embedding
from unpaired.routes import Route


class XGAN(EncoderDecoderMethod):
    """Royer et al. 2017, arXiv:1711.05139, sec. 3: L_rec + w_d L_dann + w_s L_sem + w_g L_gan + w_t L_teach.

    An encoder and a decoder per domain; the last residual block of the encoders and the first of the decoders are
    shared. A classifier C predicts the domain from a latent code and the encoders are trained to make it fail (L_dann).
    The code of a translation should equal that of its input (L_sem), and discriminators judge translations (L_gan).
    `feature_extractor` is the optional teacher T, whose features of x should be predictable from the code of x
    (L_teach). `transport_weight` (voice) is as in CycleGAN.

    The preset `paper` for images has the 64 px of reimplementations.

    Differs: the code is a feature map of a quarter of the size instead of a vector; L_teach compares T's normalized
    feature maps with R, a learned 1 x 1 convolution of the code, instead of the code itself, which has other channels;
    the encoders train on C's loss with exchanged domains instead of a reversed gradient, which vanishes where C is
    certain; L_rec is L1, not L2. Weights are 1, as in reimplementations; the paper tunes them per task.
    """

    is_cycle_consistent = True
    ignored_if = {"teacher_weight": ("feature_extractor", None)}  # noqa: RUF012 - data

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
    preset_sections = {"image": {"paper": {"medium_settings": {"size": 64}}}}  # noqa: RUF012
    media_presets = {"voice": {p: {**s, "transport_weight": 50.0} for p, s in presets.items()}}  # noqa: RUF012

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_loss: AdversarialLossName = "bce",
        adversarial_weight: AdversarialWeight = 1.0,
        reconstruction_weight: ReconstructionWeight = 1.0,
        latent_adversarial_weight: Annotated[
            float,
            Doc(
                "Weight of the adversarial domain classifier on the latent code. "
                "Raise it if outputs keep traits of the source domain."
            ),
        ] = 1.0,
        latent_consistency_weight: LatentConsistencyWeight = 1.0,
        feature_extractor: Annotated[
            str | None,
            Doc(
                "Frozen pretrained teacher: efficientnet-lite0, vgg16-hed, timm:NAME, or a name from "
                "unpaired.register_embedding; none: no teacher. Set it (images only) if content changes."
            ),
        ] = None,
        teacher_weight: Annotated[
            float,
            Doc(
                "Weight of the loss that predicts the teacher's features from the latent code; only with "
                "--feature-extractor. Raise it if content changes."
            ),
        ] = 1.0,
        transport_weight: TransportWeight = 0.0,
        lr: LearningRate = 1e-4,
        lr_d: DiscriminatorLearningRate = 1e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss = adversarial_loss
        # E_x, E_y: encoders, G_x, G_y: decoders, D_x, D_y: discriminators, C: domain classifier on the latent code,
        # T: teacher, R: head that predicts the teacher's features from the code.
        shared_encoder_block, shared_decoder_block = net.shared_block(), net.shared_block()
        self.E_x, self.E_y = Role(net.encoder("X"), shared_encoder_block), Role(net.encoder("Y"), shared_encoder_block)
        self.G_x, self.G_y = Role(shared_decoder_block, net.decoder("X")), Role(shared_decoder_block, net.decoder("Y"))
        self.D_x, self.D_y, self.C = net.discriminator("X"), net.discriminator("Y"), net.latent_discriminator(1)
        num_transport_losses = 2 if transport_weight else 0
        self.transport = nn.ModuleList(net.transport_loss() for _ in range(num_transport_losses))
        self.T = FrozenNetwork(Role(load_embedding(feature_extractor))) if feature_extractor else None
        self.R = net.embedding_head(self.T) if self.T else None
        autoencoder_roles = ("E_x", "E_y", "G_x", "G_y") + (("R",) if feature_extractor else ())
        self.players = {
            "autoencoders": Player(autoencoder_roles, lr=lr, grad_clip=grad_clip),
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
        if feature_extractor:
            self.loss_weights["teacher"] = teacher_weight
        if transport_weight:
            self.loss_weights["transport"] = transport_weight
        self.routes = (Route("X", "Y", ("E_x", "G_y")), Route("Y", "X", ("E_y", "G_x")))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the turn of the encoders and decoders, then those of all discriminators simultaneously."""
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
            transport=sum_transport_losses(self.transport, (fake_x, fake_y), (x, y), context.budget_fraction)
            if self.transport
            else None,
        )
        loss_x = discriminator_loss_joint(self.D_x, x, fake_x, self.adversarial_loss)
        loss_y = discriminator_loss_joint(self.D_y, y, fake_y, self.adversarial_loss)
        domain_loss = discriminator_loss_joint(self.C, code_x, code_y, "bce")
        yield [
            Turn("discriminators", adversarial=loss_x + loss_y),
            Turn("latent_discriminator", classification=domain_loss),
        ]

    def encode(self, x: Tensor, domain: str) -> Tensor:
        """Encode with the encoder of `domain`."""
        return (self.E_x if domain == "X" else self.E_y)(x)  # type: ignore[no-any-return]

    def decode(self, code: Tensor, domain: str) -> Tensor:
        """Decode with the decoder of `domain`."""
        return (self.G_x if domain == "X" else self.G_y)(code)  # type: ignore[no-any-return]
