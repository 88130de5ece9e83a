"""The Domain Transfer Network: a decoder after a pretrained network, whose critic tells three kinds apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from torch import Tensor

from unpaired.losses.classification import class_cross_entropy
from unpaired.losses.distances import mse
from unpaired.losses.total_variation import total_variation
from unpaired.methods.base import Batch, FrozenNetwork, Method, Player, Route, StepContext, Turn, Turns, forward_pair
from unpaired.networks import NetworkFactory
from unpaired.networks.blocks import Role
from unpaired.networks.pretrained import load_embedding as pretrained

CLASS_FAKE_X: Final = 0
CLASS_FAKE_Y: Final = 1
CLASS_REAL: Final = 2
NUM_CLASSES: Final = 3


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
        embedding: str = "efficientnet-lite0",
        perceptual_weight: float = 100.0,
        identity_weight: float = 1.0,
        tv_weight: float = 0.05,
        lr: float = 2e-4,
        lr_d: float = 2e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.f = FrozenNetwork(Role(pretrained(embedding)))
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
        """The generator, then the critic."""
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
        """g after f, from X to Y."""
        out: Tensor = self.g(self.f(x))
        return out
