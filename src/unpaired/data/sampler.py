"""Selection of the files of each training step, as a pure function of (seed, step, micro-batch)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unpaired.data import counter_rng
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.data.labelled_splits import LabelledSplits, LabelMatrix
from unpaired.data.paths import Paths
from unpaired.data.split import DomainSplits
from unpaired.labels import BatchKind, Labels

_PAIR_STREAM, _STRATUM_STREAM = 1 << 20, 1 << 21
"""Random number keys of pairs and strata; samplers have the keys from 0."""


class ItemSampler(NamedTuple):
    """Training files of a domain; each epoch visits them in another random order."""

    domain: Domain
    paths: Paths
    visited_files: npt.NDArray[np.int64] | None = None
    """File index of each visit in an epoch, if some files are visited more than once; None: every file once."""


class SampleIndex(NamedTuple):
    """Index of a sampler, index of a file, and position in the sampler's sequence, which determines crop and flip."""

    sampler_index: int
    file_index: int
    position: int


class LabelledPool(NamedTuple):
    """A labeled data set: its strata (sampler index, labels (N, L) of the files) and its mask of known columns."""

    strata: tuple[tuple[int, LabelMatrix], ...]
    known_columns: tuple[float, ...]


class BatchSampler:
    """Select the items of each step.

    `pools` are the data sets of labeled batches, which have equally many items of each stratum.
    """

    def __init__(
        self,
        samplers: Sequence[ItemSampler],
        batch_kind: BatchKind,
        domain_count: int,
        seed: int,
        pools: Sequence[LabelledPool] = (),
    ) -> None:
        self.samplers, self.batch_kind, self.pools = samplers, batch_kind, pools
        self._domain_count, self._seed = domain_count, seed
        self._epoch_orders: OrderedDict[tuple[int, int], npt.NDArray[np.int32]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.samplers)

    def select_indices(
        self, step: int, micro_batch: int, micro_batch_count: int, batch_size: int
    ) -> dict[str, list[SampleIndex]]:
        """Return the items of a micro-batch (from 0), by domain key.

        `batch_size` is the number of items of each domain, summed over micro-batches. Labeled batches have the key "x".
        """
        positions = range(
            step * batch_size + micro_batch * batch_size // micro_batch_count,
            step * batch_size + (micro_batch + 1) * batch_size // micro_batch_count,
        )
        if self.batch_kind == "labelled":
            cycle, pool_index = divmod(step, len(self.pools))
            position_offset = (step - cycle) * batch_size
            return {"x": [self._sample_stratum(pool_index, position - position_offset) for position in positions]}
        domain_indices: Sequence[int] = range(self._domain_count)
        if self.batch_kind == "pair" and self._domain_count > 2:
            domain_indices = counter_rng.generate_permutation(self._domain_count, self._seed, _PAIR_STREAM, step)[
                :2
            ].tolist()
        return {
            DOMAIN_KEYS[domain_index]: [self._select_index(domain_index, position) for position in positions]
            for domain_index in domain_indices
        }

    def count_files(self) -> list[int]:
        """Return the number of files of each sampler in use."""
        if self.batch_kind == "labelled":
            return [len(self.samplers[sampler].paths) for pool in self.pools for sampler, _ in pool.strata]
        return [len(sampler.paths) for sampler in self.samplers[: self._domain_count]]

    def get_pool(self, step: int) -> LabelledPool:
        """Return the labeled data set of a step."""
        return self.pools[step % len(self.pools)]

    def _sample_stratum(self, pool_index: int, position: int) -> SampleIndex:
        """Select one item; each block of as many positions as strata has one item of each stratum, in random order."""
        strata = self.pools[pool_index].strata
        block, offset = divmod(position, len(strata))
        stratum = counter_rng.generate_permutation(len(strata), self._seed, _STRATUM_STREAM + pool_index, block)[offset]
        return self._select_index(strata[stratum][0], block)

    def _select_index(self, sampler_index: int, position: int) -> SampleIndex:
        _, paths, visits = self.samplers[sampler_index]
        visit_count = len(paths) if visits is None else len(visits)
        epoch, offset = divmod(position, visit_count)
        if (sampler_index, epoch) not in self._epoch_orders:
            self._epoch_orders[sampler_index, epoch] = counter_rng.generate_permutation(
                visit_count, self._seed, sampler_index, epoch
            )
            if len(self._epoch_orders) > 3 * len(self.samplers):
                self._epoch_orders.popitem(last=False)
        visit = int(self._epoch_orders[sampler_index, epoch][offset])
        return SampleIndex(sampler_index, visit if visits is None else int(visits[visit]), position)


def create_batch_sampler(
    domains: Sequence[Domain],
    splits: Sequence[DomainSplits],
    batch_kind: BatchKind,
    seed: int,
    labels: Labels | None = None,
    sources: Sequence[Domain] = (),
    labelled_data: Sequence[LabelledSplits] = (),
    list_visits: Callable[[Paths], npt.NDArray[np.int64] | None] = lambda _: None,
) -> BatchSampler:
    """Create the sampler of a run's domains, or for labeled batches, of its data sets.

    `labelled_data` are the labeled splits of `sources`. Without them, each domain folder is a stratum, labeled with its
    domain. `list_visits` returns the file index of each visit in an epoch (None: every file once).
    """
    samplers = [
        ItemSampler(domain, domain_splits.train, list_visits(domain_splits.train))
        for domain, domain_splits in zip(domains, splits, strict=True)
    ]
    pools: list[LabelledPool] = []
    if batch_kind == "labelled" and labelled_data:
        for domain, labelled_splits in zip(sources, labelled_data, strict=True):
            pools.append(LabelledPool(((len(samplers), labelled_splits.train),), labelled_splits.known_columns))
            samplers.append(ItemSampler(domain, labelled_splits.splits.train))
    elif batch_kind == "labelled":
        assert labels is not None, "labeled batches need labels"
        eye = np.eye(len(domains), dtype=np.float32)
        strata = tuple(
            (sampler_index, np.broadcast_to(eye[sampler_index], (len(sampler.paths), len(eye))))
            for sampler_index, sampler in enumerate(samplers)
        )
        pools.append(LabelledPool(strata, labels.label_mask(0)))
    return BatchSampler(samplers, batch_kind, len(domains), seed, pools)
