"""The one loop: it asks a method to play and makes the moves that it yields. It names no method."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from unpaired.errors import WorkError
from unpaired.methods.game import Batch, Method, Move, Now, Turn
from unpaired.training.average import Averages
from unpaired.training.players import Seat
from unpaired.training.precision import Precision, autocast, scaler_for
from unpaired.training.ranks import Ranks


def stream_seed(seed: int, step: int, shard: int) -> int:
    """The seed of everything that a play draws: a function of (seed, step, shard), so no random state is saved."""
    text = f"{seed}/{step}/{shard}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


class Play:
    """One micro-batch's play in progress, with its own stream of randomness."""

    def __init__(self, method: Method, batch: Batch, now: Now, seed: int, alone: bool) -> None:
        self.batch = batch
        self.turns: Iterator[Move] = iter(method.play(batch, now))
        torch.manual_seed(seed)
        self.states = [] if alone else random_states(next(iter(batch.values())).device)

    def next(self, precision: Precision, device: torch.device) -> list[Turn] | None:
        """The next turns to be made simultaneously, or None at the end.

        Every move enters autocast anew, and modes that a method leaves behind are refused.
        """
        if self.states:
            set_random_states(self.states, device)
        with autocast(precision, device):
            move = next(self.turns, None)
        if self.states:
            self.states = random_states(device)
        if torch.is_autocast_enabled(device.type) or not torch.is_grad_enabled():
            raise RuntimeError("the method yielded inside autocast or no_grad, which leaks that mode into the loop")
        if any(x.requires_grad for x in self.batch.values()):
            raise RuntimeError("the method set requires_grad on its batch; penalties must take a detached copy")
        if move is None:
            return None
        return [move] if isinstance(move, Turn) else move


def random_states(device: torch.device) -> list[Tensor]:
    """The state of the CPU's random numbers, and of the device's own where it is a GPU."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def set_random_states(states: list[Tensor], device: torch.device) -> None:
    """Go on from what `random_states` gave."""
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)


class Loop:
    """Moves a method's players. `step` makes one step of training from micro-batches of this rank.

    For each turn: the sum of weight x term, its gradient with respect to the turn's own players (which is all that
    says who learns), the mean over micro-batches and ranks, unscaling, clipping, the optimizers' steps, the averages.
    """

    def __init__(
        self, method: Method, ranks: Ranks, precision: Precision = "fp32", average: float = 0.999, seed: int = 0
    ) -> None:
        self.method = method
        self.ranks = ranks
        self.device = next(method.parameters()).device
        self.precision: Precision = precision
        self.seed = seed
        self.seats = {name: Seat(method, player) for name, player in method.players.items()}
        self.averages = Averages.of(method, average)
        self.scalers: dict[str, torch.amp.GradScaler] = {}

    def step(self, batches: Sequence[Batch], now: Now, factor: float = 1.0) -> dict[str, Tensor]:
        """Make one step; returns each term as `player.term`, the mean over this rank's micro-batches, on the device.

        `batches` are this rank's micro-batches (`(B, C, H, W)` per domain key); `factor` scales every player's rate.
        """
        for seat in self.seats.values():
            seat.set_rate(factor)
        count = len(batches)
        first = self.ranks.index * count
        alone = count == 1
        self.method.train()
        plays = [
            Play(self.method, batch, now, stream_seed(self.seed, now.step, first + i), alone)
            for i, batch in enumerate(batches)
        ]
        terms: dict[str, Tensor] = {}
        while True:
            moves: list[list[Turn] | None] = []
            for play in plays:
                turns = play.next(self.precision, self.device)
                moves.append(turns)
                if turns is not None:
                    self._backward(turns, now, count, terms)
            if any(names(turns) != names(moves[0]) for turns in moves):
                raise RuntimeError("micro-batches made different moves; who moves may depend on `now` alone")
            if moves[0] is None:
                return terms
            self._move(moves[0])

    def _backward(self, turns: list[Turn], now: Now, count: int, terms: dict[str, Tensor]) -> None:
        """Add to the gradients of each turn's own players."""
        scaler = self._scaler(turns)
        for i, turn in enumerate(turns):
            parameters = [p for player in turn.players for p in self.seats[player].parameters]
            losses = []
            for name, term in turn.terms.items():
                key = f"{turn.players[0]}.{name}"
                terms[key] = terms.get(key, 0) + term.detach() / count
                losses.append(self.method.weight(turn.players[0], name, now) * term)
            loss = torch.stack(losses).sum() / count
            if scaler is not None:
                loss = scaler.scale(loss)
            torch.autograd.backward(loss, inputs=parameters, retain_graph=i + 1 < len(turns))

    def _move(self, turns: list[Turn]) -> None:
        """Step the optimizers of all players of these turns, and follow with the averages."""
        seats = [self.seats[player] for turn in turns for player in turn.players]
        for seat in seats:
            self.ranks.average_gradients(seat.parameters)
        seats = [seat for seat in seats if seat.moved()]  # a scaler refuses an optimizer without gradients
        moved = {role for seat in seats for role in seat.moved()}
        scaler = self._scaler(turns)
        for seat in seats:
            if scaler is not None:
                scaler.unscale_(seat.optimizer)
            seat.clip()
        for seat in seats:
            if scaler is not None:
                scaler.step(seat.optimizer)
            else:
                seat.optimizer.step()
            seat.after_step()
        if scaler is not None and seats:
            scaler.update()
        self.averages.follow(self.method, moved)

    def _scaler(self, turns: list[Turn]) -> torch.amp.GradScaler | None:
        key = "+".join(names(turns))
        if key not in self.scalers:
            scaler = scaler_for(self.precision, self.device)
            if scaler is None:
                return None
            self.scalers[key] = scaler
        return self.scalers[key]

    def tensors(self) -> dict[str, Tensor]:
        """The optimizers' states, as `optimizer/player/index.name`."""
        return {
            f"optimizer/{name}/{key}": tensor
            for name, seat in self.seats.items()
            for key, tensor in seat.tensors().items()
        }

    def load_optimizers(self, tensors: dict[str, Tensor], where: Path) -> None:
        """Load what `tensors` gave; raises WorkError naming `where` when it does not fit."""
        for name, seat in self.seats.items():
            prefix = f"optimizer/{name}/"
            seat.load({k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}, where)
        unknown = {k.split("/")[1] for k in tensors if k.startswith("optimizer/")} - self.seats.keys()
        if unknown:
            raise WorkError(f"{where}: player '{min(unknown)}' is not one of this run's method")


def names(turns: list[Turn] | None) -> list[str]:
    """The players of some turns, in order."""
    return [] if turns is None else [player for turn in turns for player in turn.players]
