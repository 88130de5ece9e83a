"""What several processes must agree on: mean gradients and shared decisions. With one rank everything is local."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from unpaired.errors import UnpairedError
from unpaired.training.players import laid_out_as

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Ranks:
    """The processes that train together, by Fabric's collectives. Roles are never wrapped: `play` goes past forward."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.count = fabric.world_size
        self.index = fabric.global_rank
        atexit.register(leave)

    @property
    def first(self) -> bool:
        """Whether this rank is the one that writes and prints."""
        return self.index == 0

    def share(self, value: Any) -> Any:
        """The first rank's `value` on every rank."""
        return value if self.count == 1 else self.fabric.broadcast(value)

    def wait(self) -> None:
        """Return once every rank has come here."""
        if self.count > 1:
            self.fabric.barrier()

    def on_first(self, work: Callable[[], Any]) -> Any:
        """Do `work` on the first rank and give its result, or its error, to all."""
        result: Any = None
        if self.first:
            try:
                result = work()
            except UnpairedError as error:
                result = error
        result = self.share(result)
        if isinstance(result, UnpairedError):
            raise self.said_once(result)
        return result

    def on_each(self, work: Callable[[], None]) -> None:
        """Do `work` on every rank; where it fails on one it fails on all alike, which would else wait for ever."""
        failure: UnpairedError | None = None
        try:
            work()
        except UnpairedError as error:
            failure = error
        failed = self._lowest(failure is not None)
        if failed is not None:
            shared = failure if self.count == 1 else self.fabric.broadcast(failure, src=failed)
            assert shared is not None, "that rank failed"
            raise self.said_once(shared)

    @contextmanager
    def alike(self) -> Iterator[None]:
        """What fails within fails on every rank alike, and the first says it."""
        try:
            yield
        except UnpairedError as error:
            self.said_once(error)
            raise

    def said_once(self, error: UnpairedError) -> UnpairedError:
        """An error that every rank raises, marked so that the first alone says it."""
        error.told = not self.first
        return error

    def _lowest(self, value: bool) -> int | None:
        """The lowest rank on which `value` holds, the same on all; None where there is none."""
        if self.count == 1:
            return 0 if value else None
        mine = torch.tensor(float(self.index if value else self.count), device=self.fabric.device)
        lowest = int(cast(Tensor, self.fabric.all_reduce(mine, reduce_op="min")))
        return lowest if lowest < self.count else None

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean of `tensor` over ranks."""
        if self.count == 1:
            return tensor
        return cast(Tensor, self.fabric.all_reduce(tensor, reduce_op="sum")) / self.count

    def any(self, value: bool) -> bool:
        """Whether `value` holds on some rank."""
        if self.count == 1:
            return value
        flag = torch.tensor(float(value), device=self.fabric.device)
        return bool(cast(Tensor, self.fabric.all_reduce(flag, reduce_op="sum")) > 0)

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace gradients by their mean over ranks; a parameter without one on every rank keeps None.

        A rank whose play did not reach a parameter counts as zero there, where some other rank's did.
        """
        if self.count == 1 or not parameters:
            return
        has = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=self.fabric.device)
        somewhere = (cast(Tensor, self.fabric.all_reduce(has, reduce_op="sum")) > 0).tolist()
        moved = [p for p, there in zip(parameters, somewhere, strict=True) if there]
        if not moved:
            return
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in moved])
        flat = self.mean(flat)
        for p, piece in zip(moved, torch.split(flat, [p.numel() for p in moved]), strict=True):
            p.grad = laid_out_as(p, piece.view_as(p))


def leave() -> None:
    """Stop gloo's threads before the interpreter ends, which else may abort; Fabric itself does so for NCCL."""
    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    if there and torch.distributed.get_backend() == "gloo":
        torch.distributed.destroy_process_group()
