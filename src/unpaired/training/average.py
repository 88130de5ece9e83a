"""The running average of the translating roles, which is what translation uses."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch

from unpaired.methods.game import Frozen, Method


@dataclass
class Averages:
    """Running average of a method's translators (Karras et al. 2018): GAN weights oscillate, their average does not.

    The copy is of the whole method at once, so that shared layers stay shared. A role that did not move keeps its
    average. The effective decay is `min(decay, (1 + n) / (10 + n))` after n moves, so that the start is forgotten.
    """

    method: Method
    decay: float
    moves: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, method: Method, decay: float) -> Averages:
        """Start from a copy of `method` as it stands."""
        twin = copy.deepcopy(method).requires_grad_(False).eval()
        moving = [role for role in method.translators if not isinstance(method.get_submodule(role), Frozen)]
        return cls(twin, decay, dict.fromkeys(moving, 0))

    @torch.no_grad()
    def follow(self, method: Method, moved: set[str]) -> None:
        """Take one step of the average for each translator among the `moved` roles; buffers are copied."""
        seen: set[int] = set()
        for role in self.moves:
            if role not in moved:
                continue
            n = self.moves[role]
            self.moves[role] = n + 1
            decay = min(self.decay, (1 + n) / (10 + n))
            ours, theirs = [], []
            own, live = self.method.get_submodule(role), method.get_submodule(role)
            for mine, its in zip(own.parameters(), live.parameters(), strict=True):
                if id(mine) not in seen:
                    seen.add(id(mine))
                    ours.append(mine.data)
                    theirs.append(its.data)
            if ours:
                torch._foreach_lerp_(ours, theirs, 1 - decay)
            for kept, new in zip(own.buffers(), live.buffers(), strict=True):
                kept.copy_(new)
