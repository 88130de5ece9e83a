"""Batches of files that networks translate together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from unpaired.translate.pipeline import PipelineItem

R = TypeVar("R", bound=PipelineItem)
JobT = TypeVar("JobT")


def group_into_batches(
    prepared_items: Iterable[tuple[JobT, R] | None], batch_size: int, max_waiting_cost: int
) -> Iterator[list[tuple[JobT, R]]]:
    """Yield lists of at most `batch_size` files with equal batch keys; a job is anything that identifies a file.

    All waiting files are yielded when their total cost exceeds `max_waiting_cost`, and when an item is None.
    """
    waiting: dict[tuple[object, ...], list[tuple[JobT, R]]] = {}
    waiting_cost = 0
    for prepared_item in prepared_items:
        if prepared_item is None:
            yield from waiting.values()
            waiting, waiting_cost = {}, 0
            continue
        job, waiting_item = prepared_item
        batch_key = waiting_item.batch_key
        waiting.setdefault(batch_key, []).append((job, waiting_item))
        waiting_cost += waiting_item.memory_cost
        if len(waiting[batch_key]) == batch_size:
            full_batch = waiting.pop(batch_key)
            waiting_cost -= sum(batch_item.memory_cost for _, batch_item in full_batch)
            yield full_batch
        elif waiting_cost > max_waiting_cost:
            yield from waiting.values()
            waiting, waiting_cost = {}, 0
    yield from waiting.values()
