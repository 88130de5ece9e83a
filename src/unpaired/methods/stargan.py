"""StarGAN: one generator for many domains, told by a label what to make, and a critic that also tells labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.classification import classification_loss, predict_labels
from unpaired.losses.distances import l1
from unpaired.losses.gradient_penalty import gradient_penalty
from unpaired.methods.base import Batch, Player, StepContext, Turn, Turns, add_noise
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.networks import NetworkFactory
from unpaired.networks.conditional import concat_label

SMALL = {
    "adversarial_loss": "lsgan",
    "n_critic": 1,
    "per_domain_scores": True,
    "classification_weight": 0.1,
    "cycle_weight": 1.7,
}
SMALL_OPTIMIZER = {"cycle_noise": 0.05, "lr": 4e-4, "lr_d": 1e-3, "grad_clip": 5.0}
VOICE = {"cycle_noise": 0.0, "transport_weight": 5.0}


class StarGAN(LabelConditionedMethod):
    """Choi et al. 2018, arXiv:1711.09020: eq. (5), (6) with eq. (8), Wasserstein's; joint data sets of sec. 3.2.

    Targets are the labels of the batch, in another order. The critic makes `turns` moves for one of the generator.
    Where joint data sets know different labels, the generator is told which groups are asked for (the mask vector).
    `own_scores` gives the critic an output for each value of a label, so that it tells real ones of a domain, not of
    any (StarGAN v2, arXiv:1912.01865, sec. 2). `cycle_noise` and, of voices, `transport_weight` as in CycleGAN.
    `clip` bounds the norm of each player's gradient; None is the paper's.
    Differs: the mask has a value per group of labels, which for the paper's two data sets says the same.
    """

    is_cycle_consistent = True
    ignored_if = {"gradient_penalty_weight": ("adversarial_loss", "lsgan")}  # noqa: RUF012 - data
    steganography_defences = {"cycle_noise": 0.1}  # noqa: RUF012 - data
    presets = dict.fromkeys(("small", "tiny"), SMALL | SMALL_OPTIMIZER)
    voice_presets = dict.fromkeys(("small", "tiny"), SMALL | SMALL_OPTIMIZER | VOICE)

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_loss: Literal["wgan", "lsgan"] = "wgan",
        n_critic: int = 5,
        per_domain_scores: bool = False,
        classification_weight: float = 1.0,
        cycle_weight: float = 10.0,
        cycle_noise: float = 0.0,
        gradient_penalty_weight: float = 10.0,
        transport_weight: float = 0.0,
        lr: float = 1e-4,
        lr_d: float = 1e-4,
        grad_clip: float | None = None,
    ) -> None:
        super().__init__()
        self.labels, self.domains = net.labels, net.domains
        self.adversarial_loss: Literal["wgan", "lsgan"] = adversarial_loss
        self.has_several_datasets = len(self.labels.dataset_groups) > 1
        self.G = net.conditional_generator(
            self.labels.size + (len(self.labels.groups) if self.has_several_datasets else 0)
        )
        self.per_domain_scores, self.cycle_noise, self.n_critic = per_domain_scores, cycle_noise, max(1, n_critic)
        self.T, self.D, self.C = net.discriminator_with_classifier(self.labels.size, self.discriminator_outputs)
        self.transport = (
            net.conditional_transport_loss(self.labels.size, source_weight=0.5) if transport_weight else None
        )
        self.players = {
            "generator": Player(("G",), lr=lr, grad_clip=grad_clip),
            "discriminator": Player(("T", "D", "C"), lr=lr_d, grad_clip=grad_clip),
        }
        self.loss_weights = {
            "adversarial": 1.0,
            "classification": classification_weight,
            "discriminator.classification": 1.0,
            "cycle": cycle_weight,
        }
        self.loss_weights |= {"gradient_penalty": gradient_penalty_weight} if adversarial_loss == "wgan" else {}
        self.loss_weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = self.build_routes(("G",), ("T", "C"))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The critic, and every `turns` steps the generator."""
        x, label, label_mask = batch["x"], batch["label"], batch["label_mask"]
        target_label = label[torch.randperm(len(label))]
        fake = self.apply_labels(x, target_label, label_mask)
        features = self.T(x)
        yield Turn(
            "discriminator",
            adversarial=discriminator_loss(
                self._score(features, label, label_mask),
                self._score(self.T(fake), target_label, label_mask),
                self.adversarial_loss,
            ),
            classification=classification_loss(self.C(features), label, label_mask, self.labels.group_slices),
            gradient_penalty=self._gradient_penalty(x, fake, label, target_label, label_mask)
            if "gradient_penalty" in self.loss_weights
            else None,
        )
        if context.step % self.n_critic == 0:
            features = self.T(fake)
            yield Turn(
                "generator",
                adversarial=generator_loss(self._score(features, target_label, label_mask), self.adversarial_loss),
                classification=classification_loss(
                    self.C(features), target_label, label_mask, self.labels.group_slices
                ),
                transport=self.transport(fake, target_label, x, label) if self.transport is not None else None,
                cycle=l1(self.apply_labels(add_noise(fake, self.cycle_noise), label, label_mask), x),
            )

    def _score(self, features: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """(B, views, h, w): the critic's scores of what T saw, by the outputs of the values that the label has."""
        return self.select_label_scores(self.D(features), label, label_mask)

    def _gradient_penalty(
        self, x: Tensor, fake: Tensor, label: Tensor, target_label: Tensor, label_mask: Tensor
    ) -> Tensor:
        """The penalty on the scores that count: those for the label of `x` and those for that of `fake`, half each."""
        source_label_penalty = gradient_penalty(lambda items: self._score(self.T(items), label, label_mask), x, fake)
        if not self.per_domain_scores:
            return source_label_penalty
        return (
            source_label_penalty
            + gradient_penalty(lambda items: self._score(self.T(items), target_label, label_mask), x, fake)
        ) / 2

    def apply_labels(self, x: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """G on `x` joined with the label, and with the mask where the data sets are several."""
        if self.has_several_datasets:
            label = torch.cat((label, label_mask[:, [span.start for span in self.labels.group_slices]]), dim=1)
        out: Tensor = self.G(concat_label(x, label))
        return out

    def classify(self, x: Tensor) -> Tensor:
        """What the critic's class head tells."""
        return predict_labels(self.C(self.T(x)), self.labels.group_slices)
