"""Decoding and encoding in threads beside the networks, with queues of bounded length."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.2


class ReadAhead(Generic[T]):
    """Iterator that runs another in a thread, at most `size` items ahead. Leave its context to stop the thread."""

    def __init__(self, items: Iterator[T], size: int) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(size)
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="unpaired-decode", daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._iterate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_stopped.set()
        self._thread.join()

    def _iterate(self) -> Iterator[T]:
        while True:
            item, error = self._queue.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc] # None only beside an error

    def _read(self) -> None:
        try:
            for item in self._items:
                if not self._put((item, None)):
                    return
            self._put((None, StopIteration()))
        except BaseException as error:  # raised again by the consumer
            self._put((None, error))

    def _put(self, entry: tuple[T | None, BaseException | None]) -> bool:
        """Wait for room in the queue; returns False if the consumer has stopped."""
        while not self._is_stopped.is_set():
            try:
                self._queue.put(entry, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False


class WriteBehind(Generic[T]):
    """Consumer of items in a thread, at most `size` items behind. Its errors are raised by `put` and at the end.

    If its context is left by an error, the items that wait are dropped.
    """

    def __init__(self, consume: Callable[[T], None], size: int) -> None:
        self._consume = consume
        self._queue: queue.Queue[T | None] = queue.Queue(size)
        self._error: BaseException | None = None
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._write, name="unpaired-encode", daemon=True)

    def __enter__(self) -> WriteBehind[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._is_stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.put(None, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            break
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    def put(self, item: T) -> None:
        """Wait for room in the queue and add an item; raises the error of an earlier one."""
        while self._error is None:
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return
        raise self._error

    def _write(self) -> None:
        try:
            while (item := self._queue.get()) is not None and not self._is_stopped.is_set():
                self._consume(item)
        except BaseException as error:  # raised again by the producer
            self._error = error
