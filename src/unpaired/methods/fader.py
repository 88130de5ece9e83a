"""Fader networks: one auto-encoder whose code forgets the labels, and whose decoder is told them, as by a slider."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.classification import classification_loss, inverted_label_loss, predict_labels
from unpaired.losses.distances import l1, mse
from unpaired.methods.base import Batch, Player, StepContext, Turn, Turns, forward_pair, forward_pair_optional
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.networks import NetworkFactory
from unpaired.networks.conditional import concat_label

SMALL_WEIGHTS = {
    "reconstruction_weight": 10.0,
    "latent_adversarial_weight": 0.1,
    "adversarial_weight": 1.0,
    "classification_weight": 0.1,
}
SMALL = {**SMALL_WEIGHTS, "l1_reconstruction": True, "per_domain_scores": True, "lr": 4e-4, "lr_d": 1e-3}
VOICE = {**SMALL, "per_domain_scores": False, "classification_weight": 1.0, "transport_weight": 5.0}


class Fader(LabelConditionedMethod):
    """Lample et al. 2017, arXiv:1706.00409: eq. (1)-(3), with the ramp of the latent weight of sec. 4.

    A classifier reads the labels off the code and the encoder learns to mislead it, so the decoder must take them from
    what it is told. `ramp` is the share of the budget over which that weight grows (500,000 of the authors' 1.5 million
    steps). `adversarial_weight` and `class_weight` are the authors' code's options: a critic of patches, and a
    classifier of images, judge what is decoded with other labels; without them the pictures are as blurred as a mean.
    `own_scores` and, of voices, `transport_weight` as in StarGAN. `absolute` takes L1 for the squares of eq. (1).
    `residual_from`, of voices, is the share of the budget after which the coders stay as they are and a second decoder
    R of the code learns what to add (0 and 1: never), from those two judges, who learn all the time: stage 2 of
    Chou et al. 2018, arXiv:1804.02812, as its authors' code has it, where one critic, Wasserstein's, is both.
    Differs: the misled classifier is given the other values in equal shares, not one of them drawn; the decoder
    enlarges bilinearly. Where labels are of several groups a classifier of images learns to tell those not asked for.
    """

    is_cycle_consistent = True
    presets = {"small": SMALL, "tiny": SMALL}  # noqa: RUF012 - data
    voice_presets = {"small": VOICE, "tiny": VOICE}  # noqa: RUF012

    def __init__(
        self,
        net: NetworkFactory,
        *,
        l1_reconstruction: bool = False,
        reconstruction_weight: float = 1.0,
        latent_adversarial_weight: float = 1e-4,
        latent_adversarial_warmup: float = 0.32,
        adversarial_weight: float = 0.0,
        classification_weight: float = 0.0,
        per_domain_scores: bool = False,
        transport_weight: float = 0.0,
        residual_decoder_start: float = 1.0,
        latent_discriminator_dropout: float = 0.3,
        lr: float = 2e-4,
        lr_d: float = 2e-4,
        grad_clip: float | None = 5.0,
    ) -> None:
        super().__init__()
        self.labels, self.domains, self.per_domain_scores = net.labels, net.domains, per_domain_scores
        self.reconstruction_loss, self.residual_decoder_start = l1 if l1_reconstruction else mse, residual_decoder_start
        self.E, self.G, self.Z = net.conditional_autoencoder(self.labels.size, latent_discriminator_dropout)
        self.transport = (
            net.conditional_transport_loss(self.labels.size, source_weight=0.5) if transport_weight else None
        )
        autoencoder, latent_discriminator = (
            Player(("E", "G"), lr=lr, grad_clip=grad_clip),
            Player(("Z",), lr=lr_d, grad_clip=grad_clip),
        )
        self.players = {"autoencoder": autoencoder, "latent_discriminator": latent_discriminator}
        self.loss_weights = {
            "reconstruction": reconstruction_weight,
            "latent_adversarial": lambda context: (
                latent_adversarial_weight * context.warmup_factor(latent_adversarial_warmup)
            ),
            "latent_discriminator.classification": 1.0,
        }
        self.R = net.conditional_residual_decoder(self.labels.size) if 0 < residual_decoder_start < 1 else None
        if self.R is not None:
            self.players["residual_decoder"] = Player(("R",), lr=lr, grad_clip=grad_clip)
            self.loss_weights |= {
                "residual_decoder.adversarial": adversarial_weight or 1.0,
                "residual_decoder.classification": classification_weight or 1.0,
            }
        self.has_discriminator = self.R is not None or adversarial_weight > 0
        if self.has_discriminator:
            self.D = net.discriminator(self.domains[0], self.discriminator_outputs)
            self.players["discriminator"] = Player(("D",), lr=lr_d, grad_clip=grad_clip)
            self.loss_weights |= {"adversarial": adversarial_weight, "discriminator.adversarial": 0.5}
        self.has_classifier = self.R is not None or classification_weight > 0 or len(self.labels.groups) > 1
        if self.has_classifier:
            self.C = net.classifier(self.labels.size)
            self.players["classifier"] = Player(("C",), lr=lr_d, grad_clip=grad_clip)
            self.loss_weights |= {"classification": classification_weight, "classifier.classification": 1.0}
        self.loss_weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = self.build_routes(("E", "G", "R") if self.R is not None else ("E", "G"), ("C",))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """The reader of codes and the coders, or the residual; then those who judge what is made with other labels."""
        x, label, label_mask, group_slices = batch["x"], batch["label"], batch["label_mask"], self.labels.group_slices
        R = self.R if context.budget_fraction >= self.residual_decoder_start else None
        E, G = self.E.train(R is None), self.G.train(R is None)  # statistics of batch norm stay as they are too
        code, target_label = E(x), label[torch.randperm(len(label))]
        if R is None:
            yield Turn(
                "latent_discriminator",
                classification=classification_loss(self.Z(code), label, label_mask, group_slices),
            )
        fake, rec = forward_pair_optional(G, concat_label(code, target_label), concat_label(code, label), R is None)
        fake = fake if R is None else fake + R(concat_label(code, target_label))
        yield Turn(
            "autoencoder" if R is None else "residual_decoder",
            reconstruction=self.reconstruction_loss(rec, x) if rec is not None else None,
            latent_adversarial=inverted_label_loss(self.Z(code), label, label_mask, group_slices)
            if R is None
            else None,
            adversarial=generator_loss(self.select_label_scores(self.D(fake), target_label, label_mask))
            if self.has_discriminator
            else None,
            transport=self.transport(fake, target_label, x, label) if self.transport is not None else None,
            classification=classification_loss(self.C(fake), target_label, label_mask, group_slices)
            if self.has_classifier
            else None,
        )
        if self.has_discriminator:
            real_scores, fake_scores = forward_pair(self.D, x, fake)
            yield Turn(
                "discriminator",
                adversarial=discriminator_loss(
                    self.select_label_scores(real_scores, label, label_mask),
                    self.select_label_scores(fake_scores, target_label, label_mask),
                ),
            )
        if self.has_classifier:
            yield Turn("classifier", classification=classification_loss(self.C(x), label, label_mask, group_slices))

    def apply_labels(self, x: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """The code of `x`, decoded with the label, and the residual where there is one."""
        conditioned_code = concat_label(self.E(x), label)
        return self.G(conditioned_code) if self.R is None else self.G(conditioned_code) + self.R(conditioned_code)  # type: ignore[no-any-return]

    def classify(self, x: Tensor) -> Tensor:
        """What the classifier of images tells; there is one where labels are of several groups."""
        return predict_labels(self.C(x), self.labels.group_slices)
