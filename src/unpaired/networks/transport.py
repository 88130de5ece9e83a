"""Where the frames of voices should go: to the target's frames that optimal transport brings them to."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unpaired.networks.image_pool import TensorPool

CONTEXT_FRAMES = ((-8, 0.5), (-4, 0.7), (0, 1.0), (4, 0.7), (8, 0.5))
"""What is compared of a place: frames around it, by their distance in frames, and how much they weigh."""
FRAME_STEP = 4
ENTROPY_WEIGHT = 0.025
"""The entropy's weight, as a share of the mean cost between two places of the target."""
SINKHORN_ITERATIONS = 20


class OptimalTransportLoss(nn.Module):
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

    def __init__(self, source_weight: float = 0.0, size: int = 4096, solve_every: int = 2048) -> None:
        super().__init__()
        self.source_weight = source_weight
        self.real, self.fake = TensorPool(size), TensorPool(solve_every)
        self.support = TensorPool(size)
        """Places of the target, each with its potential."""
        self._costs: TransportCost | None = None  # to those that are known, from which it follows

    def forward(self, fake: Tensor, source: Tensor, real: Tensor) -> Tensor:
        """The mean square by which frames of `made`, of `given`, miss where they should go; all (B, 1, Q, T).

        What `made` and `given` are and the target's `real` items are remembered.
        """
        with torch.no_grad(), torch.autocast(fake.device.type, enabled=False):
            fake_context = stack_context(fake.lerp(source.to(fake), self.source_weight))
            self.real.store(drop_nonfinite_rows(stack_context(real)))
            self.fake.store(drop_nonfinite_rows(fake_context))
            targets = self._transport_targets(fake_context, fake.shape[2])
        return (select_frames(fake, 0).to(targets.dtype) - targets).square().mean()

    def _transport_targets(self, fake_context: Tensor, coefficients: int) -> Tensor:
        """Where the frames of these places should go: (N, Q)."""
        num_fake = int(self.fake.count)
        if num_fake >= self.fake.size or (num_fake and not len(self.support.rows)):
            self._solve_potentials()
        if not len(self.support.rows):  # all that was converted overflowed
            return torch.full_like(select_center_frame(fake_context, coefficients), torch.nan)
        support, potential = self.support.rows[:, :-1], self.support.rows[:, -1]
        if self._costs is None:
            self._costs = TransportCost(support)
        return torch.softmax(potential - self._costs(fake_context), 1) @ select_center_frame(support, coefficients)

    def _solve_potentials(self) -> None:
        """Sinkhorn's iterations; the converted places are gathered anew afterwards."""
        support = self.real.rows
        potential = sinkhorn_potentials(TransportCost(support)(self.fake.rows))
        self.support.clear()
        self.support.store(torch.cat((support, potential[:, None]), 1))
        self.fake.clear()
        self._costs = None

    def _load_from_state_dict(self, *args: Any) -> None:
        self._costs = None
        super()._load_from_state_dict(*args)


class ConditionalTransportLoss(nn.Module):
    """`Transport` to each of the `labels`, one of which an item has."""

    def __init__(self, num_labels: int, source_weight: float = 0.0) -> None:
        super().__init__()
        self.per_label = nn.ModuleList(OptimalTransportLoss(source_weight) for _ in range(num_labels))

    def forward(self, fake: Tensor, target_label: Tensor, source: Tensor, source_label: Tensor) -> Tensor:
        """The mean over the items `made` with labels `wanted` (B, L) of `given`, which are real items of `label`."""
        losses = []
        for i, transport in enumerate(self.per_label):
            fake_mask, real_mask = target_label[:, i] > 0, source_label[:, i] > 0
            if fake_mask.any() and (real_mask.any() or transport.get_buffer("real.count") > 0):
                losses.append(
                    transport(fake[fake_mask], source[fake_mask], source[real_mask]) * fake_mask.sum() / len(fake)
                )
        return torch.stack(losses).sum()


class TransportCost:
    """Squared distances to places `y` (M, P) over the entropy's weight; what follows from `y` is worked out once."""

    def __init__(self, y: Tensor) -> None:
        self._weight = (ENTROPY_WEIGHT * 2 * y.var(0, correction=0).sum()).clamp_min(torch.finfo(y.dtype).eps)
        # The squares are two columns more of one product, so that there is no other pass over (N, M).
        self._right = torch.cat((y, torch.ones_like(y[:, :1]), y.square().sum(1, keepdim=True)), 1).T

    def __call__(self, x: Tensor) -> Tensor:
        """Of places (N, P): (N, M)."""
        left = torch.cat((-2 * x, x.square().sum(1, keepdim=True), torch.ones_like(x[:, :1])), 1) / self._weight
        return left @ self._right


def sinkhorn_potentials(costs: Tensor) -> Tensor:
    """Of costs (N, M) over the entropy's weight, the potentials (M,) of the transport between equal shares."""
    # A row's least cost is part of its own potential: without it the kernel stays within a float.
    kernel = (costs.amin(1, keepdim=True) - costs).clamp_(min=-60).exp_()
    scaling_y = torch.ones_like(kernel[0])
    for _ in range(SINKHORN_ITERATIONS):
        scaling_x = 1 / (kernel @ scaling_y)
        scaling_y = len(costs) / costs.shape[1] / (scaling_x @ kernel)
    return scaling_y.log()


def select_frames(x: Tensor, shift: int) -> Tensor:
    """Every fourth frame of (B, 1, Q, T), or that `shift` frames later (the last again beyond an end): (N, Q)."""
    indices = (torch.arange(0, x.shape[-1], FRAME_STEP, device=x.device) + shift).clamp(0, x.shape[-1] - 1)
    return x[:, 0, :, indices].transpose(1, 2).flatten(0, 1)


def stack_context(x: Tensor) -> Tensor:
    """(B, 1, Q, T) -> (N, 5 Q), in at least single precision: every fourth frame with those around it, weighed."""
    context = torch.cat([weight * select_frames(x, shift) for shift, weight in CONTEXT_FRAMES], 1)
    return context.to(torch.promote_types(context.dtype, torch.float32))


def drop_nonfinite_rows(rows: Tensor) -> Tensor:
    """Those of the rows that are numbers: what overflows in half precision is not to be remembered."""
    return rows[rows.isfinite().all(1)]


def select_center_frame(context: Tensor, coefficients: int) -> Tensor:
    """The frame itself of places (N, 5 Q): (N, Q)."""
    center = next(i for i, (shift, _) in enumerate(CONTEXT_FRAMES) if shift == 0)
    return context[:, center * coefficients : (center + 1) * coefficients]
