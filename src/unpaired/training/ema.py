"""Exponential moving average (EMA) of the translating roles, which translation uses."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from unpaired.methods.base import FrozenNetwork, Method


@dataclass
class ExponentialMovingAverage:
    """EMA of a method's translating roles (Karras et al. 2018), which reduces the oscillation of GAN weights.

    The whole method is copied at once, so that shared layers remain shared. The effective decay after n updates is
    `min(decay, (1 + n) / (10 + n))`, so that the initial weights fade quickly.
    """

    method: Method
    decay: float
    update_counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_method(cls, method: Method, decay: float) -> ExponentialMovingAverage:
        """Create an EMA that starts with a copy of the current weights of `method`."""
        ema_method = copy.deepcopy(method).requires_grad_(False).eval()
        ema_roles = [
            role for role in method.translation_roles if not isinstance(method.get_submodule(role), FrozenNetwork)
        ]
        return cls(ema_method, decay, dict.fromkeys(ema_roles, 0))

    @torch.no_grad()
    def copy_to(self, method: Method, roles: Iterable[str]) -> None:
        """Set roles of `method` to their EMA, parameters and buffers."""
        for role in roles:
            ema_tensors, live_tensors = (
                m.get_submodule(role).state_dict(keep_vars=True) for m in (self.method, method)
            )
            for name, tensor in live_tensors.items():
                tensor.copy_(ema_tensors[name])

    @torch.no_grad()
    def update(self, method: Method, updated_roles: set[str]) -> None:
        """Update the EMA of each translating role in `updated_roles`; buffers are copied without averaging."""
        updated_ids: set[int] = set()
        for role in self.update_counts:
            if role not in updated_roles:
                continue
            n = self.update_counts[role]
            self.update_counts[role] = n + 1
            decay = min(self.decay, (1 + n) / (10 + n))
            ema_parameters, live_parameters = [], []
            ema_role, live_role = self.method.get_submodule(role), method.get_submodule(role)
            for ema_parameter, live_parameter in zip(ema_role.parameters(), live_role.parameters(), strict=True):
                if live_parameter.requires_grad and id(ema_parameter) not in updated_ids:
                    updated_ids.add(id(ema_parameter))
                    ema_parameters.append(ema_parameter.data)
                    live_parameters.append(live_parameter.data)
            if ema_parameters:
                torch._foreach_lerp_(ema_parameters, live_parameters, 1 - decay)
            for ema_buffer, live_buffer in zip(ema_role.buffers(), live_role.buffers(), strict=True):
                ema_buffer.copy_(live_buffer)
