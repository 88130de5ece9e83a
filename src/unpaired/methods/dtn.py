"""Domain Transfer Network: a decoder on the features of a pretrained network, with a three-class discriminator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.classification import class_cross_entropy
from unpaired.losses.distances import mse
from unpaired.losses.total_variation import total_variation
from unpaired.methods.base import Batch, FrozenNetwork, Method, Player, StepContext, Turn, Turns, forward_pair
from unpaired.methods.setting_types import (
    DiscriminatorLearningRate,
    GradClip,
    IdentityWeight,
    LearningRate,
    PerceptualWeight,
    PretrainedName,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import load_embedding
from unpaired.routes import Route

CLASS_FAKE_X: Final = 0
CLASS_FAKE_Y: Final = 1
CLASS_REAL: Final = 2
NUM_CLASSES: Final = 3


class DTN(Method):
    """Taigman, Polyak, Wolf 2017, arXiv:1611.02200, sec. 4.

    One way, X to Y, with the generator g(f(x)): f is a frozen pretrained network (`feature_extractor`) and g decodes
    its feature maps. The discriminator D classifies g(f(x)), g(f(y)) and real y; g is trained so that D classifies both
    outputs as real. Further losses: f of a translation should equal f of its input (L_CONST, alpha:
    `perceptual_weight`), an item of Y should be reproduced (L_TID, beta: `identity_weight`), and total variation (L_TV,
    gamma: `tv_weight`). The default weights are those of the paper's faces.

    Differs: f returns feature maps at three scales instead of a vector, which has lost positions; it is a network for
    general images, so the preset `paper` keeps 256 px (the paper: 32 px for digits, 64 px for faces); distances are
    mean squared differences, for f between normalized maps; losses are means where the paper has sums.
    """

    presets = {  # noqa: RUF012 - data
        preset: {
            "perceptual_weight": 5.0,
            "identity_weight": 15.0,
            "tv_weight": 0.05,
            "lr": 4e-4,
            "lr_d": 1e-3,
            "grad_clip": 5.0,
        }
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        feature_extractor: PretrainedName = "efficientnet-lite0",
        perceptual_weight: PerceptualWeight = 100.0,
        identity_weight: IdentityWeight = 1.0,
        tv_weight: Annotated[
            float,
            Doc(
                "Weight of the total variation loss, which smooths outputs; 0: off. "
                "Raise it if outputs contain pixel noise."
            ),
        ] = 0.05,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        # f: pretrained network, g: decoder, D: discriminator.
        self.f = FrozenNetwork(Role(load_embedding(feature_extractor)))
        self.g, self.D = net.decoder("Y", self.f), net.discriminator("Y", outputs=NUM_CLASSES)
        self.players = {
            "generator": Player(("g",), lr=lr, grad_clip=grad_clip),
            "discriminator": Player(("D",), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {
            "adversarial": 1.0,
            "perceptual": perceptual_weight,
            "identity": identity_weight,
            "tv": tv_weight,
        }
        self.routes = (Route("X", "Y", ("f", "g")),)

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the generator's turn, then the discriminator's turn."""
        x, y = batch["X"], batch["Y"]
        code_x, code_y = forward_pair(self.f, x, y)
        fake, idt = forward_pair(self.g, code_x, code_y)
        logits_fake, logits_idt = forward_pair(self.D, fake, idt)
        yield Turn(
            "generator",
            adversarial=class_cross_entropy(logits_fake, CLASS_REAL, NUM_CLASSES)
            + class_cross_entropy(logits_idt, CLASS_REAL, NUM_CLASSES),
            perceptual=mse(self.f(fake), code_x),
            identity=mse(idt, y),
            tv=total_variation(fake) + total_variation(idt),
        )
        logits_fake, logits_idt = forward_pair(self.D, fake, idt)
        loss = (
            class_cross_entropy(logits_fake, CLASS_FAKE_X, NUM_CLASSES)
            + class_cross_entropy(logits_idt, CLASS_FAKE_Y, NUM_CLASSES)
            + class_cross_entropy(self.D(y), CLASS_REAL, NUM_CLASSES)
        )
        yield Turn("discriminator", adversarial=loss)

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Apply g(f(x)), from X to Y."""
        out: Tensor = self.g(self.f(x))
        return out
