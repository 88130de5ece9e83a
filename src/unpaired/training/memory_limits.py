"""Memory of a training step: an estimate before training on a CPU, and smaller micro-batches where it does not suffice.

More micro-batches (`grad_accumulation`) leave the batch and its mean gradient as they are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
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

    Trains a copy of `method` on one item to measure the need, unless the batch is certainly small enough. Raises
    WorkError if even the smallest micro-batches need too much.
    """
    available = read_available_bytes()
    if next(method.parameters()).device.type != "cpu" or available is None:
        return config
    available //= distributed.world_size
    batch = batches.load_batch(0, 0, 1, config.training.batch_size)
    values = sum(math.prod(x.shape) for x in batch.values()) / _count_shards(config)
    if values * MAX_BYTES_PER_VALUE <= available:
        return config
    size = _get_smallest_batch(config)
    items = {key: x[:size] for key, x in batch.items()}
    loop = TrainingLoop(copy.deepcopy(method), distributed, _get_precision(config))
    with torch.random.fork_rng(devices=[]), SavedTensors() as saved:
        loop.step([items], StepContext(0, 0.0))
    need_per_item = WORKSPACE_FACTOR * saved.peak_bytes / size
    while (need := need_per_item * config.training.batch_size / _count_shards(config)) > available:
        reason = f"a micro-batch needs about {need / 1e9:.2g} GB, but {available / 1e9:.2g} GB are free"
        config = add_micro_batches(config, method, distributed.world_size, reason, log)
    return config


def _count_shards(config: RunConfig) -> int:
    training = config.training
    return training.grad_accumulation * training.devices * training.nodes


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
    the others wait for this one.
    """
    while True:
        try:
            return work(config)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = f"device {next(method.parameters()).device} ran out of memory"
            if distributed.world_size > 1:
                raise distributed.mark_reported_once(
                    WorkError(f"{reason}; raise --grad-accumulation, or lower --batch-size")
                ) from error
        # Outside of the handler, the error no longer keeps the tensors of the failed step alive.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        config = add_micro_batches(config, method, distributed.world_size, reason, log)


def add_micro_batches(config: RunConfig, method: Method, world_size: int, reason: str, log: LogCallback) -> RunConfig:
    """Return the configuration with about twice as many micro-batches of half the size, and log `reason`.

    Raises WorkError if the items of a batch influence each other (batch norm), and for the smallest micro-batches.
    """
    training = config.training
    advice = "use smaller networks (--width, --preset small) or items (--size)"
    if not all(is_batch_independent(module) for module in method.children()):
        raise WorkError(
            f"{reason}; smaller micro-batches would change the statistics of batch norm. Lower --batch-size, or use "
            "--norm instance"
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
