"""Batches that are a pure function of (seed, step, shard), from files, by way of a memory of decoded pictures."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from unpaired.data import draw
from unpaired.data.domain import KEYS, Domain
from unpaired.data.frame import Fitted, cut, load, tensor
from unpaired.data.paths import Paths, stem
from unpaired.data.split import Sets, Which
from unpaired.errors import UnreadableFile, WorkError
from unpaired.settings import DataSettings

MEMORY = 512 << 20
"""Bytes of decoded pictures that are kept; small collections are decoded once and then never waited for."""
Bad = Callable[[UnreadableFile], None]


class Item(NamedTuple):
    """One picture for evaluation: its relative name and (C, size, size) in [-1, 1]."""

    name: str
    tensor: Tensor


class Batches:
    """Training batches of all domains, keyed "X", "Y", ... in their order.

    Each domain walks its own permutation per epoch; crops and flips are drawn from (seed, domain, position). A file
    that fails is replaced by the next one in the list, and given to `bad` once. `workers` threads decode the coming
    batches (0: none, decode when asked). `data.framing` must be resolved.
    """

    def __init__(
        self,
        domains: Sequence[Domain],
        sets: Sequence[Sets],
        data: DataSettings,
        channels: int,
        seed: int,
        *,
        workers: int | None = None,
        bad: Bad | None = None,
        memory: int = MEMORY,
    ) -> None:
        self.keys = KEYS[: len(domains)]
        self._domains, self._sets, self._data, self._channels, self._seed = domains, sets, data, channels, seed
        self._workers = min(8, os.cpu_count() or 1) if workers is None else workers
        self._pool = ThreadPoolExecutor(self._workers, "decode") if self._workers else None
        self._tell = bad or (lambda _: None)
        self._free = memory
        self._kept: dict[tuple[int, int], Fitted] = {}
        self._failed: set[tuple[int, int]] = set()
        self._coming: OrderedDict[tuple[int, int], Future[Fitted]] = OrderedDict()
        self._orders: OrderedDict[tuple[int, int], npt.NDArray[np.int32]] = OrderedDict()
        self._all = sum(len(s.train) for s in sets)

    def batch(self, step: int, shard: int, shards: int, batch: int) -> dict[str, Tensor]:
        """Shard `shard` of `shards` of a step's `batch` items per domain: float32 (b, C, size, size) in [-1, 1]."""
        out = {key: self._squares(d, self._positions(step, shard, shards, batch)) for d, key in enumerate(self.keys)}
        self._prefetch(step, shard, shards, batch)
        return out

    def items(self, key: str, which: Which, limit: int | None = None) -> Iterator[Item]:
        """A domain's held-back (or training) items, framed for evaluation; of many, a seeded `limit`. Streams."""
        d = self.keys.index(key)
        paths = self._sets[d].of(which)
        chosen: Sequence[int] = range(len(paths))
        if limit is not None and limit < len(paths):
            chosen = np.sort(draw.order(len(paths), self._seed)[:limit]).tolist()
        return items(paths, self._domains[d], self._data, self._channels, chosen, bad=self._tell)

    def pairs(self, source: str, target: str, which: Which = "test") -> Iterator[tuple[str, Tensor, Tensor]]:
        """Items of two domains with one name (suffixes aside): name, source item, target item."""
        a, b = self.keys.index(source), self.keys.index(target)
        ours, theirs = self._sets[a].of(which), self._sets[b].of(which)
        for i, j in paired(ours, theirs):
            try:
                x = _evaluated(ours, i, self._domains[a], self._data, self._channels)
                y = _evaluated(theirs, j, self._domains[b], self._data, self._channels)
            except UnreadableFile as error:
                self._tell(error)
                continue
            yield ours[i], x, y

    def close(self) -> None:
        """Stop the decoding threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _positions(self, step: int, shard: int, shards: int, batch: int) -> range:
        return range(step * batch + shard * batch // shards, step * batch + (shard + 1) * batch // shards)

    def _index(self, d: int, position: int) -> int:
        """The file at a position of the domain's endless walk."""
        count = len(self._sets[d].train)
        epoch, at = divmod(position, count)
        if (d, epoch) not in self._orders:
            self._orders[d, epoch] = draw.order(count, self._seed, d, epoch)
            if len(self._orders) > 3 * len(self.keys):
                self._orders.popitem(last=False)
        return int(self._orders[d, epoch][at])

    def _squares(self, d: int, positions: range) -> Tensor:
        size = self._data.size
        chance = draw.numbers(self._seed, d, np.array(positions)[:, None], np.arange(3)[None])
        places = (chance >> np.uint64(11)).astype(np.float64) * 2.0**-53
        squares: npt.NDArray[np.uint8 | np.float32] | None = None
        for k, position in enumerate(positions):
            top, left, mirror = places[k].tolist()
            fitted = self._fitted(d, self._index(d, position))
            if squares is None:
                squares = np.empty((len(positions), size, size, self._channels), fitted.dtype)
            squares[k] = cut(fitted, size, top, left, self._data.flip and mirror < 0.5)
        if squares is None:
            raise ValueError("a shard without items: the batch must have one for every shard")
        return tensor(squares)

    def _fitted(self, d: int, index: int) -> Fitted:
        """The decoded picture of a file, or of the next one in the list that can be read."""
        count = len(self._sets[d].train)
        for i in range(index, index + count):
            key = (d, i % count)
            if key in self._kept:
                return self._kept[key]
            if key in self._failed:
                continue
            coming = self._coming.pop(key, None)
            try:
                fitted = self._load(*key) if coming is None else coming.result()
            except UnreadableFile as error:
                self._failed.add(key)
                self._tell(error)
                continue
            if fitted.nbytes <= self._free:
                self._kept[key] = fitted
                self._free -= fitted.nbytes
            return fitted
        raise WorkError(f"domain '{self._domains[d].name}': none of its {count:,} training files can be read any more")

    def _load(self, d: int, index: int) -> Fitted:
        return load(self._sets[d].train.file(index), self._domains[d], self._data, self._channels, training=True)

    def _prefetch(self, step: int, shard: int, shards: int, batch: int) -> None:
        """Have the files of the coming steps decoded, some for each worker, and no more than that."""
        if self._pool is None or len(self._kept) + len(self._failed) == self._all:
            return
        wanted = max(2 * self._workers, 2 * len(self.keys) * (batch // shards + 1))
        while len(self._coming) > 2 * wanted:  # left over from a walk that went elsewhere
            self._coming.popitem(last=False)[1].cancel()
        ahead = 1
        while ahead <= wanted and len(self._coming) < wanted:
            for d in range(len(self.keys)):
                for position in self._positions(step + ahead, shard, shards, batch):
                    key = (d, self._index(d, position))
                    if key not in self._kept and key not in self._failed and key not in self._coming:
                        self._coming[key] = self._pool.submit(self._load, *key)
            ahead += 1


def items(
    paths: Paths,
    domain: Domain,
    data: DataSettings,
    channels: int,
    chosen: Sequence[int] | None = None,
    *,
    bad: Bad | None = None,
) -> Iterator[Item]:
    """Files framed for evaluation, one after the other: the centre square at the scale of training.

    A file that cannot be read is given to `bad` and left out.
    """
    for i in range(len(paths)) if chosen is None else chosen:
        try:
            x = _evaluated(paths, i, domain, data, channels)
        except UnreadableFile as error:
            if bad is not None:
                bad(error)
            continue
        yield Item(paths[i], x)


def _evaluated(paths: Paths, index: int, domain: Domain, data: DataSettings, channels: int) -> Tensor:
    return tensor(cut(load(paths.file(index), domain, data, channels, training=False), data.size)[None])[0]


def paired(ours: Paths, theirs: Paths) -> list[tuple[int, int]]:
    """Indices of files with one relative name, suffixes aside."""
    places = {stem(name): j for j, name in enumerate(theirs)}
    return [(i, places[stem(name)]) for i, name in enumerate(ours) if stem(name) in places]
