"""DiscoGAN: two generators that undo each other, whose translations look alike to the inside of a critic."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from unpaired.methods.game import Batch, Method, Move, Now, Player, Route, Turn, together
from unpaired.networks import Networks
from unpaired.terms.adversarial import Kind, fool, spot
from unpaired.terms.closeness import matched, squared


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

    restores = True

    presets = {  # noqa: RUF012 - data
        preset: {
            "adversarial": "lsgan",
            "adversarial_share": 0.9,
            "later_rate": 0.9,
            "after": 0.1,
            "turns": 2,
            "depth": None,
            "decay": 0.0,
            "rate": 4e-4,
            "critic_rate": 1e-3,
            "clip": 5.0,
        }
        for preset in ("small", "tiny")
    }

    def __init__(
        self,
        net: Networks,
        *,
        adversarial: Kind = "bce",
        adversarial_share: float = 0.1,
        first_rate: float = 0.01,
        later_rate: float = 0.5,
        after: float = 10_000.0,
        turns: int = 3,
        depth: int | None = 8,
        decay: float = 1e-5,
        rate: float = 2e-4,
        critic_rate: float = 2e-4,
        clip: float | None = None,
    ) -> None:
        super().__init__()
        self.kind: Kind = adversarial
        self.every = max(2, turns)
        self.G, self.F = net.generator("X", "Y", depth), net.generator("Y", "X", depth)
        self.D_x, self.D_y = net.critic("X"), net.critic("Y")
        self.players = {
            "generators": Player(("G", "F"), rate=rate, decay=decay, clip=clip),
            "critics": Player(("D_x", "D_y"), rate=critic_rate, decay=decay, clip=clip),
        }

        def weight(of_likeness: float, of_reconstruction: float) -> Callable[[Now], float]:
            def at(now: Now) -> float:
                early = (now.share if after < 1 else now.step) < after
                r = first_rate if early else later_rate
                return (1 - r) * of_likeness + r * of_reconstruction

            return at

        self.weights = {
            "critics.adversarial": 0.5,
            "adversarial": weight(adversarial_share, 0.0),
            "features": weight(1 - adversarial_share, 0.0),
            # The authors' images are in [0, 1], where squared distances are a quarter of ours.
            "reconstruction": weight(0.0, 0.25),
        }
        self.routes = (Route("X", "Y", ("G",)), Route("Y", "X", ("F",)))

    def play(self, batch: Batch, now: Now) -> Iterator[Move]:
        """The critics, or the generators."""
        x, y = batch["X"], batch["Y"]
        critics_move = now.step % self.every == 0
        with torch.set_grad_enabled(not critics_move):
            fake_y, fake_x = self.G(x), self.F(y)
        if critics_move:
            spot_y, spot_x = together(self.D_y, y, fake_y), together(self.D_x, x, fake_x)
            yield Turn("critics", adversarial=spot(*spot_y, self.kind) + spot(*spot_x, self.kind))
            return
        (_, real_y), (score_y, seen_y) = self.D_y.look(y, fake_y)
        (_, real_x), (score_x, seen_x) = self.D_x.look(x, fake_x)
        yield Turn(
            "generators",
            adversarial=fool(score_y, self.kind) + fool(score_x, self.kind),
            features=matched(real_y[1:], seen_y[1:]) + matched(real_x[1:], seen_x[1:]),
            reconstruction=squared(self.F(fake_y), x) + squared(self.G(fake_x), y),
        )

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """G from X to Y, F from Y to X."""
        out: Tensor = self.G(x) if target == "Y" else self.F(x)
        return out
