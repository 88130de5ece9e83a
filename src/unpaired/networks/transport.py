"""Where the frames of voices should go: to the target's frames that optimal transport brings them to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unpaired.networks.memory import Memory

AROUND = ((-8, 0.5), (-4, 0.7), (0, 1.0), (4, 0.7), (8, 0.5))
"""What is compared of a place: frames around it, by their distance in frames, and how much they weigh."""
EVERY = 4
SPREAD = 0.025
"""The entropy's weight, as a share of the mean cost between two places of the target."""
ITERATIONS = 20


class Transport(nn.Module):
    """How far converted frames are from where entropic optimal transport (Cuturi 2013, arXiv:1306.0895) brings them.

    A critic alone takes any exchange of sounds for a solution that has the target's distribution. Places of the
    converted and of the target are therefore assigned to each other as a whole, each of the target's getting as much as
    any other, at the least cost: the nearest alone would take one speaker's [s] for the other's [sh], whose place is
    closer. A frame is drawn to the mean of what its place is assigned to. What is converted is assigned anew as the
    generator learns (INCA's loop; Erro, Moreno and Bonafonte 2010, IEEE TASLP 18:5), in the share `given` by what it
    was, scaled by its speaker's statistics.

    The transport is solved each time `solved` converted places have gathered, against the last `size` of the target.
    Between, the dual potentials v of those places y assign new places x: in shares softmax over y of v(y) - c(x, y).

    Places are compared with what is around them, so that a sound is known by its neighbours too. Speakers are taken to
    say the same sounds equally often, as they do over minutes of speech.
    """

    def __init__(self, given: float = 0.0, size: int = 4096, solved: int = 2048) -> None:
        super().__init__()
        self.given = given
        self.real, self.made = Memory(size), Memory(solved)
        self.known = Memory(size)
        """Places of the target, each with its potential."""
        self._costs: Costs | None = None  # to those that are known, from which it follows

    def forward(self, made: Tensor, given: Tensor, real: Tensor) -> Tensor:
        """The mean square by which frames of `made`, of `given`, miss where they should go; all (B, 1, Q, T).

        What `made` and `given` are and the target's `real` items are remembered.
        """
        with torch.no_grad(), torch.autocast(made.device.type, enabled=False):
            ours = places(made.lerp(given.to(made), self.given))
            self.real.keep(finite(places(real)))
            self.made.keep(finite(ours))
            wanted = self._wanted(ours, made.shape[2])
        return (frames(made, 0).to(wanted.dtype) - wanted).square().mean()

    def _wanted(self, ours: Tensor, coefficients: int) -> Tensor:
        """Where the frames of these places should go: (N, Q)."""
        gathered = int(self.made.count)
        if gathered >= self.made.size or (gathered and not len(self.known.rows)):
            self._solve()
        if not len(self.known.rows):  # all that was converted overflowed
            return torch.full_like(middle(ours, coefficients), torch.nan)
        known, potential = self.known.rows[:, :-1], self.known.rows[:, -1]
        if self._costs is None:
            self._costs = Costs(known)
        return torch.softmax(potential - self._costs(ours), 1) @ middle(known, coefficients)

    def _solve(self) -> None:
        """Sinkhorn's iterations; the converted places are gathered anew afterwards."""
        known = self.real.rows
        potential = potentials(Costs(known)(self.made.rows))
        self.known.clear()
        self.known.keep(torch.cat((known, potential[:, None]), 1))
        self.made.clear()
        self._costs = None

    def _load_from_state_dict(self, *args: Any) -> None:
        self._costs = None
        super()._load_from_state_dict(*args)


class LabelledTransport(nn.Module):
    """`Transport` to each of the `labels`, one of which an item has."""

    def __init__(self, labels: int, given: float = 0.0) -> None:
        super().__init__()
        self.towards = nn.ModuleList(Transport(given) for _ in range(labels))

    def forward(self, made: Tensor, wanted: Tensor, given: Tensor, label: Tensor) -> Tensor:
        """The mean over the items `made` with labels `wanted` (B, L) of `given`, which are real items of `label`."""
        found = []
        for i, transport in enumerate(self.towards):
            ours, theirs = wanted[:, i] > 0, label[:, i] > 0
            if ours.any() and (theirs.any() or transport.get_buffer("real.count") > 0):
                found.append(transport(made[ours], given[ours], given[theirs]) * ours.sum() / len(made))
        return torch.stack(found).sum()


class Costs:
    """Squared distances to places `y` (M, P) over the entropy's weight; what follows from `y` is worked out once."""

    def __init__(self, y: Tensor) -> None:
        self._weight = (SPREAD * 2 * y.var(0, correction=0).sum()).clamp_min(torch.finfo(y.dtype).eps)
        # The squares are two columns more of one product, so that there is no other pass over (N, M).
        self._right = torch.cat((y, torch.ones_like(y[:, :1]), y.square().sum(1, keepdim=True)), 1).T

    def __call__(self, x: Tensor) -> Tensor:
        """Of places (N, P): (N, M)."""
        left = torch.cat((-2 * x, x.square().sum(1, keepdim=True), torch.ones_like(x[:, :1])), 1) / self._weight
        return left @ self._right


def potentials(costs: Tensor) -> Tensor:
    """Of costs (N, M) over the entropy's weight, the potentials (M,) of the transport between equal shares."""
    # A row's least cost is part of its own potential: without it the kernel stays within a float.
    kernel = (costs.amin(1, keepdim=True) - costs).clamp_(min=-60).exp_()
    of_y = torch.ones_like(kernel[0])
    for _ in range(ITERATIONS):
        of_x = 1 / (kernel @ of_y)
        of_y = len(costs) / costs.shape[1] / (of_x @ kernel)
    return of_y.log()


def frames(x: Tensor, shift: int) -> Tensor:
    """Every fourth frame of (B, 1, Q, T), or that `shift` frames later (the last again beyond an end): (N, Q)."""
    at = (torch.arange(0, x.shape[-1], EVERY, device=x.device) + shift).clamp(0, x.shape[-1] - 1)
    return x[:, 0, :, at].transpose(1, 2).flatten(0, 1)


def places(x: Tensor) -> Tensor:
    """(B, 1, Q, T) -> (N, 5 Q), in at least single precision: every fourth frame with those around it, weighed."""
    found = torch.cat([weight * frames(x, shift) for shift, weight in AROUND], 1)
    return found.to(torch.promote_types(found.dtype, torch.float32))


def finite(rows: Tensor) -> Tensor:
    """Those of the rows that are numbers: what overflows in half precision is not to be remembered."""
    return rows[rows.isfinite().all(1)]


def middle(found: Tensor, coefficients: int) -> Tensor:
    """The frame itself of places (N, 5 Q): (N, Q)."""
    at = next(i for i, (shift, _) in enumerate(AROUND) if shift == 0)
    return found[:, at * coefficients : (at + 1) * coefficients]
