"""Checks of one small method; each raises AssertionError with what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from unpaired.methods.base import Batch, FrozenNetwork, Method, StepContext
from unpaired.routes import Route
from unpaired.testing.gradients import GradientRecorder
from unpaired.testing.tiny_methods import create_loop

_TOLERANCE = 1e-12
_TRIES = 10


def check_players(method: Method) -> None:
    """Check that each role is a network of one player, and that each trainable parameter belongs to one player."""
    roles = Counter(role for player in method.players.values() for role in player.roles)
    _require_none("roles of two players", [role for role, count in roles.items() if count > 1])
    _require_none("roles of players that are no networks of the method", roles.keys() - dict(method.named_children()))
    owners = Counter(id(p) for seat in create_loop(method).optimizers.values() for p in seat.parameters)
    frozen = {id(p) for part in method.modules() if isinstance(part, FrozenNetwork) for p in part.parameters()}
    names = {id(p): name for name, p in method.named_parameters()}
    _require_none("parameters of two players", [names[key] for key, count in owners.items() if count > 1])
    _require_none("parameters of no player", [name for key, name in names.items() if key not in owners.keys() | frozen])
    _require_none("parameters of a frozen network that a player has", [names[key] for key in owners.keys() & frozen])


def check_training(method: Method, batches: Sequence[Batch]) -> set[str]:
    """Train a step on each batch and check gradients and losses; returns the names of `loss_weights` that were used.

    Each player must have a turn, each of its parameters must get a gradient in it, and no other parameter may get one
    or change. Losses must be finite scalars, and `loss_weights` must name those that turns yield.
    """
    loop = create_loop(method)
    recorder = GradientRecorder(method, loop)
    used: set[str] = set()
    for step, batch in enumerate(batches):
        losses = loop.step([batch], StepContext(step, step / len(batches)))
        for name, value in losses.items():
            _require(value.shape == () and bool(value.isfinite()), f"loss {name} is no finite scalar: {value}")
            used.add(name if name in method.loss_weights else name.split(".")[1])
    _require_none("players without a turn", method.players.keys() - recorder.played)
    _require_none("parameters of a player without a gradient in its turns", recorder.owned - recorder.reached)
    _require_none("parameters with a gradient in another player's turn", recorder.foreign)
    _require_none("parameters that another player's step changed", recorder.changed)
    kept = [name for name, parameter in method.named_parameters() if parameter.grad is not None]
    _require_none("parameters with a gradient after the step", kept)
    _require_none("losses that loss_weights does not name", used - method.loss_weights.keys())
    return used


def check_translation(method: Method, x: Tensor, max_value: float | None = 1.0) -> None:
    """Check that each route keeps the shape, dtype and range of items and translates each item by itself.

    `x` (B, C, H, W) are at least two items. `max_value` bounds the outputs; None: they have no bounds.
    """
    method.eval()
    _require(bool(method.routes), "the method has no routes")
    with torch.no_grad():
        for route in method.routes:
            y, name = method.translate(x, route.source, route.target), f"route {route.source} to {route.target}"
            _require(y.shape == x.shape, f"{name}: shape {tuple(y.shape)} for an input of {tuple(x.shape)}")
            _require(y.dtype == x.dtype, f"{name}: {y.dtype} for an input of {x.dtype}")
            _require(max_value is None or bool(y.abs().max() <= max_value), f"{name}: values beyond +-{max_value}")
            again = method.translate(x, route.source, route.target)
            _require(torch.equal(again, y), f"{name}: the same input has another translation the second time")
            alone = method.translate(x[1:2], route.source, route.target)
            same = torch.allclose(alone, y[1:2], rtol=0, atol=_TOLERANCE)
            _require(same, f"{name}: the translation of an item depends on the other items of its batch")
            _require(not torch.equal(y, x), f"{name}: the translation is the input")


def check_routes(method: Method, x: Tensor) -> None:
    """Check that each route names the networks it needs, and no other. Changes the weights of the method."""
    method.eval()
    networks = dict(method.named_children())
    with torch.no_grad():
        for route in method.routes:
            name = f"route {route.source} to {route.target}"
            _require_none(f"{name}: roles that are no networks of the method", set(route.roles) - networks.keys())
            before = method.translate(x, route.source, route.target)
            change_other_weights(method, route)
            same = torch.equal(method.translate(x, route.source, route.target), before)
            _require(same, f"{name} needs more networks than its roles {', '.join(route.roles)}")
            for role in route.roles:
                used = _depends_on(method, role, route, x, before)
                _require(used, f"{name} does not need its role {role}")


def change_other_weights(method: Method, route: Route) -> None:
    """Change every parameter that is in none of the route's roles."""
    needed = {id(p) for role in route.roles for p in method.get_submodule(role).parameters()}
    for parameter in method.parameters():
        if id(parameter) not in needed:
            parameter.add_(1)


def _depends_on(method: Method, role: str, route: Route, x: Tensor, before: Tensor) -> bool:
    """Return whether other weights of a role change the translation; a decision needs several tries to change."""
    parameters = list(method.get_submodule(role).parameters())
    saved = [parameter.clone() for parameter in parameters]
    generator = torch.Generator().manual_seed(0)
    for _ in range(_TRIES):
        for parameter in parameters:
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        after = method.translate(x, route.source, route.target)
        for parameter, value in zip(parameters, saved, strict=True):
            parameter.copy_(value)
        if not torch.equal(after, before):
            return True
    return False


def _require(condition: bool, fault: str) -> None:
    if not condition:
        raise AssertionError(fault)


def _require_none(fault: str, names: Iterable[str]) -> None:
    _require(not (found := sorted(names)), f"{fault}: {', '.join(found)}")
