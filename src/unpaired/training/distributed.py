"""Data-parallel training: mean gradients, shared decisions and shared errors of all ranks."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from unpaired.errors import UnpairedError, UsageError
from unpaired.training.optimizers import copy_with_layout

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Distributed:
    """Collective operations of all ranks, by Fabric; with one rank they are local.

    Networks are not wrapped (DDP), because a method's `play` does not call one forward function.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.world_size = fabric.world_size
        self.rank = fabric.global_rank
        atexit.register(destroy_gloo_group)

    @property
    def is_first(self) -> bool:
        """True on the first rank, which writes files and messages."""
        return self.rank == 0

    def broadcast(self, value: Any) -> Any:
        """Return the first rank's `value` on every rank."""
        return value if self.world_size == 1 else self.fabric.broadcast(value)

    def barrier(self) -> None:
        """Wait until every rank has called this."""
        if self.world_size > 1:
            self.fabric.barrier()

    def run_on_first(self, work: Callable[[], Any]) -> Any:
        """Call `work` on the first rank; return its result, or raise its UnpairedError, on every rank."""
        result: Any = None
        if self.is_first:
            try:
                result = work()
            except UnpairedError as error:
                result = error
        result = self.broadcast(result)
        if isinstance(result, UnpairedError):
            raise self.mark_reported_once(result)
        return result

    def run_on_all(self, work: Callable[[], None]) -> None:
        """Call `work` on every rank; if it raises UnpairedError on one, raise the same error on all.

        Otherwise the remaining ranks would wait forever.
        """
        failure: UnpairedError | None = None
        try:
            work()
        except UnpairedError as error:
            failure = error
        failed_rank = self._find_lowest_rank(failure is not None)
        if failed_rank is not None:
            shared_error = failure if self.world_size == 1 else self.fabric.broadcast(failure, src=failed_rank)
            assert shared_error is not None, "the rank that failed has an error"
            raise self.mark_reported_once(shared_error)

    @contextmanager
    def report_errors_once(self) -> Iterator[None]:
        """Context for code that raises the same UnpairedError on every rank; only the first rank reports it."""
        try:
            yield
        except UnpairedError as error:
            self.mark_reported_once(error)
            raise

    def mark_reported_once(self, error: UnpairedError) -> UnpairedError:
        """Mark an error that every rank raises, so that only the first rank reports it; returns the error."""
        error.is_reported_elsewhere = not self.is_first
        return error

    def _find_lowest_rank(self, value: bool) -> int | None:
        """Return, on every rank, the lowest rank on which `value` is true, or None."""
        lowest = int(self.minimum(self.rank if value else self.world_size))
        return lowest if lowest < self.world_size else None

    def minimum(self, value: float) -> float:
        """Return the smallest `value` of all ranks on every rank."""
        if self.world_size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64, device=self.fabric.device)
        return float(cast(Tensor, self.fabric.all_reduce(tensor, reduce_op="min")))

    def mean(self, tensor: Tensor) -> Tensor:
        """Return the mean of `tensor` over ranks."""
        if self.world_size == 1:
            return tensor
        return cast(Tensor, self.fabric.all_reduce(tensor, reduce_op="sum")) / self.world_size

    def any(self, value: bool) -> bool:
        """Return, on every rank, whether `value` is true on at least one rank."""
        if self.world_size == 1:
            return value
        flag = torch.tensor(float(value), device=self.fabric.device)
        return bool(cast(Tensor, self.fabric.all_reduce(flag, reduce_op="sum")) > 0)

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients of `parameters` by their means over ranks.

        A missing gradient counts as zero if another rank has one; if no rank has one, it stays None.
        """
        if self.world_size == 1 or not parameters:
            return
        has_gradient = torch.tensor(
            [p.grad is not None for p in parameters], dtype=torch.float32, device=self.fabric.device
        )
        has_gradient_anywhere = (cast(Tensor, self.fabric.all_reduce(has_gradient, reduce_op="sum")) > 0).tolist()
        synced_parameters = [p for p, is_present in zip(parameters, has_gradient_anywhere, strict=True) if is_present]
        if not synced_parameters:
            return
        flat_gradients = torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in synced_parameters]
        )
        flat_gradients = self.mean(flat_gradients)
        for p, gradient in zip(
            synced_parameters, torch.split(flat_gradients, [p.numel() for p in synced_parameters]), strict=True
        ):
            p.grad = copy_with_layout(p, gradient.view_as(p))


def destroy_gloo_group() -> None:
    """Stop gloo's threads before the interpreter exits, which may abort otherwise; Fabric does this only for NCCL."""
    is_initialized = torch.distributed.is_available() and torch.distributed.is_initialized()
    if is_initialized and torch.distributed.get_backend() == "gloo":
        torch.distributed.destroy_process_group()


def refuse_repeated_task() -> None:
    """Raise UsageError if SLURM started several tasks of a command that trains on one device."""
    task, count = os.environ.get("SLURM_PROCID", "0"), os.environ.get("SLURM_NTASKS", "1")
    if task != "0" and task.isdecimal() and "TORCHELASTIC_RUN_ID" not in os.environ:
        raise UsageError(
            f"SLURM started task {task} of {count}, but this command trains on one device in one process; use "
            "`srun --ntasks=1`, or --devices and --nodes with `--ntasks-per-node` equal to --devices"
        )


def launch_distributed(device: str, devices: int, nodes: int) -> tuple[Fabric, Distributed]:
    """Return Fabric with its processes started (by itself, torchrun or SLURM), and the collectives of the ranks.

    Raises UsageError if devices are missing, or if torchrun or SLURM started another number of processes.
    """
    # Imported here because it takes seconds, and `--help` and early errors do not need it.
    from lightning_fabric import Fabric  # noqa: PLC0415
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment  # noqa: PLC0415
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment  # noqa: PLC0415
    from lightning_fabric.utilities.exceptions import MisconfigurationException  # noqa: PLC0415

    if device not in ("cuda", "mps", "cpu"):
        raise UsageError(f"device '{device}': training runs on cpu, cuda or mps")
    is_distributed = devices * nodes > 1
    if (
        TorchElasticEnvironment.detect()
        and (process_count := TorchElasticEnvironment().world_size()) != devices * nodes
    ):
        raise UsageError(
            f"torchrun started {process_count} processes; --devices x --nodes is {devices} x {nodes}; make them equal"
        )
    if not is_distributed:
        refuse_repeated_task()
    try:
        fabric = Fabric(
            accelerator=device,
            devices=devices,
            num_nodes=nodes,
            strategy="ddp" if is_distributed else "auto",
            # A single process ignores the scheduler's variables, which may describe another job.
            plugins=None if is_distributed else [LightningEnvironment()],
        )
        fabric.launch()
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise UsageError(f"{devices} devices of kind {device} on {nodes} nodes: {error}") from error
    return fabric, Distributed(fabric)
