"""Memory of a training step: an estimate before training on a CPU, and smaller micro-batches where it does not suffice.

More micro-batches (`grad_accumulation`) leave the batch and its mean gradient as they are, unless items of a batch
influence each other.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor

from unpaired.config.run_config import RunConfig
from unpaired.console import LogCallback
from unpaired.data.batches import BatchLoader
from unpaired.errors import WorkError, is_out_of_memory
from unpaired.memory import read_available_bytes
from unpaired.methods import METHODS
from unpaired.methods.base import Method, StepContext
from unpaired.networks.blocks import is_batch_independent
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop
from unpaired.training.precision import Precision
from unpaired.training.step_benchmark import count_period_steps

T = TypeVar("T")
MAX_BYTES_PER_VALUE = 50_000
"""More than any method needs per input value of a step; if a batch fits by this, nothing is measured."""
WORKSPACE_FACTOR = 1.5
"""Memory of a step relative to the tensors that its gradients need: gradients and copies in other layouts."""


class SavedTensors:
    """Counts the bytes of the tensors that are kept for gradients within the context, at their peak."""

    def __init__(self) -> None:
        self.bytes = self.peak_bytes = 0
        self._counts: dict[int, int] = {}
        self._hooks = torch.autograd.graph.saved_tensors_hooks(lambda x: _SavedTensor(x, self), lambda saved: saved.x)

    def __enter__(self) -> SavedTensors:
        """Start counting."""
        self._hooks.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop counting."""
        self._hooks.__exit__(*error)

    def add(self, address: int, size: int) -> None:
        """Count a tensor, unless another one with the same storage is counted."""
        self._counts[address] = self._counts.get(address, 0) + 1
        if self._counts[address] == 1:
            self.bytes += size
            self.peak_bytes = max(self.peak_bytes, self.bytes)

    def remove(self, address: int, size: int) -> None:
        """Count a tensor no longer."""
        self._counts[address] -= 1
        if not self._counts[address]:
            self.bytes -= size


class _SavedTensor:
    def __init__(self, x: Tensor, counter: SavedTensors) -> None:
        storage = x.untyped_storage()
        self.x, self._counter = x, counter
        self._key = (storage.data_ptr(), storage.nbytes())
        counter.add(*self._key)

    def __del__(self) -> None:
        self._counter.remove(*self._key)


def fit_to_memory(
    config: RunConfig, method: Method, batches: BatchLoader, distributed: Distributed, log: LogCallback
) -> RunConfig:
    """Return the configuration with enough micro-batches for the memory of this CPU and its container; log a change.

    Trains a copy of `method` on one item to measure the need, and on two micro-batches of one item if there are
    several, unless the batch is certainly small enough. All ranks must call it; they return the same. Raises WorkError
    if even the smallest micro-batches need too much.
    """
    if next(method.parameters()).device.type != "cpu":
        return config
    available = distributed.minimum(read_bytes_per_rank(config))
    batch = batches.load_batch(0, 0, 1, config.training.batch_size)
    values = sum(math.prod(x.shape) for x in batch.values()) / distributed.world_size
    if values * MAX_BYTES_PER_VALUE <= available:
        return config
    size = _get_smallest_batch(config)
    items = {key: x[:size] for key, x in batch.items()}

    @cache
    def measure_peak(count: int) -> float:
        """Return the bytes of a step on `count` micro-batches, per item of one of them."""
        loop = TrainingLoop(copy.deepcopy(method), distributed, _get_precision(config))
        with torch.random.fork_rng(devices=[]), SavedTensors() as saved:
            for step in range(count_period_steps(method)):
                loop.step([items] * count, StepContext(step, 0.0))
        return float(distributed.broadcast(WORKSPACE_FACTOR * saved.peak_bytes / size))

    items_per_rank = config.training.batch_size // distributed.world_size
    while (need := estimate_step_bytes(items_per_rank, config.training.grad_accumulation, measure_peak)) > available:
        reason = f"a step needs about {need / 1e9:.2g} GB, but {available / 1e9:.2g} GB are free"
        config = add_micro_batches(config, method, distributed.world_size, reason, log)
    return config


def read_bytes_per_rank(config: RunConfig) -> float:
    """Return the free bytes of this machine for each of its ranks; infinite if unknown."""
    available = read_available_bytes()
    return math.inf if available is None else available // config.training.devices


def estimate_step_bytes(items: int, count: int, measure_peak: Callable[[int], float]) -> float:
    """Estimate the bytes of a step on `items` items in `count` micro-batches.

    `measure_peak` returns the bytes of a step on a number of micro-batches of one item each. Micro-batches advance
    together from turn to turn, so each adds what a method keeps between its turns, such as the graph of the generator.
    """
    peak = measure_peak(1)
    if count > 1:
        peak += (count - 1) * (measure_peak(2) - peak)
    return items / count * peak


def _get_smallest_batch(config: RunConfig) -> int:
    """Return the least number of items of a micro-batch: two for label-conditioned methods, else one."""
    return 2 if METHODS[config.method].cls.batch_kind == "labelled" else 1


def _get_precision(config: RunConfig) -> Precision:
    precision: Any = config.training.precision
    return "fp32" if precision == "auto" else precision


def repeat_within_memory(
    work: Callable[[RunConfig], T], config: RunConfig, method: Method, distributed: Distributed, log: LogCallback
) -> T:
    """Return `work(config)`; if the device runs out of memory, repeat it with more micro-batches.

    `work` must start from an unchanged state. Raises WorkError if that does not help, and with several ranks, because
    the others wait for this one. The error may be of this rank only, so this rank reports it.
    """
    while True:
        try:
            return work(config)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = f"device {next(method.parameters()).device} ran out of memory"
            if distributed.world_size > 1:
                raise WorkError(
                    f"{reason} (rank {distributed.rank}); raise --grad-accumulation, or lower --batch-size"
                ) from error
        # Outside of the handler, the error no longer keeps the tensors of the failed step alive.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        config = add_micro_batches(config, method, distributed.world_size, reason, log)


def add_micro_batches(config: RunConfig, method: Method, world_size: int, reason: str, log: LogCallback) -> RunConfig:
    """Return the configuration with about twice as many micro-batches of half the size, and log `reason`.

    Raises WorkError if the items of a batch influence each other (batch norm, or a loss on statistics of the batch),
    and for the smallest micro-batches.
    """
    training = config.training
    advice = "use smaller networks (--width, --preset small) or items (--size)"
    if not all(is_batch_independent(module) for module in method.children()):
        raise WorkError(
            f"{reason}; smaller micro-batches would change the statistics of batch norm. Lower --batch-size, or use "
            "--norm instance"
        )
    if method.has_batch_statistics:
        raise WorkError(
            f"{reason}; smaller micro-batches would change the batch means that a loss of {config.method} compares. "
            f"Lower --batch-size, or {advice}"
        )
    smallest = _get_smallest_batch(config)
    items = training.batch_size // world_size
    counts = range(training.grad_accumulation + 1, items // smallest + 1)
    fitting = [count for count in counts if items % count == 0]
    if not fitting:
        raise WorkError(f"{reason}, and its micro-batches cannot be smaller; {advice}")
    count = next((n for n in fitting if n >= 2 * training.grad_accumulation), fitting[-1])
    log(f"{reason}: continuing with --grad-accumulation {count}, micro-batches of {items // count}")
    return config.model_copy(update={"training": training.model_copy(update={"grad_accumulation": count})})
