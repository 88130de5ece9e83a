"""StarGAN: one generator for many domains, told by a label what to make, and a critic that also tells labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Move, Now, Player, Turn, noisy
from unpaired.methods.kinds import Labelled
from unpaired.networks import Networks
from unpaired.networks.labelled import joined
from unpaired.terms.adversarial import fool, spot
from unpaired.terms.closeness import l1
from unpaired.terms.label import classes, decided
from unpaired.terms.penalty import gradient_penalty

SMALL = {"adversarial": "lsgan", "turns": 1, "own_scores": True, "class_weight": 0.1, "cycle_weight": 1.7}
RATES = {"cycle_noise": 0.05, "rate": 4e-4, "critic_rate": 1e-3, "clip": 5.0}
VOICE = {"cycle_noise": 0.0, "transport_weight": 5.0}


class StarGAN(Labelled):
    """Choi et al. 2018, arXiv:1711.09020: eq. (5), (6) with eq. (8), Wasserstein's; joint data sets of sec. 3.2.

    Targets are the labels of the batch, in another order. The critic makes `turns` moves for one of the generator.
    Where joint data sets know different labels, the generator is told which groups are asked for (the mask vector).
    `own_scores` gives the critic an output for each value of a label, so that it tells real ones of a domain, not of
    any (StarGAN v2, arXiv:1912.01865, sec. 2). `cycle_noise` and, of voices, `transport_weight` as in CycleGAN.
    `clip` bounds the norm of each player's gradient; None is the paper's.
    Differs: the mask has a value per group of labels, which for the paper's two data sets says the same.
    """

    restores = True
    idle = {"penalty_weight": ("adversarial", "lsgan")}  # noqa: RUF012 - data
    defences = {"cycle_noise": 0.1}  # noqa: RUF012 - data
    presets = dict.fromkeys(("small", "tiny"), SMALL | RATES)
    voice_presets = dict.fromkeys(("small", "tiny"), SMALL | RATES | VOICE)

    def __init__(
        self,
        net: Networks,
        *,
        adversarial: Literal["wgan", "lsgan"] = "wgan",
        turns: int = 5,
        own_scores: bool = False,
        class_weight: float = 1.0,
        cycle_weight: float = 10.0,
        cycle_noise: float = 0.0,
        penalty_weight: float = 10.0,
        transport_weight: float = 0.0,
        rate: float = 1e-4,
        critic_rate: float = 1e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.labels, self.domains = net.labels, net.domains
        self.kind: Literal["wgan", "lsgan"] = adversarial
        self.joint = len(self.labels.sets) > 1
        self.G = net.relabeller(self.labels.size + (len(self.labels.groups) if self.joint else 0))
        self.own_scores, self.cycle_noise, self.every = own_scores, cycle_noise, max(1, turns)
        self.T, self.D, self.C = net.labelled_critic(self.labels.size, self.outputs)
        self.transport = net.labelled_transport(self.labels.size, given=0.5) if transport_weight else None
        self.players = {
            "generator": Player(("G",), rate=rate, clip=clip),
            "critic": Player(("T", "D", "C"), rate=critic_rate, clip=clip),
        }
        self.weights = {"adversarial": 1.0, "classes": class_weight, "critic.classes": 1.0, "cycle": cycle_weight}
        self.weights |= {"penalty": penalty_weight} if adversarial == "wgan" else {}
        self.weights |= {"transport": transport_weight} if transport_weight else {}
        self.routes = self.routes_by(("G",), ("T", "C"))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The critic, and every `turns` steps the generator."""
        x, label, known = batch["x"], batch["label"], batch["known"]
        wanted = label[torch.randperm(len(label))]
        fake = self.relabel(x, wanted, known)
        seen = self.T(x)
        yield Turn(
            "critic",
            adversarial=spot(self._score(seen, label, known), self._score(self.T(fake), wanted, known), self.kind),
            classes=classes(self.C(seen), label, known, self.labels.spans),
            penalty=self._slope(x, fake, label, wanted, known) if "penalty" in self.weights else None,
        )
        if now.step % self.every == 0:
            seen = self.T(fake)
            yield Turn(
                "generator",
                adversarial=fool(self._score(seen, wanted, known), self.kind),
                classes=classes(self.C(seen), wanted, known, self.labels.spans),
                transport=self.transport(fake, wanted, x, label) if self.transport is not None else None,
                cycle=l1(self.relabel(noisy(fake, self.cycle_noise), label, known), x),
            )

    def _score(self, seen: Tensor, label: Tensor, known: Tensor) -> Tensor:
        """(B, views, h, w): the critic's scores of what T saw, by the outputs of the values that the label has."""
        return self.scored(self.D(seen), label, known)

    def _slope(self, x: Tensor, fake: Tensor, label: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
        """The penalty on the scores that count: those for the label of `x` and those for that of `fake`, half each."""
        real = gradient_penalty(lambda it: self._score(self.T(it), label, known), x, fake)
        if not self.own_scores:
            return real
        return (real + gradient_penalty(lambda it: self._score(self.T(it), wanted, known), x, fake)) / 2

    def relabel(self, x: Tensor, label: Tensor, known: Tensor) -> Tensor:
        """G on `x` joined with the label, and with the mask where the data sets are several."""
        if self.joint:
            label = torch.cat((label, known[:, [span.start for span in self.labels.spans]]), dim=1)
        out: Tensor = self.G(joined(x, label))
        return out

    def classify(self, x: Tensor) -> Tensor:
        """What the critic's class head tells."""
        return decided(self.C(self.T(x)), self.labels.spans)
