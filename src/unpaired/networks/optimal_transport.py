"""Optimal transport loss of voice conversion: draw converted frames to the matching frames of the target speaker.

The loss keeps pools of earlier frames and solves the transport between them. It therefore is a module with buffers that
checkpoints contain, and not a function of one batch like the losses in `unpaired.losses`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from unpaired.networks.image_pool import TensorPool

CONTEXT_FRAMES = ((-8, 0.5), (-4, 0.7), (0, 1.0), (4, 0.7), (8, 0.5))
"""Context of a frame in the assignment: (shift in frames, weight) of each context frame."""
FRAME_STEP = 4
"""Every so many frames take part in the transport."""
ENTROPY_WEIGHT = 0.025
"""Weight of the entropy, relative to the mean cost between two target frames."""
SINKHORN_ITERATIONS = 20
FIRST_SOURCE_WEIGHT = 0.5
DECAY_START, DECAY_STOP = 1 / 3, 2 / 3
"""Fractions of the training budget between which the weight of the source frames falls to 0."""


class OptimalTransportLoss(nn.Module):
    """Mean squared distance of converted frames to their targets under entropic optimal transport.

    A discriminator alone accepts any permutation of sounds that has the target's distribution. Entropic optimal
    transport (Cuturi 2013, arXiv:1306.0895) assigns the converted and the target frames to each other jointly, at
    minimal cost, where every target frame has the same weight. Nearest neighbors would instead assign one speaker's [s]
    to the other's [sh] if that is closer. The target of a frame is the barycenter of the frames it is assigned to.
    Frames are compared together with their context, so that neighboring sounds identify a sound. The loss assumes that
    both speakers say the same sounds equally often, which holds over minutes of speech.

    The assignment is repeated as the generator learns (as in INCA: Erro, Moreno and Bonafonte 2010, IEEE TASLP 18:5).
    It is solved each time `solve_every` converted frames are collected, against the last `size` target frames. In
    between, new frames x are assigned with the dual potentials v of the target frames y: the weights are the softmax
    over y of v(y) - c(x, y).

    Args:
        size: Number of target frames in the pool.
        solve_every: Number of converted frames between two solutions.
    """

    def __init__(self, size: int = 4096, solve_every: int = 2048) -> None:
        super().__init__()
        self.real, self.fake = TensorPool(size), TensorPool(solve_every)
        self.support = TensorPool(size)
        """Target frames with context, each with its dual potential as the last column."""
        self._costs: TransportCost | None = None  # of the support; a cache, not saved

    def forward(self, fake: Tensor, source: Tensor, real: Tensor, source_weight: float = 0.0) -> Tensor:
        """Return the loss of `fake`, which was converted from `source`, and store its frames and those of `real`.

        `real` are items of the target. `source_weight` in [0, 1] is the weight of the source frames, interpolated with
        the converted frames, in the assignment. All are (B, 1, Q, T). The result is a scalar, and NaN if no finite
        converted frame was stored yet.
        """
        with torch.no_grad(), torch.autocast(fake.device.type, enabled=False):
            fake_context = stack_context(fake.lerp(source.to(fake), source_weight))
            self.real.store(drop_nonfinite_rows(stack_context(real)))
            self.fake.store(drop_nonfinite_rows(fake_context))
            targets = self._transport_targets(fake_context, fake.shape[2])
        return (select_frames(fake, 0).to(targets.dtype) - targets).square().mean()

    def _transport_targets(self, fake_context: Tensor, coefficients: int) -> Tensor:
        """Return the target frames (N, Q) for the converted frames with context (N, 5 Q)."""
        num_fake = int(self.fake.count)
        if num_fake >= self.fake.size or (num_fake and not len(self.support.rows)):
            self._solve_potentials()
        if not len(self.support.rows):  # no finite converted frame so far
            return torch.full_like(select_center_frame(fake_context, coefficients), torch.nan)
        support, potential = self.support.rows[:, :-1], self.support.rows[:, -1]
        if self._costs is None:
            self._costs = TransportCost(support)
        return torch.softmax(potential - self._costs(fake_context), 1) @ select_center_frame(support, coefficients)

    def _solve_potentials(self) -> None:
        """Solve the transport between the pools, store the potentials, and clear the pool of converted frames."""
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
    """One `OptimalTransportLoss` per label, for items that have exactly one of `num_labels` labels."""

    def __init__(self, num_labels: int) -> None:
        super().__init__()
        self.per_label = nn.ModuleList(OptimalTransportLoss() for _ in range(num_labels))

    def forward(
        self, fake: Tensor, target_label: Tensor, source: Tensor, source_label: Tensor, source_weight: float = 0.0
    ) -> Tensor:
        """Return the mean loss over the items `fake`, converted to `target_label` from the real items `source`.

        `fake` and `source` are (B, 1, Q, T), both labels (B, num_labels). The real items with a label are its target
        frames; `source_weight` is as in `OptimalTransportLoss`.
        """
        losses = []
        for i, transport in enumerate(self.per_label):
            fake_mask, real_mask = target_label[:, i] > 0, source_label[:, i] > 0
            if fake_mask.any() and (real_mask.any() or transport.get_buffer("real.count") > 0):
                loss = transport(fake[fake_mask], source[fake_mask], source[real_mask], source_weight)
                losses.append(loss * fake_mask.sum() / len(fake))
        return torch.stack(losses).sum()


class TransportCost:
    """Squared distances to vectors `y` (M, P), divided by the weight of the entropy; the terms of `y` are cached."""

    def __init__(self, y: Tensor) -> None:
        self._weight = (ENTROPY_WEIGHT * 2 * y.var(0, correction=0).sum()).clamp_min(torch.finfo(y.dtype).eps)
        # The squared norms are two more columns of one matrix product, which saves further passes over (N, M).
        self._right = torch.cat((y, torch.ones_like(y[:, :1]), y.square().sum(1, keepdim=True)), 1).T

    def __call__(self, x: Tensor) -> Tensor:
        """Return the costs (N, M) of the vectors `x` (N, P)."""
        left = torch.cat((-2 * x, x.square().sum(1, keepdim=True), torch.ones_like(x[:, :1])), 1) / self._weight
        return left @ self._right


def compute_source_weight(budget_fraction: float) -> float:
    """Return the weight of the source frames in the assignment, for generators that do not start as the identity.

    It is 0.5, and 0 after a linear decay in the middle third of the budget. The first outputs are noise, which would be
    assigned at random. Once the generator converts, source frames only exchange sounds that it tells apart.
    """
    progress = (budget_fraction - DECAY_START) / (DECAY_STOP - DECAY_START)
    return FIRST_SOURCE_WEIGHT * (1 - min(1.0, max(0.0, progress)))


def sum_transport_losses(
    losses: Iterable[nn.Module], fakes: tuple[Tensor, Tensor], items: tuple[Tensor, Tensor], budget_fraction: float
) -> Tensor:
    """Return the sum of the losses of both directions, with the weight of `compute_source_weight`.

    The first of `losses`, `fakes` and `items` is that of one domain, the second that of the other. A fake of one domain
    was converted from the item of the other. Fakes and items are (B, 1, Q, T).
    """
    (loss_x, loss_y), (fake_x, fake_y), (x, y) = losses, fakes, items
    source_weight = compute_source_weight(budget_fraction)
    total: Tensor = loss_x(fake_x, y, x, source_weight) + loss_y(fake_y, x, y, source_weight)
    return total


def sinkhorn_potentials(costs: Tensor) -> Tensor:
    """Return the dual potentials (M,) of the columns, for costs (N, M) divided by the weight of the entropy.

    Rows have equal weights, and columns have equal weights.
    """
    # Subtracting each row's minimum, which its own potential absorbs, keeps the kernel within the float range.
    kernel = (costs.amin(1, keepdim=True) - costs).clamp_(min=-60).exp_()
    scaling_y = torch.ones_like(kernel[0])
    for _ in range(SINKHORN_ITERATIONS):
        scaling_x = 1 / (kernel @ scaling_y)
        scaling_y = len(costs) / costs.shape[1] / (scaling_x @ kernel)
    return scaling_y.log()


def select_frames(x: Tensor, shift: int) -> Tensor:
    """Return every fourth frame of (B, 1, Q, T), `shift` frames later: (N, Q). Beyond an end the last frame repeats."""
    indices = (torch.arange(0, x.shape[-1], FRAME_STEP, device=x.device) + shift).clamp(0, x.shape[-1] - 1)
    return x[:, 0, :, indices].transpose(1, 2).flatten(0, 1)


def stack_context(x: Tensor) -> Tensor:
    """Return every fourth frame of (B, 1, Q, T) with its weighted context frames: (N, 5 Q), in float32 or wider."""
    context = torch.cat([weight * select_frames(x, shift) for shift, weight in CONTEXT_FRAMES], 1)
    return context.to(torch.promote_types(context.dtype, torch.float32))


def drop_nonfinite_rows(rows: Tensor) -> Tensor:
    """Return the rows whose entries are all finite, so that an overflow in half precision does not enter a pool."""
    return rows[rows.isfinite().all(1)]


def select_center_frame(context: Tensor, coefficients: int) -> Tensor:
    """Return the center frame (N, Q) of frames with context (N, 5 Q)."""
    center = next(i for i, (shift, _) in enumerate(CONTEXT_FRAMES) if shift == 0)
    return context[:, center * coefficients : (center + 1) * coefficients]
