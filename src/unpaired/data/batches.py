"""Batches that are a pure function of (seed, step, shard), from files, by way of a memory of decoded ones."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unpaired.cores import cores
from unpaired.data import draw
from unpaired.data.domain import KEYS, Domain
from unpaired.data.framing import Example, Framing, Loaded
from unpaired.data.paths import Paths, stem
from unpaired.data.split import Sets, Which
from unpaired.data.walks import Spot, Walks, walks_of
from unpaired.errors import UnreadableFile, UsageError, WorkError
from unpaired.labels import Labels

MEMORY = 512 << 20
"""Bytes of decoded files that are kept; small collections are decoded once and then never waited for."""
Bad = Callable[[UnreadableFile], None]


class Item(NamedTuple):
    """One item for evaluation: its relative name and (C, H, W), of a picture (C, size, size) in [-1, 1]."""

    name: str
    tensor: Tensor


class Batches:
    """Training batches, by what a method draws of the `walks`, and items of the domains for evaluation.

    "each": an item of every domain, keyed "X", "Y", ... in their order; "pair": of two domains, which two is drawn by
    the step; "labelled": items "x" of any domain (of one data set a step), their "label", and what is "known" of it.

    What is cut from a file is drawn from (seed, walk, position). A file that fails is replaced by the next one in the
    list, and given to `bad` once. `workers` threads decode the coming batches (0: none, decode when asked). Without
    `walks`, each domain is walked through.
    """

    def __init__(
        self,
        domains: Sequence[Domain],
        sets: Sequence[Sets],
        framing: Framing,
        seed: int,
        *,
        walks: Walks | None = None,
        workers: int | None = None,
        bad: Bad | None = None,
        memory: int = MEMORY,
    ) -> None:
        self.keys = KEYS[: len(domains)]
        self._domains, self._sets, self._framing, self._seed = domains, sets, framing, seed
        self._walks = walks or walks_of(domains, sets, "each", seed, visits=framing.visits)
        self._workers = min(8, cores()) if workers is None else workers
        self._pool = ThreadPoolExecutor(self._workers, "decode") if self._workers else None
        self._tell = bad or (lambda _: None)
        self._free = memory
        self._kept: dict[tuple[int, int], Loaded] = {}
        self._failed: set[tuple[int, int]] = set()
        self._coming: OrderedDict[tuple[int, int], Future[Loaded]] = OrderedDict()
        self._all = sum(self._walks.files())

    def batch(self, step: int, shard: int, shards: int, batch: int) -> dict[str, Tensor]:
        """Shard `shard` of `shards` of a step's `batch` items (of each domain): float32 (b, C, H, W).

        With labelled draws "label" and "known" (b, L) are beside "x": 0 and 1, and a label is 0 where it is not known.
        """
        out: dict[str, Tensor] = {}
        for key, spots in self._walks.wanted(step, shard, shards, batch).items():
            used, out[key] = self._examples(spots)
        if self._walks.draws == "labelled":
            pool = self._walks.pool(step)
            rows = dict(pool.strata)
            out["label"] = torch.from_numpy(np.stack([rows[spot.walk][i] for spot, i in zip(spots, used, strict=True)]))
            out["known"] = torch.tensor(pool.known).expand(len(spots), -1)
        self._prefetch(step, shard, shards, batch)
        return out

    def count(self, key: str, which: Which) -> int:
        """How many files of one set a domain has."""
        return len(self._sets[self.keys.index(key)].of(which))

    def items(self, key: str, which: Which, limit: int | None = None) -> Iterator[Item]:
        """A domain's held-back (or training) items, framed for evaluation; of many, a seeded `limit`. Streams."""
        d = self.keys.index(key)
        paths = self._sets[d].of(which)
        return items(paths, self._domains[d], self._framing, self._chosen(len(paths), limit), bad=self._tell)

    def pairs(
        self, source: str, target: str, which: Which = "test", limit: int | None = None
    ) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Items of two domains with one name (suffixes aside), of many a seeded `limit`: name, source, target item."""
        a, b = self.keys.index(source), self.keys.index(target)
        ours, theirs = self._sets[a].of(which), self._sets[b].of(which)
        known = paired(ours, theirs)
        for i, j in (known[n] for n in self._chosen(len(known), limit)):
            try:
                x = _evaluated(ours, i, self._domains[a], self._framing)
                y = _evaluated(theirs, j, self._domains[b], self._framing)
            except UnreadableFile as error:
                self._tell(error)
                continue
            yield ours[i], x, y

    def _chosen(self, count: int, limit: int | None) -> Sequence[int]:
        """Which of `count` are looked at, in their order."""
        if limit is None or limit >= count:
            return range(count)
        chosen: list[int] = np.sort(draw.order(count, self._seed)[:limit]).tolist()
        return chosen

    def close(self) -> None:
        """Stop the decoding threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _examples(self, spots: Sequence[Spot]) -> tuple[list[int], Tensor]:
        """The examples cut at `spots`, and the indices of the files that they were really cut from."""
        examples: list[Example] = []
        used = []
        for spot in spots:
            chance = draw.numbers(self._seed, spot.walk, spot.position, np.arange(3))
            first, second, third = ((chance >> np.uint64(11)).astype(np.float64) * 2.0**-53).tolist()
            index, loaded = self._loaded(spot.walk, spot.file)
            used.append(index)
            examples.append(self._framing.cut(loaded, (first, second, third)))
        if not examples:
            raise ValueError("a shard without items: the batch must have one for every shard")
        if len({example.dtype for example in examples}) == 1:
            return used, self._framing.tensor(np.stack(examples))
        # Labelled items are of any domain, and those of more than 8 bits are kept otherwise.
        return used, torch.cat([self._framing.tensor(example[None]) for example in examples])

    def _loaded(self, walk: int, index: int) -> tuple[int, Loaded]:
        """What a file holds, or the next one in the list that can be read, and its index."""
        domain, paths, _ = self._walks.walks[walk]
        for i in range(index, index + len(paths)):
            key = (walk, i % len(paths))
            if key in self._kept:
                return key[1], self._kept[key]
            if key in self._failed:
                continue
            coming = self._coming.pop(key, None)
            try:
                loaded = self._load(*key) if coming is None else coming.result()
            except UnreadableFile as error:
                self._failed.add(key)
                self._tell(error)
                continue
            if loaded.nbytes <= self._free:
                self._kept[key] = loaded
                self._free -= loaded.nbytes
            return key[1], loaded
        raise WorkError(f"domain '{domain.name}': none of its {len(paths):,} training files can be read any more")

    def _load(self, walk: int, index: int) -> Loaded:
        domain, paths, _ = self._walks.walks[walk]
        return self._framing.load(paths.file(index), domain, training=True)

    def _prefetch(self, step: int, shard: int, shards: int, batch: int) -> None:
        """Have the files of the coming steps decoded, some for each worker, and no more than that."""
        if self._pool is None or len(self._kept) + len(self._failed) == self._all:
            return
        wanted = max(2 * self._workers, 2 * len(self.keys) * (batch // shards + 1))
        while len(self._coming) > 2 * wanted:  # left over from a walk that went elsewhere
            self._coming.popitem(last=False)[1].cancel()
        ahead = 1
        while ahead <= wanted and len(self._coming) < wanted:
            for spots in self._walks.wanted(step + ahead, shard, shards, batch).values():
                for spot in spots:
                    key = (spot.walk, spot.file)
                    if key not in self._kept and key not in self._failed and key not in self._coming:
                        self._coming[key] = self._pool.submit(self._load, *key)
            ahead += 1


def items(
    paths: Paths,
    domain: Domain,
    framing: Framing,
    chosen: Sequence[int] | None = None,
    *,
    bad: Bad | None = None,
) -> Iterator[Item]:
    """Files framed for evaluation, one after the other.

    A file that cannot be read is given to `bad` and left out.
    """
    for i in range(len(paths)) if chosen is None else chosen:
        try:
            x = _evaluated(paths, i, domain, framing)
        except UnreadableFile as error:
            if bad is not None:
                bad(error)
            continue
        yield Item(paths[i], x)


def _evaluated(paths: Paths, index: int, domain: Domain, framing: Framing) -> Tensor:
    return framing.tensor(framing.whole(framing.load(paths.file(index), domain, training=False))[None])[0]


def require_pairs(sets: Sequence[Sets], labels: Labels | None) -> list[str]:
    """The two domains ("one and other") that can be translated to each other and whose test items share no name.

    With `labels` those of one group can. Raises UsageError where --pairs is given and no two domains share one.
    """
    groups = [0] * len(sets) if labels is None else [goal.group for goal in labels.goals]
    names = [{stem(name) for name in part.test} for part in sets]
    couples = [(i, j) for i, j in itertools.combinations(range(len(sets)), 2) if groups[i] == groups[j]]
    lacking = [f"{sets[i].name} and {sets[j].name}" for i, j in couples if names[i].isdisjoint(names[j])]
    if len(lacking) == len(couples):
        listed = ", ".join(part.name for part in sets)
        raise UsageError(f"--pairs: no file among the test items of {listed} has the name of one of another domain")
    return lacking


def paired(ours: Paths, theirs: Paths) -> list[tuple[int, int]]:
    """Indices of files with one relative name, suffixes aside."""
    places = {stem(name): j for j, name in enumerate(theirs)}
    return [(i, places[stem(name)]) for i, name in enumerate(ours) if stem(name) in places]
