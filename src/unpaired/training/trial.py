"""A few steps on trial, before a run begins: which precision is fastest here, and what a step costs."""

from __future__ import annotations

import copy

import torch
import yaml

from unpaired.data.batches import Batches
from unpaired.methods.game import Method, Now
from unpaired.networks.blocks import count_parameters
from unpaired.runs.config import RunConfig
from unpaired.terminal import Say
from unpaired.training.loop import Loop
from unpaired.training.precision import Precision, probe, timed
from unpaired.training.ranks import Ranks

STEPS = 6
"""Consecutive steps that are timed: in some methods a player moves in every second or third alone."""


def probe_precision(config: RunConfig, method: Method, batches: Batches, ranks: Ranks, say: Say) -> RunConfig:
    """The configuration with the precision that a short probe of this device found fastest; nothing else changes."""
    batch = device_batch(config, batches, method)
    loops: dict[Precision, Loop] = {}

    def step(precision: Precision) -> None:
        if precision not in loops:
            loops.clear()
            loops[precision] = Loop(copy.deepcopy(method), ranks, precision)
        loops[precision].step([batch], Now(0, 0.0))

    say("precision: to be chosen by a few steps of each")
    chosen, words = probe(step, next(method.parameters()).device, agreed=ranks.share)
    chosen, words = ranks.share((chosen, words))
    say(f"precision: {words}")
    return config.model_copy(update={"training": config.training.model_copy(update={"precision": chosen})})


def device_batch(config: RunConfig, batches: Batches, method: Method) -> dict[str, torch.Tensor]:
    """One micro-batch on the method's device."""
    shards = config.training.accumulate * config.training.devices * config.training.nodes
    device = next(method.parameters()).device
    return {key: x.to(device) for key, x in batches.batch(0, 0, shards, config.training.batch).items()}


def dry_run_text(config: RunConfig, method: Method, batches: Batches, ranks: Ranks) -> str:
    """The resolved configuration, the networks with their sizes, and the cost of a step."""
    batch = device_batch(config, batches, method)
    loop = Loop(copy.deepcopy(method), ranks, config.training.precision)  # type: ignore[arg-type]
    device = next(method.parameters()).device

    steps = iter(range(1 + STEPS))

    def step(_: Precision) -> None:
        loop.step([batch], Now(next(steps), 0.0))

    timed(step, "fp32", device)  # the first is slower
    seconds = sum(timed(step, "fp32", device) for _ in range(STEPS)) / STEPS * config.training.accumulate
    rows = [f"  {role:<12}{count_parameters(net):>12,} parameters" for role, net in roles(method)]
    budget = config.training
    total = (
        f"{budget.steps} steps: about {budget.steps * seconds / 60:.0f} minutes"
        if budget.steps
        else f"{budget.minutes:g} minutes: about {60 * (budget.minutes or 0) / seconds:.0f} steps"
    )
    return "\n".join(
        [
            yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
            "networks:",
            *rows,
            f"a step takes {seconds * 1000:.0f} ms here ({config.training.precision}); {total}",
        ]
    )


def roles(method: Method) -> list[tuple[str, torch.nn.Module]]:
    """Every role by its name, in the players' order."""
    names = dict.fromkeys(role for player in method.players.values() for role in player.roles)
    return [(name, method.get_submodule(name)) for name in names]
