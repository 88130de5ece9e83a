"""Optimizer of a player: its parameters, its step, and its state as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unpaired.errors import WorkError
from unpaired.methods.base import Method, Player


def build_optimizer(player: Player, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimizer that `player` specifies for `parameters`.

    Uses the fastest implementations (fused or foreach) that compute the same update.
    """
    if player.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=player.lr, weight_decay=player.weight_decay, foreach=True)
    if player.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=player.lr, weight_decay=player.weight_decay, fused=True)
    optimizer_class = torch.optim.AdamW if player.optimizer == "adamw" else torch.optim.Adam
    return optimizer_class(parameters, lr=player.lr, betas=player.betas, weight_decay=player.weight_decay, fused=True)


class PlayerOptimizer:
    """A player's trainable parameters and its optimizer.

    Parameters that do not require gradients (a frozen backbone) are excluded.
    """

    def __init__(self, method: Method, player: Player) -> None:
        self.player = player
        self.roles: dict[str, list[nn.Parameter]] = {}
        unique_parameters: dict[int, nn.Parameter] = {}
        for role in player.roles:
            self.roles[role] = [p for p in method.get_submodule(role).parameters() if p.requires_grad]
            unique_parameters |= {id(p): p for p in self.roles[role]}
        self.parameters = list(unique_parameters.values())
        self.optimizer = build_optimizer(player, self.parameters)

    def get_updated_roles(self) -> set[str]:
        """Return the roles that have a gradient now."""
        return {role for role, parameters in self.roles.items() if any(p.grad is not None for p in parameters)}

    def clip_gradients(self) -> None:
        """Clip the joint norm of the gradients if the player has `grad_clip`."""
        if self.player.grad_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.player.grad_clip)

    def finish_step(self) -> None:
        """Clip the weights, clear the gradients, and increment the weights' version counters for autograd.

        Fused optimizers do not increase the version counters with which autograd detects a graph from before the step.
        Without this, a method that reuses outdated scores would get wrong gradients without an error.
        """
        if self.player.weight_clip is not None:
            with torch.no_grad():
                for parameter in self.parameters:
                    parameter.clamp_(-self.player.weight_clip, self.player.weight_clip)
        torch.autograd.graph.increment_version(self.parameters)
        self.optimizer.zero_grad(set_to_none=True)

    def set_lr_factor(self, factor: float) -> None:
        """Set the learning rate to `factor` times the player's own."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.player.lr * factor

    def get_state(self) -> dict[str, Tensor]:
        """Return the optimizer's state as `index.name` -> tensor, in the order of the player's parameters."""
        state = self.optimizer.state_dict()["state"]
        return {f"{i}.{name}": value for i, entry in state.items() for name, value in entry.items()}

    def load_state(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        """Load the result of `get_state`; raises WorkError if it does not fit this player."""
        state: dict[int, dict[str, Any]] = {}
        for key, tensor in tensors.items():
            index, _, name = key.partition(".")
            state.setdefault(int(index), {})[name] = tensor
        for i, entry in state.items():
            if i >= len(self.parameters) or any(
                t.dim() and t.shape != self.parameters[i].shape for t in entry.values()
            ):
                raise WorkError(f"{path}: the optimizer's state does not fit the run's networks")
            state[i] = {
                name: copy_with_layout(self.parameters[i], t) if t.dim() else t.clone() for name, t in entry.items()
            }
        current = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": state, "param_groups": current["param_groups"]})


def copy_with_layout(parameter: Tensor, tensor: Tensor) -> Tensor:
    """Copy `tensor` to the memory layout of `parameter`, as fused optimizers pair both by memory position."""
    return torch.empty_like(parameter, requires_grad=False).copy_(tensor)
