"""The temporal consistency loss in every method of pictures: which players train on it, its value and its refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_contract import VARIANTS
from tiny_methods import IMAGE_METHODS, build
from torch import Tensor

from unpaired.methods.base import Method, StepContext, Turn
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.methods.temporal import TemporalLoss
from unpaired.methods.translation_losses import play_with_translation_losses
from unpaired.testing.gradients import GradientRecorder
from unpaired.testing.tiny_methods import create_batches, create_loop

TRANSLATING = [(name, settings) for name, settings in VARIANTS if not IMAGE_METHODS[name].cls.export_refusal]
"""Variants whose translation is a forward pass."""
BUDGET = 0.5


def turns_of(method: Method, step: int) -> list[Turn]:
    batch = create_batches(method, 1)[0]
    moves = play_with_translation_losses(method, batch, StepContext(step, BUDGET))
    return [turn for move in moves for turn in ([move] if isinstance(move, Turn) else move)]


def translating_players(method: Method) -> set[str]:
    """Return the players with a role of a route that is no discriminator's."""
    roles = set(method.translation_roles)
    if isinstance(method, LabelConditionedMethod):
        roles = set(method.translating_roles)
    return {name for name, player in method.players.items() if roles & set(player.roles)}


@pytest.mark.parametrize(("name", "settings"), TRANSLATING)
def test_all_players_that_translate_get_the_loss_and_no_other(name: str, settings: dict[str, Any]) -> None:
    method = build(name, **settings)
    method.translation_losses = (TemporalLoss(2.0),)
    turns = [turn for step in range(2) for turn in turns_of(method, step)]
    with_loss = {player for turn in turns if "temporal" in turn.losses for player in turn.players}
    seen = {player for turn in turns for player in turn.players}
    assert with_loss == translating_players(method) & seen and with_loss
    for turn in turns:
        if "temporal" in turn.losses:
            assert (
                0 < turn.losses["temporal"].item() < 4
                and method.loss_weight(turn.players[0], "temporal", StepContext(0, 0)) == 2
            )


@pytest.mark.parametrize("name", sorted({name for name, _ in TRANSLATING}))
def test_loss_alone_reaches_only_parameters_of_translating_roles(name: str) -> None:
    method = build(name)
    method.translation_losses = (TemporalLoss(1.0),)
    turn = next(turn for step in range(2) for turn in turns_of(method, step) if "temporal" in turn.losses)
    parameters = dict(method.named_parameters())
    trained = {n: p for n, p in parameters.items() if p.requires_grad}
    gradients = torch.autograd.grad(turn.losses["temporal"], list(trained.values()), allow_unused=True)
    reached = {n.split(".")[0] for n, g in zip(trained, gradients, strict=True) if g is not None}
    roles = {role for player in translating_players(method) for role in method.players[player].roles}
    assert reached and reached <= roles


@pytest.mark.parametrize("name", sorted({name for name, _ in TRANSLATING}))
def test_training_with_the_loss_keeps_the_contract_of_gradients(name: str) -> None:
    method = build(name)
    method.translation_losses = (TemporalLoss(1.0),)
    loop = create_loop(method)
    recorder = GradientRecorder(method, loop)
    for step, batch in enumerate(create_batches(method, 2)):
        losses = loop.step([batch], StepContext(step, 0.0))
        assert all(value.isfinite() for value in losses.values())
    assert recorder.reached == recorder.owned and not recorder.foreign and not recorder.changed


def test_training_lowers_the_loss() -> None:
    def temporal(weight: float) -> float:
        method = build("gan", depth=None)
        method.translation_losses = (TemporalLoss(weight),)
        loop = create_loop(method)
        for step, batch in enumerate(create_batches(method, 1) * 12):
            loop.step([batch], StepContext(step, 0.0))
        method.translation_losses = (TemporalLoss(1.0),)
        torch.manual_seed(0)
        losses: list[Tensor] = [turn.losses["temporal"] for turn in turns_of(method, 0) if "temporal" in turn.losses]
        return losses[0].item()

    assert temporal(1000.0) < 0.8 * temporal(0.0)
