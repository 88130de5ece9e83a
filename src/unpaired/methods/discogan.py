"""DiscoGAN: two generators that undo each other, whose translations look alike to the inside of a critic."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from unpaired.losses.adversarial import AdversarialLoss, discriminator_loss, generator_loss
from unpaired.losses.distances import feature_matching, mse
from unpaired.methods.base import Batch, Method, Player, Route, StepContext, Turn, Turns, forward_pair
from unpaired.networks import NetworkFactory


class DiscoGAN(Method):
    """Kim, Cha, Kim, Lee, Kim 2017, arXiv:1703.05192: eq. (3)-(9), and what the authors' code adds.

    With r the rate of reconstruction, the generators' terms weigh (1 - r) `adversarial_share` (adversarial), (1 - r) of
    the rest (`features`: the mean over the batch of what a critic's activations after the first give for real items and
    for translations) and r (reconstruction). r is .01 at first and .5 `after` so many steps, or after a share of the
    budget where `after` is below 1. The critics move in one step of `turns`, the generators in the others. `depth` is
    the number of convolutions and deconvolutions; None takes the generator of the network settings. `clip` bounds the
    norm of each player's gradient; None is the paper's.

    Differs: critics score patches of any size; norms treat items apart unless `--norm batch --average 0` is given, and
    the innermost layer has none; the paper's batch is `--batch 64`. Both sides of `features` are seen through one draw
    of augmentation, where there is one.
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

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_loss: AdversarialLoss = "bce",
        adversarial_fraction: float = 0.1,
        initial_reconstruction_fraction: float = 0.01,
        final_reconstruction_fraction: float = 0.5,
        reconstruction_switch: float = 10_000.0,
        discriminator_every: int = 3,
        depth: int | None = 8,
        weight_decay: float = 1e-5,
        lr: float = 2e-4,
        lr_d: float = 2e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.adversarial_loss: AdversarialLoss = adversarial_loss
        self.discriminator_every = max(2, discriminator_every)
        self.G, self.F = net.generator("X", "Y", depth), net.generator("Y", "X", depth)
        self.D_x, self.D_y = net.discriminator("X"), net.discriminator("Y")
        self.players = {
            "generators": Player(("G", "F"), lr=lr, weight_decay=weight_decay, grad_clip=grad_clip),
            "discriminators": Player(("D_x", "D_y"), lr=lr_d, weight_decay=weight_decay, grad_clip=grad_clip),
        }

        def make_loss_weight(adversarial_scale: float, reconstruction_scale: float) -> Callable[[StepContext], float]:
            def loss_weight_at(context: StepContext) -> float:
                is_early = (
                    context.budget_fraction if reconstruction_switch < 1 else context.step
                ) < reconstruction_switch
                r = initial_reconstruction_fraction if is_early else final_reconstruction_fraction
                return (1 - r) * adversarial_scale + r * reconstruction_scale

            return loss_weight_at

        self.loss_weights = {
            "discriminators.adversarial": 0.5,
            "adversarial": make_loss_weight(adversarial_fraction, 0.0),
            "feature_matching": make_loss_weight(1 - adversarial_fraction, 0.0),
            # The authors' images are in [0, 1], where squared distances are a quarter of ours.
            "reconstruction": make_loss_weight(0.0, 0.25),
        }
        self.routes = (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The critics, or the generators."""
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
        """G from X to Y, F from Y to X."""
        out: Tensor = self.G(x) if target == "Y" else self.F(x)
        return out
