"""Record which parameters get gradients in a training step, and which ones change."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unpaired.methods.base import Batch, Method, StepContext, Turn, Turns
from unpaired.training.loop import TrainingLoop


class GradientRecorder:
    """Records, over the steps of a loop, the parameters with a gradient whenever an optimizer steps.

    `owned` are the parameters of all players, `reached` those that had a gradient in a turn of their own player,
    `foreign` those that had one in another turn, and `changed` those that a step of another player's optimizer changed.
    `played` are the players that had a turn.
    """

    def __init__(self, method: Method, loop: TrainingLoop) -> None:
        """Record the steps of `loop`, which trains `method`."""
        self.method = method
        self._names = {id(p): name for name, p in method.named_parameters()}
        self._owner = {id(p): player for player, seat in loop.optimizers.items() for p in seat.parameters}
        self._playing: tuple[str, ...] = ()
        self._before: dict[str, Tensor] = {}
        self.owned = {self._names[key] for key in self._owner}
        self.reached: set[str] = set()
        self.foreign: set[str] = set()
        self.changed: set[str] = set()
        self.played: set[str] = set()
        self._record_turns()
        for player, seat in loop.optimizers.items():
            seat.optimizer.register_step_pre_hook(lambda *_: self._record_gradients())
            seat.optimizer.register_step_post_hook(lambda *_, player=player: self._record_changes(player))

    def _record_turns(self) -> None:
        original = self.method.play

        def play(batch: Batch, context: StepContext) -> Iterator[Turns]:
            for move in original(batch, context):
                turns = [move] if isinstance(move, Turn) else move
                self._playing = tuple(player for turn in turns for player in turn.players)
                self.played.update(self._playing)
                yield move

        self.method.play = play  # type: ignore[method-assign]

    def _record_gradients(self) -> None:
        for parameter in self.method.parameters():
            if parameter.grad is not None:
                found = self.reached if self._owner.get(id(parameter)) in self._playing else self.foreign
                found.add(self._names[id(parameter)])
        self._before = {name: p.detach().clone() for name, p in self.method.named_parameters()}

    def _record_changes(self, player: str) -> None:
        for name, parameter in self.method.named_parameters():
            if self._owner.get(id(parameter)) != player and not torch.equal(parameter, self._before[name]):
                self.changed.add(name)
