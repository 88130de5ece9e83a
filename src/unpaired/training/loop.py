"""The training loop. It executes the turns that a method's `play` yields and does not depend on the method."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from unpaired.errors import WorkError
from unpaired.methods.base import Batch, Method, StepContext, Turn, Turns
from unpaired.methods.translation_losses import play_with_translation_losses
from unpaired.training.distributed import Distributed
from unpaired.training.ema import ExponentialMovingAverage
from unpaired.training.optimizers import PlayerOptimizer
from unpaired.training.precision import Precision, autocast, build_grad_scaler


def derive_seed(seed: int, step: int, micro_batch: int) -> int:
    """Return the seed of the random numbers of one micro-batch in one step.

    Because it depends only on its arguments, resuming needs no saved random state.
    """
    text = f"{seed}/{step}/{micro_batch}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


class Play:
    """Progress of one micro-batch's play, with its own random state."""

    def __init__(self, method: Method, batch: Batch, context: StepContext, seed: int, is_single: bool) -> None:
        self.batch = batch
        self.moves: Iterator[Turns] = iter(play_with_translation_losses(method, batch, context))
        torch.manual_seed(seed)
        self.rng_states = [] if is_single else get_rng_states(next(iter(batch.values())).device)

    def next_turns(self, precision: Precision, device: torch.device) -> list[Turn] | None:
        """Return the next simultaneous turns, or None at the end.

        Each call enters a new autocast context. Raises RuntimeError if the method yields inside autocast or no_grad,
        or changes its batch to require gradients.
        """
        if self.rng_states:
            set_rng_states(self.rng_states, device)
        with autocast(precision, device):
            move = next(self.moves, None)
        if self.rng_states:
            self.rng_states = get_rng_states(device)
        if torch.is_autocast_enabled(device.type) or not torch.is_grad_enabled():
            raise RuntimeError("the method yielded inside autocast or no_grad; that mode would stay on in the loop")
        if any(x.requires_grad for x in self.batch.values()):
            raise RuntimeError("the method set requires_grad on its batch; penalties must take a detached copy")
        if move is None:
            return None
        return [move] if isinstance(move, Turn) else move


def get_rng_states(device: torch.device) -> list[Tensor]:
    """Return the random state of the CPU, and that of the device if it is another one."""
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, torch.get_device_module(device).get_rng_state(device)]


def set_rng_states(rng_states: list[Tensor], device: torch.device) -> None:
    """Restore the random states that `get_rng_states` returned."""
    torch.set_rng_state(rng_states[0])
    if len(rng_states) > 1:
        torch.get_device_module(device).set_rng_state(rng_states[1], device)


class TrainingLoop:
    """Execute the turns of a method's players.

    For each turn: sum weight x loss, compute its gradient with respect to the turn's own players only, average it over
    micro-batches and ranks, unscale, clip, step the optimizers, and update the EMA.
    """

    def __init__(
        self,
        method: Method,
        distributed: Distributed,
        precision: Precision = "fp32",
        ema_decay: float = 0.999,
        seed: int = 0,
    ) -> None:
        self.method = method
        self.distributed = distributed
        self.device = next(method.parameters()).device
        self.precision: Precision = precision
        self.seed = seed
        self.optimizers = {name: PlayerOptimizer(method, player) for name, player in method.players.items()}
        self.ema = ExponentialMovingAverage.from_method(method, ema_decay)
        self.scalers: dict[str, torch.amp.GradScaler] = {}

    def step(self, batches: Sequence[Batch], context: StepContext, lr_factor: float = 1.0) -> dict[str, Tensor]:
        """Make one step; returns each loss as `player.loss`, averaged over this rank's micro-batches, as tensors.

        `batches` are this rank's micro-batches, (B, C, H, W) by domain key; `lr_factor` scales every player's learning
        rate.
        """
        for player_optimizer in self.optimizers.values():
            player_optimizer.set_lr_factor(lr_factor)
        micro_batch_count = len(batches)
        first_micro_batch = self.distributed.rank * micro_batch_count
        is_single = micro_batch_count == 1
        self.method.train()
        self.ema.copy_to(self.method, self.method.list_frozen_roles(context))
        plays = [
            Play(self.method, batch, context, derive_seed(self.seed, context.step, first_micro_batch + i), is_single)
            for i, batch in enumerate(batches)
        ]
        losses: dict[str, Tensor] = {}
        while True:
            moves: list[list[Turn] | None] = []
            for play in plays:
                turns = play.next_turns(self.precision, self.device)
                moves.append(turns)
                if turns is not None:
                    self._accumulate_gradients(turns, context, micro_batch_count, losses)
            if any(list_player_names(turns) != list_player_names(moves[0]) for turns in moves):
                raise RuntimeError(
                    "micro-batches made different turns; the players of a turn may depend only on the step's context"
                )
            if moves[0] is None:
                return losses
            self._step_optimizers(moves[0])

    def _accumulate_gradients(
        self, turns: list[Turn], context: StepContext, micro_batch_count: int, losses: dict[str, Tensor]
    ) -> None:
        """Add the gradients of each turn's losses to those of its own players."""
        scaler = self._get_scaler(turns)
        for i, turn in enumerate(turns):
            parameters = [p for player in turn.players for p in self.optimizers[player].parameters]
            weighted_losses = []
            for name, loss in turn.losses.items():
                key = f"{turn.players[0]}.{name}"
                losses[key] = losses.get(key, 0) + loss.detach() / micro_batch_count
                weighted_losses.append(self.method.loss_weight(turn.players[0], name, context) * loss)
            total_loss = torch.stack(weighted_losses).sum() / micro_batch_count
            if scaler is not None:
                total_loss = scaler.scale(total_loss)
            torch.autograd.backward(total_loss, inputs=parameters, retain_graph=i + 1 < len(turns))

    def _step_optimizers(self, turns: list[Turn]) -> None:
        """Step the optimizers of all players of these turns, then update the EMA."""
        player_optimizers = [self.optimizers[player] for turn in turns for player in turn.players]
        for player_optimizer in player_optimizers:
            self.distributed.average_gradients(player_optimizer.parameters)
        player_optimizers = [
            player_optimizer for player_optimizer in player_optimizers if player_optimizer.get_updated_roles()
        ]  # a GradScaler raises an error for an optimizer without gradients
        updated_roles = {
            role for player_optimizer in player_optimizers for role in player_optimizer.get_updated_roles()
        }
        scaler = self._get_scaler(turns)
        for player_optimizer in player_optimizers:
            if scaler is not None:
                scaler.unscale_(player_optimizer.optimizer)
            player_optimizer.clip_gradients()
        for player_optimizer in player_optimizers:
            if scaler is not None:
                scaler.step(player_optimizer.optimizer)
            else:
                player_optimizer.optimizer.step()
            player_optimizer.finish_step()
        if scaler is not None and player_optimizers:
            scaler.update()
        self.ema.update(self.method, updated_roles)

    def _get_scaler(self, turns: list[Turn]) -> torch.amp.GradScaler | None:
        key = "+".join(list_player_names(turns))
        if key not in self.scalers:
            scaler = build_grad_scaler(self.precision, self.device)
            if scaler is None:
                return None
            self.scalers[key] = scaler
        return self.scalers[key]

    def get_optimizer_state(self) -> dict[str, Tensor]:
        """Return the optimizers' states as `optimizer/player/index.name` -> tensor."""
        return {
            f"optimizer/{name}/{key}": tensor
            for name, player_optimizer in self.optimizers.items()
            for key, tensor in player_optimizer.get_state().items()
        }

    def load_optimizer_state(self, tensors: dict[str, Tensor], path: Path) -> None:
        """Load the result of `get_optimizer_state`; raises WorkError that names `path` if it does not fit."""
        for name, player_optimizer in self.optimizers.items():
            prefix = f"optimizer/{name}/"
            player_optimizer.load_state(
                {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}, path
            )
        unknown = {k.split("/")[1] for k in tensors if k.startswith("optimizer/")} - self.optimizers.keys()
        if unknown:
            raise WorkError(f"{path}: player '{min(unknown)}' does not exist in this run's method")


def list_player_names(turns: list[Turn] | None) -> list[str]:
    """Return the names of the players of some turns, in order."""
    return [] if turns is None else [player for turn in turns for player in turn.players]
