"""DiscoGAN: two generators, there and back, with a reconstruction loss and discriminator feature matching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import torch
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.distances import feature_matching, mse
from unpaired.methods.base import Batch, Method, Player, StepContext, Turn, Turns, forward_pair
from unpaired.methods.setting_types import (
    AdversarialLossName,
    DiscriminatorLearningRate,
    Fraction,
    GeneratorDepth,
    GradClip,
    IntFromTwo,
    LearningRate,
    WeightDecay,
)
from unpaired.networks import NetworkFactory
from unpaired.routes import Route


class DiscoGAN(Method):
    """Kim, Cha, Kim, Lee, Kim 2017, arXiv:1703.05192: eq. (3)-(9), and the additions of the authors' code.

    With r the reconstruction fraction and a the adversarial fraction, the generators' losses have the weights (1 - r) a
    (adversarial), (1 - r)(1 - a) (feature matching: batch means of all discriminator activations but the first, real
    against translated) and r (reconstruction). r changes once, at `reconstruction_switch`. The discriminators train in
    one step of `discriminator_every`, the generators in the others.

    The preset `paper` for images has the authors' 64 px, batch size 64 and batch norm.

    Differs: the discriminators score patches, so they take any size (in the authors' code one score per image, after
    four halvings); convolutions have biases and start from N(0, 0.02), there from PyTorch's default. With
    augmentation, real and translated items are augmented alike for feature matching.
    """

    is_cycle_consistent = True

    presets = {  # noqa: RUF012 - data
        preset: {
            "adversarial_loss": "lsgan",
            "adversarial_fraction": 0.9,
            "final_reconstruction_fraction": 0.9,
            "reconstruction_switch": 0.1,
            "discriminator_every": 2,
            "depth": None,
            "weight_decay": 0.0,
            "lr": 4e-4,
            "lr_d": 1e-3,
            "grad_clip": 5.0,
        }
        for preset in ("small", "tiny")
    }
    preset_sections = {  # noqa: RUF012
        "image": {
            "paper": {
                "medium_settings": {"size": 64, "load_size_ratio": 1.0, "flip": False},
                "networks": {"norm": "batch"},
                "training": {"ema_decay": 0.0, "lr_decay_start": 1.0},
            }
        }
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_loss: AdversarialLossName = "bce",
        adversarial_fraction: Annotated[
            Fraction,
            Doc(
                "Fraction (0 to 1) of the weight that the adversarial loss gets; feature matching gets the rest. "
                "Raise it if outputs do not look like the target domain."
            ),
        ] = 0.1,
        initial_reconstruction_fraction: Annotated[
            Fraction,
            Doc(
                "Fraction (0 to 1) of the weight that the reconstruction loss gets before --reconstruction-switch. "
                "Raise it if early training loses content."
            ),
        ] = 0.01,
        final_reconstruction_fraction: Annotated[
            Fraction,
            Doc(
                "Fraction (0 to 1) of the weight that the reconstruction loss gets after --reconstruction-switch. "
                "Raise it if outputs lose content."
            ),
        ] = 0.5,
        reconstruction_switch: Annotated[
            float,
            Doc(
                "Step, or below 1 the fraction of the budget, from which the final reconstruction fraction applies. "
                "Lower it for short runs."
            ),
        ] = 10_000.0,
        discriminator_every: Annotated[
            IntFromTwo,
            Doc(
                "The discriminators train once in this many steps (2 or more), the generators in all others. "
                "Lower it if the discriminators are too weak."
            ),
        ] = 3,
        depth: GeneratorDepth = 8,
        weight_decay: WeightDecay = 1e-5,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss = adversarial_loss
        self.turn_period = self.discriminator_every = discriminator_every
        self.has_batch_statistics = adversarial_fraction < 1  # feature matching compares batch means
        # G: X -> Y and F: Y -> X are the generators, D_x and D_y the discriminators.
        self.G, self.F = net.generator("X", "Y", depth), net.generator("Y", "X", depth)
        self.D_x, self.D_y = net.discriminator("X"), net.discriminator("Y")
        self.players = {
            "generators": Player(("G", "F"), lr=lr, weight_decay=weight_decay, grad_clip=grad_clip),
            "discriminators": Player(("D_x", "D_y"), lr=lr_d, weight_decay=weight_decay, grad_clip=grad_clip),
        }

        def make_loss_weight(adversarial_scale: float, reconstruction_scale: float) -> Callable[[StepContext], float]:
            def loss_weight_at(context: StepContext) -> float:
                progress = context.budget_fraction if reconstruction_switch < 1 else context.step
                is_early = progress < reconstruction_switch
                r = initial_reconstruction_fraction if is_early else final_reconstruction_fraction
                return (1 - r) * adversarial_scale + r * reconstruction_scale

            return loss_weight_at

        self.loss_weights = {
            "discriminators.adversarial": 0.5,
            "adversarial": make_loss_weight(adversarial_fraction, 0.0),
            "feature_matching": make_loss_weight(1 - adversarial_fraction, 0.0),
            # The authors' images are in [0, 1], where squared distances are a quarter of those in [-1, 1].
            "reconstruction": make_loss_weight(0.0, 0.25),
        }
        self.routes = (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the discriminators' turn or the generators' turn."""
        x, y = batch["X"], batch["Y"]
        is_discriminator_step = context.step % self.discriminator_every == 0
        with torch.set_grad_enabled(not is_discriminator_step):
            fake_y, fake_x = self.G(x), self.F(y)
        if is_discriminator_step:
            scores_y, scores_x = forward_pair(self.D_y, y, fake_y), forward_pair(self.D_x, x, fake_x)
            yield Turn(
                "discriminators",
                adversarial=discriminator_loss(*scores_y, self.adversarial_loss)
                + discriminator_loss(*scores_x, self.adversarial_loss),
            )
            return
        (_, real_features_y), (score_y, fake_features_y) = self.D_y.forward_with_features(y, fake_y)
        (_, real_features_x), (score_x, fake_features_x) = self.D_x.forward_with_features(x, fake_x)
        yield Turn(
            "generators",
            adversarial=generator_loss(score_y, self.adversarial_loss) + generator_loss(score_x, self.adversarial_loss),
            feature_matching=feature_matching(real_features_y[1:], fake_features_y[1:])
            + feature_matching(real_features_x[1:], fake_features_x[1:]),
            reconstruction=mse(self.F(fake_y), x) + mse(self.G(fake_x), y),
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Apply G from X to Y, F from Y to X."""
        out: Tensor = self.G(x) if target == "Y" else self.F(x)
        return out
