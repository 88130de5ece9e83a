"""Benchmark steps before training: choice of the fastest precision, and the time of a step for a dry run."""

from __future__ import annotations

import copy
import itertools
import math

import torch
import yaml

from unpaired.config.run_config import RunConfig
from unpaired.console import LogCallback
from unpaired.data.batches import BatchLoader
from unpaired.methods.base import Method, StepContext
from unpaired.parameters import count_parameters
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop
from unpaired.training.precision import BUSY_FACTOR, Precision, benchmark_precisions, measure_steps

TIMED_STEPS = 6
"""Minimum number of timed steps of a dry run."""
MAX_PERIOD_STEPS = 10
"""Maximum number of steps of a period that are timed."""


def choose_precision(
    config: RunConfig, method: Method, batches: BatchLoader, distributed: Distributed, log: LogCallback
) -> tuple[RunConfig, float]:
    """Return the configuration with the fastest precision on this device, and its seconds per step.

    Benchmarks copies of `method`, whose weights do not change. All ranks must call it.
    """
    batch = load_device_batch(config, batches, method)
    step_count = count_period_steps(method)
    steps = itertools.cycle(range(step_count))
    loops: dict[Precision, TrainingLoop] = {}

    def step(precision: Precision) -> None:
        if precision not in loops:
            loops[precision] = TrainingLoop(copy.deepcopy(method), distributed, precision)
        loops[precision].step([batch], StepContext(next(steps), 0.0))

    log("precision: benchmarking a few steps of each")
    device = next(method.parameters()).device
    result = benchmark_precisions(step, device, agree=distributed.broadcast, step_count=step_count)
    result = distributed.broadcast(result)
    log(f"precision: {result.summary}")
    if result.busy_factor > BUSY_FACTOR:
        log(
            f"note: other programs use this machine: a step took {result.step_s * 1000:.0f} ms, "
            f"{result.busy_factor:.0f} times its CPU time per thread; training is this slow while they run"
        )
    training = config.training.model_copy(update={"precision": result.precision})
    step_s = result.step_s * config.training.grad_accumulation
    return config.model_copy(update={"training": training}), step_s


def count_period_steps(method: Method) -> int:
    """Return the number of steps to time together: a period, because different players may train in each of them."""
    return min(method.turn_period, MAX_PERIOD_STEPS)


def load_device_batch(config: RunConfig, batches: BatchLoader, method: Method) -> dict[str, torch.Tensor]:
    """Load the first micro-batch to the method's device, as tensors by domain key."""
    micro_batches = config.training.grad_accumulation * config.training.devices * config.training.nodes
    device = next(method.parameters()).device
    return {key: x.to(device) for key, x in batches.load_batch(0, 0, micro_batches, config.training.batch_size).items()}


def format_dry_run(config: RunConfig, method: Method, batches: BatchLoader, distributed: Distributed) -> str:
    """Return the resolved configuration, the networks' numbers of parameters, and the time of a step as text."""
    batch = load_device_batch(config, batches, method)
    loop = TrainingLoop(copy.deepcopy(method), distributed, config.training.precision)  # type: ignore[arg-type]
    device = next(method.parameters()).device

    period = count_period_steps(method)
    steps = itertools.cycle(range(period))

    def step(_: Precision) -> None:
        loop.step([batch], StepContext(next(steps), 0.0))

    measure_steps(step, "fp32", device, period)  # warm-up
    step_count = period * math.ceil(TIMED_STEPS / period)
    seconds = measure_steps(step, "fp32", device, step_count).wall_s * config.training.grad_accumulation
    rows = [f"  {role:<12}{count_parameters(net):>12,} parameters" for role, net in list_roles(method)]
    training = config.training
    cost = (
        f"{training.steps} steps: about {training.steps * seconds / 60:.0f} minutes"
        if training.steps
        else f"{training.minutes:g} minutes: about {60 * (training.minutes or 0) / seconds:.0f} steps"
    )
    return "\n".join(
        [
            yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
            "networks:",
            *rows,
            f"a step takes {seconds * 1000:.0f} ms here ({config.training.precision}); {cost}",
        ]
    )


def list_roles(method: Method) -> list[tuple[str, torch.nn.Module]]:
    """Return (name, module) of every role, in the order of the players."""
    names = dict.fromkeys(role for player in method.players.values() for role in player.roles)
    return [(name, method.get_submodule(name)) for name in names]
