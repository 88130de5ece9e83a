"""Which files a step takes: endless walks through collections, as a pure function of (seed, step, shard)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unpaired.data import draw
from unpaired.data.attributes import Labelled, Rows
from unpaired.data.domain import KEYS, Domain
from unpaired.data.paths import Paths
from unpaired.data.split import Sets
from unpaired.labels import Draws, Labels

_PAIR, _STRATA = 1 << 20, 1 << 21
"""Words that keep these draws apart from those of domains, which are numbered from 0."""


class Walk(NamedTuple):
    """The training files that are walked through, each epoch in its own order, and how they are read."""

    domain: Domain
    paths: Paths
    visits: npt.NDArray[np.int64] | None = None
    """The file of each visit in an epoch, where some files come up more than once."""


class Spot(NamedTuple):
    """A place on a walk: the file's number, and the position, from which its crop and flip are drawn."""

    walk: int
    file: int
    position: int


class Pool(NamedTuple):
    """A labelled data set: its walks (number, labels (N, L) of its files), and which columns its labels tell."""

    strata: tuple[tuple[int, Rows], ...]
    known: tuple[float, ...]


class Walks:
    """The walks of a run. `pools` are those of labelled draws, whose items come from all strata alike."""

    def __init__(
        self, walks: Sequence[Walk], draws: Draws, domains: int, seed: int, pools: Sequence[Pool] = ()
    ) -> None:
        self.walks, self.draws, self.pools = walks, draws, pools
        self._domains, self._seed = domains, seed
        self._orders: OrderedDict[tuple[int, int], npt.NDArray[np.int32]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.walks)

    def wanted(self, step: int, shard: int, shards: int, batch: int) -> dict[str, list[Spot]]:
        """Where shard `shard` of `shards` of a step's `batch` items (of each domain) are, by their key."""
        span = range(step * batch + shard * batch // shards, step * batch + (shard + 1) * batch // shards)
        if self.draws == "labelled":
            turn, of = divmod(step, len(self.pools))
            back = (step - turn) * batch
            return {"x": [self._stratum(of, position - back) for position in span]}
        drawn: Sequence[int] = range(self._domains)
        if self.draws == "pair" and self._domains > 2:
            drawn = draw.order(self._domains, self._seed, _PAIR, step)[:2].tolist()
        return {KEYS[d]: [self._spot(d, position) for position in span] for d in drawn}

    def files(self) -> list[int]:
        """How many files each walk that is drawn from has."""
        if self.draws == "labelled":
            return [len(self.walks[walk].paths) for pool in self.pools for walk, _ in pool.strata]
        return [len(walk.paths) for walk in self.walks[: self._domains]]

    def pool(self, step: int) -> Pool:
        """The labelled data set of a step."""
        return self.pools[step % len(self.pools)]

    def _stratum(self, of: int, position: int) -> Spot:
        """Every run of as many positions as there are strata has one item of each, in an order of its own."""
        strata = self.pools[of].strata
        block, at = divmod(position, len(strata))
        chosen = draw.order(len(strata), self._seed, _STRATA + of, block)[at]
        return self._spot(strata[chosen][0], block)

    def _spot(self, walk: int, position: int) -> Spot:
        _, paths, visits = self.walks[walk]
        count = len(paths) if visits is None else len(visits)
        epoch, at = divmod(position, count)
        if (walk, epoch) not in self._orders:
            self._orders[walk, epoch] = draw.order(count, self._seed, walk, epoch)
            if len(self._orders) > 3 * len(self.walks):
                self._orders.popitem(last=False)
        visit = int(self._orders[walk, epoch][at])
        return Spot(walk, visit if visits is None else int(visits[visit]), position)


def walks_of(
    domains: Sequence[Domain],
    sets: Sequence[Sets],
    draws: Draws,
    seed: int,
    labels: Labels | None = None,
    sources: Sequence[Domain] = (),
    data: Sequence[Labelled] = (),
    visits: Callable[[Paths], npt.NDArray[np.int64] | None] = lambda _: None,
) -> Walks:
    """The walks of a run: of its domains, and for labelled draws of the labelled `data` sets (each a `sources`).

    Without such sets the domains are folders, and their labels say which. `visits` says how often files come up.
    """
    walks = [Walk(domain, part.train, visits(part.train)) for domain, part in zip(domains, sets, strict=True)]
    pools: list[Pool] = []
    if draws == "labelled" and data:
        for domain, one in zip(sources, data, strict=True):
            pools.append(Pool(((len(walks), one.train),), one.known))
            walks.append(Walk(domain, one.sets.train))
    elif draws == "labelled":
        assert labels is not None, "labelled draws have labels"
        eye = np.eye(len(domains), dtype=np.float32)
        strata = tuple((d, np.broadcast_to(eye[d], (len(walk.paths), len(eye)))) for d, walk in enumerate(walks))
        pools.append(Pool(strata, labels.known(0)))
    return Walks(walks, draws, len(domains), seed, pools)
