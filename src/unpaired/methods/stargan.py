"""StarGAN: one label-conditioned generator for all domains, and a discriminator that also classifies labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.classification import classification_loss, predict_labels
from unpaired.losses.distances import l1
from unpaired.losses.gradient_penalty import gradient_penalty
from unpaired.methods.base import Batch, Player, StepContext, Turn, Turns, add_noise
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.methods.setting_types import (
    CriticSteps,
    CycleNoise,
    CycleWeight,
    DiscriminatorLearningRate,
    GradClip,
    IdentityWeight,
    LearningRate,
    PerDomainScores,
    TransportWeight,
)
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
    """Choi et al. 2018, arXiv:1711.09020: eq. (5), (6) with the Wasserstein loss of eq. (8); joint data sets, sec. 3.2.

    Target labels are the labels of the batch, permuted. If jointly trained data sets have different labels, the
    generator also takes a mask of the groups that are requested. `per_domain_scores` gives the discriminator one output
    per domain, so that it judges realism within a domain (StarGAN v2, arXiv:1912.01865, sec. 2). `cycle_noise` and
    `transport_weight` (voice) are as in CycleGAN. `identity_weight` is that of the reconstruction loss of StarGAN-VC
    (Kameoka et al. 2018, arXiv:1806.02169, eq. 8, L_id): an item with its own label should pass unchanged.

    Differs: the mask has one value per group of labels, which is equivalent for the paper's two data sets;
    `classification_weight` is that of the generator's loss (eq. 6), and the discriminator's (eq. 5) keeps 1. In the
    authors' code, the generator's halving and doubling convolutions are 4 x 4 (here 3 x 3, as in CycleGAN), its
    convolutions have no biases, and its weights start from PyTorch's default instead of N(0, 0.02); the discriminator's
    do so here as well. The preset `paper` for voices adds the reconstruction loss of StarGAN-VC to these losses and has
    the networks of CycleGAN-VC2; those of StarGAN-VC are smaller.
    """

    is_cycle_consistent = True
    ignored_if = {"gradient_penalty_weight": ("adversarial_loss", "lsgan")}  # noqa: RUF012 - data
    steganography_defences = {"cycle_noise": 0.1}  # noqa: RUF012 - data
    presets = dict.fromkeys(("small", "tiny"), SMALL | SMALL_OPTIMIZER)
    media_presets = {  # noqa: RUF012 - data
        "voice": {
            **dict.fromkeys(("small", "tiny"), SMALL | SMALL_OPTIMIZER | VOICE),
            "paper": {"identity_weight": 1.0},
        }
    }
    preset_sections = {  # noqa: RUF012
        "image": {"paper": {"medium_settings": {"size": 128, "load_size_ratio": 1.0}, "networks": {"blocks": 6}}}
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        adversarial_loss: Annotated[
            Literal["wgan", "lsgan"],
            Doc(
                "Form of the adversarial loss: wgan (with gradient penalty) or lsgan (least squares). "
                "Choose lsgan for short runs."
            ),
        ] = "wgan",
        n_critic: CriticSteps = 5,
        per_domain_scores: PerDomainScores = False,
        classification_weight: Annotated[
            float,
            Doc(
                "Weight of the label classification loss on translations. "
                "Raise it if outputs ignore the requested label."
            ),
        ] = 1.0,
        cycle_weight: CycleWeight = 10.0,
        cycle_noise: CycleNoise = 0.0,
        gradient_penalty_weight: Annotated[
            float,
            Doc(
                "Weight of the gradient penalty; only with --adversarial-loss wgan. "
                "Raise it if the adversarial loss grows without limit."
            ),
        ] = 10.0,
        transport_weight: TransportWeight = 0.0,
        identity_weight: IdentityWeight = 0.0,
        lr: LearningRate = 1e-4,
        lr_d: DiscriminatorLearningRate = 1e-4,
        grad_clip: GradClip = None,
    ) -> None:
        super().__init__()
        self.labels, self.domains = net.labels, net.domains
        self.adversarial_loss = adversarial_loss
        self.per_domain_scores, self.cycle_noise = per_domain_scores, cycle_noise
        self.n_critic, self.num_datasets = n_critic, len(self.labels.dataset_groups)
        self.turn_period = n_critic * self.num_datasets
        self.has_several_datasets = self.num_datasets > 1
        # G: generator, T: trunk of the discriminator, D: its head for realism (D_src), C: its label head (D_cls).
        mask_size = len(self.labels.groups) if self.has_several_datasets else 0
        self.G = net.conditional_generator(self.labels.size + mask_size)
        self.T, self.D, self.C = net.discriminator_with_classifier(self.labels.size, self.discriminator_outputs)
        self.transport = net.conditional_transport_loss(self.labels.size) if transport_weight else None
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
        if adversarial_loss == "wgan":
            self.loss_weights["gradient_penalty"] = gradient_penalty_weight
        if transport_weight:
            self.loss_weights["transport"] = transport_weight
        self.has_identity_loss = identity_weight > 0
        if self.has_identity_loss:
            self.loss_weights["identity"] = identity_weight
        self.routes = self.build_routes(("G",), ("T", "C"))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the discriminator's turn and, in every `n_critic`-th step of a data set, the generator's turn."""
        x, label, label_mask, group_slices = batch["x"], batch["label"], batch["label_mask"], self.labels.group_slices
        target_label = label[torch.randperm(len(label))]
        # Data sets alternate from step to step. Their steps are counted separately: otherwise the generator would never
        # train on some of them if their number and `n_critic` had a common divisor.
        is_generator_step = context.step // self.num_datasets % self.n_critic == 0
        with torch.set_grad_enabled(is_generator_step):
            fake = self.apply_labels(x, target_label, label_mask)
        features = self.T(x)
        real_scores = self._score(features, label, label_mask)
        fake_scores = self._score(self.T(fake), target_label, label_mask)
        yield Turn(
            "discriminator",
            adversarial=discriminator_loss(real_scores, fake_scores, self.adversarial_loss),
            classification=classification_loss(self.C(features), label, label_mask, group_slices),
            gradient_penalty=self._gradient_penalty(x, fake, label, target_label, label_mask),
        )
        if is_generator_step:
            features = self.T(fake)
            yield Turn(
                "generator",
                adversarial=generator_loss(self._score(features, target_label, label_mask), self.adversarial_loss),
                classification=classification_loss(self.C(features), target_label, label_mask, group_slices),
                transport=self.transport(fake, target_label, x, label) if self.transport is not None else None,
                cycle=l1(self.apply_labels(add_noise(fake, self.cycle_noise), label, label_mask), x),
                identity=l1(self.apply_labels(x, label, label_mask), x) if self.has_identity_loss else None,
            )

    def apply_labels(self, x: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """Apply G to `x` concatenated with the label, and with the mask if there are several data sets."""
        if self.has_several_datasets:
            label = torch.cat((label, label_mask[:, [span.start for span in self.labels.group_slices]]), dim=1)
        out: Tensor = self.G(concat_label(x, label))
        return out

    def classify(self, x: Tensor) -> Tensor:
        """Predict labels with the discriminator's label head."""
        return predict_labels(self.C(self.T(x)), self.labels.group_slices)

    def _score(self, features: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """Return the discriminator's scores (B, views, h, w) for the label, from the trunk's features."""
        return self.select_label_scores(self.D(features), label, label_mask)

    def _gradient_penalty(
        self, x: Tensor, fake: Tensor, label: Tensor, target_label: Tensor, label_mask: Tensor
    ) -> Tensor | None:
        """Return the penalty on the scores for the source label; with per-domain scores, the mean with the target's.

        None with the least-squares loss.
        """
        if self.adversarial_loss == "lsgan":
            return None
        source_label_penalty = gradient_penalty(lambda items: self._score(self.T(items), label, label_mask), x, fake)
        if not self.per_domain_scores:
            return source_label_penalty
        return (
            source_label_penalty
            + gradient_penalty(lambda items: self._score(self.T(items), target_label, label_mask), x, fake)
        ) / 2
