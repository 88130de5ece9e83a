"""Fader networks: one auto-encoder whose code forgets the labels, and whose decoder is told them, as by a slider."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Move, Now, Player, Turn, both, together
from unpaired.methods.kinds import Labelled
from unpaired.networks import Networks
from unpaired.networks.labelled import joined
from unpaired.terms.adversarial import fool, spot
from unpaired.terms.closeness import l1, squared
from unpaired.terms.label import classes, confused, decided

JUDGED = {"reconstruction_weight": 10.0, "latent_weight": 0.1, "adversarial_weight": 1.0, "class_weight": 0.1}
SMALL = {**JUDGED, "absolute": True, "own_scores": True, "rate": 4e-4, "critic_rate": 1e-3}
VOICE = {**SMALL, "own_scores": False, "class_weight": 1.0, "transport_weight": 5.0}


class Fader(Labelled):
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

    restores = True
    presets = {"small": SMALL, "tiny": SMALL}  # noqa: RUF012 - data
    voice_presets = {"small": VOICE, "tiny": VOICE}  # noqa: RUF012

    def __init__(
        self,
        net: Networks,
        *,
        absolute: bool = False,
        reconstruction_weight: float = 1.0,
        latent_weight: float = 1e-4,
        ramp: float = 0.32,
        adversarial_weight: float = 0.0,
        class_weight: float = 0.0,
        own_scores: bool = False,
        transport_weight: float = 0.0,
        residual_from: float = 1.0,
        dropout: float = 0.3,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = 5.0,
    ) -> None:
        super().__init__()
        self.labels, self.domains, self.own_scores = net.labels, net.domains, own_scores
        self.near, self.residual_from = l1 if absolute else squared, residual_from
        self.E, self.G, self.Z = net.label_coders(self.labels.size, dropout)
        self.transport = net.labelled_transport(self.labels.size, given=0.5) if transport_weight else None
        coders, reader = Player(("E", "G"), rate=rate, clip=clip), Player(("Z",), rate=critic_rate, clip=clip)
        self.players = {"coders": coders, "reader": reader}
        self.weights = {
            "reconstruction": reconstruction_weight,
            "latent": lambda now: latent_weight * now.ramp(ramp),
            "reader.classes": 1.0,
        }
        self.R = net.label_residual(self.labels.size) if 0 < residual_from < 1 else None
        if self.R is not None:
            self.players["residual"] = Player(("R",), rate=rate, clip=clip)
            self.weights |= {"residual.adversarial": adversarial_weight or 1.0, "residual.classes": class_weight or 1.0}
        self.judged = self.R is not None or adversarial_weight > 0
        if self.judged:
            self.D = net.critic(self.domains[0], self.outputs)
            self.players["critic"] = Player(("D",), rate=critic_rate, clip=clip)
            self.weights |= {"adversarial": adversarial_weight, "critic.adversarial": 0.5}
        self.told = self.R is not None or class_weight > 0 or len(self.labels.groups) > 1
        if self.told:
            self.C = net.classifier(self.labels.size)
            self.players["classifier"] = Player(("C",), rate=critic_rate, clip=clip)
            self.weights |= {"classes": class_weight, "classifier.classes": 1.0}
        self.weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = self.routes_by(("E", "G", "R") if self.R is not None else ("E", "G"), ("C",))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The reader of codes and the coders, or the residual; then those who judge what is made with other labels."""
        x, label, known, spans = batch["x"], batch["label"], batch["known"], self.labels.spans
        R = self.R if now.share >= self.residual_from else None
        E, G = self.E.train(R is None), self.G.train(R is None)  # statistics of batch norm stay as they are too
        code, other = E(x), label[torch.randperm(len(label))]
        if R is None:
            yield Turn("reader", classes=classes(self.Z(code), label, known, spans))
        fake, same = both(G, joined(code, other), joined(code, label), R is None)
        fake = fake if R is None else fake + R(joined(code, other))
        yield Turn(
            "coders" if R is None else "residual",
            reconstruction=self.near(same, x) if same is not None else None,
            latent=confused(self.Z(code), label, known, spans) if R is None else None,
            adversarial=fool(self.scored(self.D(fake), other, known)) if self.judged else None,
            transport=self.transport(fake, other, x, label) if self.transport is not None else None,
            classes=classes(self.C(fake), other, known, spans) if self.told else None,
        )
        if self.judged:
            real, made = together(self.D, x, fake)
            yield Turn("critic", adversarial=spot(self.scored(real, label, known), self.scored(made, other, known)))
        if self.told:
            yield Turn("classifier", classes=classes(self.C(x), label, known, spans))

    def relabel(self, x: Tensor, label: Tensor, known: Tensor) -> Tensor:
        """The code of `x`, decoded with the label, and the residual where there is one."""
        told = joined(self.E(x), label)
        return self.G(told) if self.R is None else self.G(told) + self.R(told)  # type: ignore[no-any-return]

    def classify(self, x: Tensor) -> Tensor:
        """What the classifier of images tells; there is one where labels are of several groups."""
        return decided(self.C(x), self.labels.spans)
