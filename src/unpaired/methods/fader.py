"""Fader Networks: an auto-encoder whose latent code is made label-invariant and whose decoder takes the labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from torch import Tensor
from typing_extensions import Doc

from unpaired.losses.adversarial import discriminator_loss, generator_loss
from unpaired.losses.classification import classification_loss, inverted_label_loss, predict_labels
from unpaired.losses.distances import l1, mse
from unpaired.methods.base import Batch, Player, StepContext, Turn, Turns, forward_pair
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.methods.setting_types import (
    DiscriminatorLearningRate,
    Fraction,
    GradClip,
    LearningRate,
    PerDomainScores,
    ReconstructionWeight,
    TransportWeight,
)
from unpaired.networks import NetworkFactory
from unpaired.networks.conditional import concat_label
from unpaired.networks.optimal_transport import compute_source_weight

SMALL_WEIGHTS = {
    "reconstruction_weight": 10.0,
    "latent_adversarial_weight": 0.1,
    "adversarial_weight": 1.0,
    "classification_weight": 0.1,
}
SMALL = {**SMALL_WEIGHTS, "l1_reconstruction": True, "per_domain_scores": True, "lr": 4e-4, "lr_d": 1e-3}
VOICE = {**SMALL, "per_domain_scores": False, "classification_weight": 1.0, "transport_weight": 5.0}


class Fader(LabelConditionedMethod):
    """Lample et al. 2017, arXiv:1706.00409: eq. (1)-(3), with the warm-up of the latent weight of sec. 4.

    A classifier predicts the labels from the latent code. The encoder is trained to make it fail, so the decoder must
    take the labels from its input. `latent_adversarial_warmup` is 500,000 of 1.5 million steps in the authors' code.

    Options of the authors' code: `adversarial_weight` adds a patch discriminator of images decoded with other labels,
    `classification_weight` an image classifier of them; without both, images are blurred like an average.
    `per_domain_scores` and `transport_weight` (voice) are as in StarGAN. `l1_reconstruction` replaces the squares of
    eq. (1) by L1.

    `residual_decoder_start` (voice) is stage 2 of Chou et al. 2018, arXiv:1804.02812: after this fraction of the budget
    encoder and decoder are frozen (at their EMA), and a second decoder R of the code learns a residual from the
    discriminator and the classifier, which train from the start. In the authors' code one Wasserstein discriminator has
    both functions.

    As in the authors' code, dropout is for the latent classifier's own turn, and the preset `paper` for images has
    batch norm: instance norm erases the mean of each channel of the 4 x 4 code, and with it the color of the image.

    Differs from the authors' code: the encoder's target for the latent classifier is uniform over the other values
    instead of one drawn at random; all turns of a step have one batch, encoded in training mode; the latent classifier
    has two convolutions without normalization and dropout in its perceptron only; the decoder upsamples bilinearly and
    convolves with 3 x 3 (there transposed 4 x 4 convolutions and tanh); the image options use least squares on patches
    and no warm-up (there smoothed cross entropy on the mean of the patches, with the latent weight's warm-up), and
    target labels are those of other items instead of drawn ones. If the labels have several groups, an image classifier
    is trained to predict those that are not requested.
    """

    is_cycle_consistent = True
    presets = {"small": SMALL, "tiny": SMALL}  # noqa: RUF012 - data
    media_presets = {"voice": {"small": VOICE, "tiny": VOICE}}  # noqa: RUF012
    preset_sections = {  # noqa: RUF012
        "image": {
            "paper": {
                "medium_settings": {"load_size_ratio": 1.0},
                "networks": {"width": 32, "discriminator_width": 32, "norm": "batch"},
                "training": {"ema_decay": 0.0, "lr_decay_start": 1.0},
            }
        }
    }

    def __init__(
        self,
        net: NetworkFactory,
        *,
        l1_reconstruction: Annotated[
            bool,
            Doc(
                "Use the L1 distance in the reconstruction loss instead of the squared distance. "
                "Turn it on for sharper images."
            ),
        ] = False,
        reconstruction_weight: ReconstructionWeight = 1.0,
        latent_adversarial_weight: Annotated[
            float,
            Doc(
                "Weight of the loss that removes the labels from the latent code. "
                "Raise it if outputs ignore the requested label."
            ),
        ] = 1e-4,
        latent_adversarial_warmup: Annotated[
            Fraction,
            Doc(
                "Fraction of the budget (0 to 1) over which the latent adversarial weight rises from zero; 0: none. "
                "Raise it if outputs are blurred early in training."
            ),
        ] = 0.32,
        adversarial_weight: Annotated[
            float,
            Doc(
                "Weight of a patch discriminator's loss on translations; 0: off, or 1 with a residual decoder. "
                "Raise it if outputs are blurred."
            ),
        ] = 0.0,
        classification_weight: Annotated[
            float,
            Doc(
                "Weight of a classifier's label loss on translations; 0: off, or 1 with a residual decoder. "
                "Raise it if outputs ignore the requested label."
            ),
        ] = 0.0,
        per_domain_scores: PerDomainScores = False,
        transport_weight: TransportWeight = 0.0,
        residual_decoder_start: Annotated[
            Fraction,
            Doc(
                "Fraction of the budget after which only a residual decoder trains (voice only); 0 or 1: never. "
                "Try 0.5 if voices sound too smooth."
            ),
        ] = 1.0,
        latent_discriminator_dropout: Annotated[
            Fraction,
            Doc("Dropout probability (0 to 1) of the classifier on the latent code. Raise it if it overfits."),
        ] = 0.3,
        lr: LearningRate = 2e-4,
        lr_d: DiscriminatorLearningRate = 2e-4,
        grad_clip: GradClip = 5.0,
    ) -> None:
        super().__init__()
        self.labels, self.domains, self.per_domain_scores = net.labels, net.domains, per_domain_scores
        self.reconstruction_loss = l1 if l1_reconstruction else mse
        self.residual_decoder_start = residual_decoder_start
        # E: encoder, G: decoder, Z: classifier on the latent code, R: residual decoder, D: discriminator,
        # C: classifier of items.
        self.E, self.G, self.Z = net.conditional_autoencoder(self.labels.size, latent_discriminator_dropout)
        self.transport = net.conditional_transport_loss(self.labels.size) if transport_weight else None
        self.players = {
            "autoencoder": Player(("E", "G"), lr=lr, grad_clip=grad_clip),
            "latent_discriminator": Player(("Z",), lr=lr_d, grad_clip=grad_clip),
        }
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
            self.loss_weights["discriminator.adversarial"] = 0.5
        self.has_classifier = self.R is not None or classification_weight > 0 or len(self.labels.groups) > 1
        if self.has_classifier:
            self.C = net.classifier(self.labels.size)
            self.players["classifier"] = Player(("C",), lr=lr_d, grad_clip=grad_clip)
            self.loss_weights["classifier.classification"] = 1.0
        weights = {
            "adversarial": adversarial_weight,
            "classification": classification_weight,
            "transport": transport_weight,
        }
        self.loss_weights |= {loss: weight for loss, weight in weights.items() if weight}
        self.uses_translations = self.has_discriminator or any(weights.values())
        self.routes = self.build_routes(("E", "G", "R") if self.R is not None else ("E", "G"), ("C",))

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield the turn of the auto-encoder or the residual decoder, then those of discriminator and classifier.

        Before the auto-encoder's turn comes that of the classifier on the latent code.
        """
        x, label, label_mask = batch["x"], batch["label"], batch["label_mask"]
        is_residual_stage = self._is_residual_stage(context)
        self.E.train(not is_residual_stage)  # the frozen networks keep their batch norm statistics
        self.G.train(not is_residual_stage)
        code, target_label = self.E(x), label[torch.randperm(len(label))]
        fake: Tensor | None = None
        if is_residual_stage:
            fake = self._decode_with_residual(concat_label(code, target_label))
            yield Turn(
                "residual_decoder", **self._translation_losses("residual_decoder", fake, target_label, batch, context)
            )
        else:
            yield Turn("latent_discriminator", classification=self._classify_code(code, label, label_mask))
            if self.uses_translations:
                fake, rec = forward_pair(self.G, concat_label(code, target_label), concat_label(code, label))
            else:
                rec = self.G(concat_label(code, label))
            yield Turn(
                "autoencoder",
                reconstruction=self.reconstruction_loss(rec, x),
                latent_adversarial=self._latent_adversarial_loss(code, label, label_mask),
                **self._translation_losses("autoencoder", fake, target_label, batch, context),
            )
        if self.has_discriminator:
            assert fake is not None, "a discriminator uses translations"
            real_scores, fake_scores = forward_pair(self.D, x, fake)
            yield Turn(
                "discriminator",
                adversarial=discriminator_loss(
                    self.select_label_scores(real_scores, label, label_mask),
                    self.select_label_scores(fake_scores, target_label, label_mask),
                ),
            )
        if self.has_classifier:
            yield Turn(
                "classifier",
                classification=classification_loss(self.C(x), label, label_mask, self.labels.group_slices),
            )

    def list_frozen_roles(self, context: StepContext) -> tuple[str, ...]:
        """Return encoder and decoder in the stage of the residual decoder."""
        return ("E", "G") if self._is_residual_stage(context) else ()

    def apply_labels(self, x: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """Decode the latent code of `x` with the label, and add the residual if there is a residual decoder."""
        return self._decode_with_residual(concat_label(self.E(x), label))

    def classify(self, x: Tensor) -> Tensor:
        """Predict labels with the classifier of items, which exists if the labels have several groups."""
        return predict_labels(self.C(x), self.labels.group_slices)

    def _is_residual_stage(self, context: StepContext) -> bool:
        return self.R is not None and context.budget_fraction >= self.residual_decoder_start

    def _has_weight(self, player: str, loss: str) -> bool:
        return loss in self.loss_weights or f"{player}.{loss}" in self.loss_weights

    def _decode_with_residual(self, conditioned_code: Tensor) -> Tensor:
        y: Tensor = self.G(conditioned_code)
        return y if self.R is None else y + self.R(conditioned_code)

    def _classify_code(self, code: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """Loss of the classifier on the latent code (eq. 2)."""
        return classification_loss(self.Z(code), label, label_mask, self.labels.group_slices)

    def _latent_adversarial_loss(self, code: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """Loss of the encoder (eq. 3): the classifier, without dropout, should predict other labels."""
        self.Z.eval()
        logits = self.Z(code)
        self.Z.train()
        return inverted_label_loss(logits, label, label_mask, self.labels.group_slices)

    def _translation_losses(
        self, player: str, fake: Tensor | None, target_label: Tensor, batch: Batch, context: StepContext
    ) -> dict[str, Tensor]:
        """Losses of `player` on the translations `fake` of the batch's items, those with a weight."""
        x, label, label_mask = batch["x"], batch["label"], batch["label_mask"]
        losses: dict[str, Tensor] = {}
        if fake is None:
            return losses
        if self._has_weight(player, "adversarial"):
            losses["adversarial"] = generator_loss(self.select_label_scores(self.D(fake), target_label, label_mask))
        if self.transport is not None:
            losses["transport"] = self.transport(
                fake, target_label, x, label, compute_source_weight(context.budget_fraction)
            )
        if self._has_weight(player, "classification"):
            losses["classification"] = classification_loss(
                self.C(fake), target_label, label_mask, self.labels.group_slices
            )
        return losses
