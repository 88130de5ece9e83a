"""Where the frames of voices should go: to the target's frames that are nearest to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unpaired.networks.memory import Memory

AROUND = ((-8, 0.5), (-4, 0.7), (0, 1.0), (4, 0.7), (8, 0.5))
"""What is compared of a place: frames around it, by their distance in frames, and how much they weigh."""
EVERY = 2
NEAREST = 3


class Neighbours(Memory):
    """A memory of a domain's frames, and how far frames of others are from those that are nearest to them.

    The search is Erro, Moreno and Bonafonte's (2010, IEEE TASLP 18:5, INCA): source frames are paired with the nearest
    of the target, a conversion learns from the pairs, and what it converts is paired anew. Here every step does so,
    with the generator as the conversion. A critic alone takes any exchange of sounds for a solution that has the
    target's distribution; the nearest frames are mostly those of the same sound.

    Differs: places are compared with what is around them, so that a sound is known by its neighbours too; targets are
    means of the three nearest; pairs are looked for from the source's side alone, among the last `size` frames seen.
    """

    def __init__(self, size: int = 5120) -> None:
        super().__init__(size)

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """Remember `real` (B, 1, Q, T); the mean square by which `made` (B, 1, Q, T) misses its nearest frames."""
        with torch.no_grad(), torch.autocast(made.device.type, enabled=False):
            self._remember(places(real))
            known = self.memory[: min(int(self.count), self.size)]
            far = torch.addmm(known.square().sum(1)[None], places(made).to(known.dtype), known.T, alpha=-2)
            nearest = known[far.topk(min(NEAREST, len(known)), largest=False).indices].mean(1)
        own = frames(made, 0).to(known.dtype)
        return (own - middle(nearest, own.shape[1])).square().mean()

    def _remember(self, found: Tensor) -> None:
        found = found[-self.size :].to(torch.promote_types(found.dtype, torch.float32))
        if not len(found):
            return
        if self.memory.numel() == 0:
            self.memory = found.new_zeros(self.size, found.shape[1])
        at = (int(self.count) + torch.arange(len(found), device=found.device)) % self.size
        self.memory[at] = found
        self.count += len(found)


class LabelledNeighbours(nn.Module):
    """`Neighbours` of each of the `labels`, one of which an item has."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.of = nn.ModuleList(Neighbours() for _ in range(labels))

    def forward(self, made: Tensor, wanted: Tensor, real: Tensor, label: Tensor) -> Tensor:
        """The mean over the items `made` with labels `wanted` (B, L); `real` with `label` are remembered by theirs."""
        found = []
        for i, near in enumerate(self.of):
            ours, theirs = wanted[:, i] > 0, label[:, i] > 0
            if ours.any() and (theirs.any() or near.get_buffer("count") > 0):
                found.append(near(made[ours], real[theirs]) * ours.sum() / len(made))
        return torch.stack(found).sum()


def frames(x: Tensor, shift: int) -> Tensor:
    """Every second frame of (B, 1, Q, T), or that `shift` frames later (the last again beyond an end): (N, Q)."""
    at = (torch.arange(0, x.shape[-1], EVERY, device=x.device) + shift).clamp(0, x.shape[-1] - 1)
    return x[:, 0, :, at].transpose(1, 2).flatten(0, 1)


def places(x: Tensor) -> Tensor:
    """(B, 1, Q, T) -> (N, 5 Q): every second frame with those around it, weighed."""
    return torch.cat([weight * frames(x, shift) for shift, weight in AROUND], 1)


def middle(found: Tensor, coefficients: int) -> Tensor:
    """The frame itself of places (N, 5 Q): (N, Q)."""
    at = next(i for i, (shift, _) in enumerate(AROUND) if shift == 0)
    return found[:, at * coefficients : (at + 1) * coefficients]
