"""Training batches and evaluation items, loaded from files with a cache of decoded files.

Training batches are a pure function of (seed, step, micro-batch).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unpaired.cores import count_cores
from unpaired.data import counter_rng
from unpaired.data.domain import DOMAIN_KEYS, Domain
from unpaired.data.item_transform import Example, ItemTransform, LoadedItem
from unpaired.data.pairs import match_names
from unpaired.data.paths import Paths, split_item_path
from unpaired.data.sampler import BatchSampler, SampleIndex, create_batch_sampler
from unpaired.data.split import DomainSplits, SplitName
from unpaired.errors import UnreadableFileError, WorkError
from unpaired.routes import CONTEXT

CACHE_BYTES = 512 << 20
"""Default size of the cache of decoded files, in bytes; small collections fit and are decoded once."""
PREFETCH_BYTES = 256 << 20
"""Bytes of decoded files that are read ahead of the step, by the largest file so far."""
UnreadableFileHandler = Callable[[UnreadableFileError], None]


class EvaluationItem(NamedTuple):
    """One item for evaluation: its relative name and its tensor (C, H, W); an image is (C, size, size) in [-1, 1]."""

    name: str
    tensor: Tensor


class BatchLoader:
    """Load training batches, and items of the domains for evaluation.

    A batch of kind "each" has items of every domain, keyed "X", "Y", ... in order; of kind "pair", items of two domains
    that are selected at random in each step; of kind "labelled", items "x" of any domain of one data set, their
    "label", and the "label_mask" of known labels.

    The crop of an item depends on (seed, sampler, position) only. If a file cannot be read, the next one in the list is
    used and `on_unreadable` is called once; if its folder is gone or empty, WorkError is raised. `workers` threads
    decode the files of the next steps (0: no prefetching). Without `batch_sampler`, batches are of kind "each".
    `selection_seed` selects the items of evaluations if there are more than the limit (None: `seed`).
    """

    def __init__(
        self,
        domains: Sequence[Domain],
        splits: Sequence[DomainSplits],
        transform: ItemTransform,
        seed: int,
        *,
        selection_seed: int | None = None,
        batch_sampler: BatchSampler | None = None,
        workers: int | None = None,
        on_unreadable: UnreadableFileHandler | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.keys = DOMAIN_KEYS[: len(domains)]
        self._domains, self._splits, self._transform, self._seed = domains, splits, transform, seed
        self._batch_sampler = batch_sampler or create_batch_sampler(
            domains, splits, "each", seed, list_visits=transform.list_visits
        )
        self._selection_seed = seed if selection_seed is None else selection_seed
        self._workers = min(8, count_cores()) if workers is None else workers
        self._executor = ThreadPoolExecutor(self._workers, "decode") if self._workers else None
        self._on_unreadable = on_unreadable or (lambda _: None)
        self._free_cache_bytes = cache_bytes
        self._cache: dict[tuple[int, int], LoadedItem] = {}
        self._failed_files: set[tuple[int, int]] = set()
        self._pending_files: OrderedDict[tuple[int, int], Future[LoadedItem]] = OrderedDict()
        self._largest_item_bytes = 0
        self._file_count = sum(self._batch_sampler.count_files())

    def load_batch(self, step: int, micro_batch: int, micro_batch_count: int, batch_size: int) -> dict[str, Tensor]:
        """Return the items of a micro-batch (from 0) by domain key, each float32 (b, C, H, W).

        `batch_size` is the number of items of each domain, summed over micro-batches. Labeled batches also have
        "label" and "label_mask" (b, L) with values 0 and 1; unknown labels are 0. If the transform has context
        channels, they are in "X.context". Raises WorkError if no file of a domain can be read.
        """
        out: dict[str, Tensor] = {}
        selected = self._batch_sampler.select_indices(step, micro_batch, micro_batch_count, batch_size)
        for key, sample_indices in selected.items():
            file_indices, x = self._load_examples(sample_indices)
            count = x.shape[1] - self._transform.context_channels
            out[key] = x[:, :count]
            if count < x.shape[1]:
                out[key + CONTEXT] = x[:, count:]
        if self._batch_sampler.batch_kind == "labelled":
            labelled_pool = self._batch_sampler.get_pool(step)
            labels_by_sampler = dict(labelled_pool.strata)
            out["label"] = torch.from_numpy(
                np.stack(
                    [
                        labels_by_sampler[sample_index.sampler_index][file_index]
                        for sample_index, file_index in zip(sample_indices, file_indices, strict=True)
                    ]
                )
            )
            out["label_mask"] = torch.tensor(labelled_pool.known_columns).expand(len(sample_indices), -1)
        self._prefetch(step, micro_batch, micro_batch_count, batch_size)
        return out

    def count_files(self, key: str, split_name: SplitName) -> int:
        """Return the number of files of a domain in one split."""
        return len(self._splits[self.keys.index(key)].get_paths(split_name))

    def iterate_items(self, key: str, split_name: SplitName, limit: int | None = None) -> Iterator[EvaluationItem]:
        """Yield the evaluation items of a domain in one split; at most `limit`, selected by the selection seed."""
        domain_index = self.keys.index(key)
        paths = self._splits[domain_index].get_paths(split_name)
        return iterate_items(
            paths,
            self._domains[domain_index],
            self._transform,
            self._select_indices(len(paths), limit),
            on_unreadable=self._on_unreadable,
        )

    def iterate_pairs(
        self, source: str, target: str, split_name: SplitName = "test", limit: int | None = None
    ) -> Iterator[tuple[str, Tensor, Tensor]]:
        """Yield items of two domains with equal names (without suffix): name, source tensor, target tensor.

        At most `limit` pairs are selected by the selection seed.
        """
        a, b = self.keys.index(source), self.keys.index(target)
        source_paths, target_paths = self._splits[a].get_paths(split_name), self._splits[b].get_paths(split_name)
        index_pairs = match_names(source_paths, target_paths)
        for i, j in (index_pairs[n] for n in self._select_indices(len(index_pairs), limit)):
            try:
                x = _load_evaluation_item(source_paths, i, self._domains[a], self._transform)
                y = _load_evaluation_item(target_paths, j, self._domains[b], self._transform)
            except UnreadableFileError as error:
                self._on_unreadable(error)
                continue
            yield source_paths[i], x, y

    def _select_indices(self, count: int, limit: int | None) -> Sequence[int]:
        """Return the sorted indices of at most `limit` random items of `count`."""
        if limit is None or limit >= count:
            return range(count)
        permutation = counter_rng.generate_permutation(count, self._selection_seed)
        return [int(index) for index in np.sort(permutation[:limit])]

    def close(self) -> None:
        """Stop the decoding threads."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def _load_examples(self, sample_indices: Sequence[SampleIndex]) -> tuple[list[int], Tensor]:
        """Return the indices of the files that were read, and the batch of their crops."""
        examples: list[Example] = []
        file_indices = []
        for sample_index in sample_indices:
            random_bits = counter_rng.generate_bits(
                self._seed, sample_index.sampler_index, sample_index.position, np.arange(3)
            )
            first, second, third = ((random_bits >> np.uint64(11)).astype(np.float64) * 2.0**-53).tolist()
            index, loaded_item = self._load_readable(sample_index.sampler_index, sample_index.file_index)
            file_indices.append(index)
            examples.append(self._transform.crop(loaded_item, (first, second, third)))
        if not examples:
            raise ValueError("a micro-batch has no items: the batch size must be at least the number of micro-batches")
        if len({example.dtype for example in examples}) == 1:
            return file_indices, self._transform.to_tensor(np.stack(examples))
        # A labeled batch may mix domains of 8 and of more bits, whose examples have different types.
        return file_indices, torch.cat([self._transform.to_tensor(example[None]) for example in examples])

    def _load_readable(self, sampler_index: int, file_index: int) -> tuple[int, LoadedItem]:
        """Return the index and the item of a file, or of the next file in the list that can be read."""
        domain, paths, _ = self._batch_sampler.samplers[sampler_index]
        for i in range(file_index, file_index + len(paths)):
            key = (sampler_index, i % len(paths))
            if key in self._cache:
                return key[1], self._cache[key]
            if key in self._failed_files:
                continue
            pending_item = self._pending_files.pop(key, None)
            try:
                loaded_item = self._load_file(*key) if pending_item is None else pending_item.result()
            except UnreadableFileError as error:
                require_folder(split_item_path(paths.get_path(key[1]))[0].parent, error)
                self._failed_files.add(key)
                self._on_unreadable(error)
                continue
            self._largest_item_bytes = max(self._largest_item_bytes, loaded_item.nbytes)
            if loaded_item.nbytes <= self._free_cache_bytes:
                self._cache[key] = loaded_item
                self._free_cache_bytes -= loaded_item.nbytes
            return key[1], loaded_item
        raise WorkError(f"domain '{domain.name}': none of its {len(paths):,} training files can be read")

    def _load_file(self, sampler_index: int, file_index: int) -> LoadedItem:
        domain, paths, _ = self._batch_sampler.samplers[sampler_index]
        return self._transform.load(paths.get_path(file_index), domain, training=True)

    def _prefetch(self, step: int, micro_batch: int, micro_batch_count: int, batch_size: int) -> None:
        """Submit the files of the next steps for decoding, at most a few per worker."""
        if self._executor is None or len(self._cache) + len(self._failed_files) == self._file_count:
            return
        target_count = max(2 * self._workers, 2 * len(self.keys) * (batch_size // micro_batch_count + 1))
        if self._largest_item_bytes:
            target_count = min(target_count, max(1, PREFETCH_BYTES // self._largest_item_bytes))
        while len(self._pending_files) > 2 * target_count:  # left over from steps that were not loaded
            self._pending_files.popitem(last=False)[1].cancel()
        steps_ahead = 1
        while steps_ahead <= target_count and len(self._pending_files) < target_count:
            for sample_indices in self._batch_sampler.select_indices(
                step + steps_ahead, micro_batch, micro_batch_count, batch_size
            ).values():
                for sample_index in sample_indices:
                    key = (sample_index.sampler_index, sample_index.file_index)
                    if key not in self._cache and key not in self._failed_files and key not in self._pending_files:
                        self._pending_files[key] = self._executor.submit(self._load_file, *key)
            steps_ahead += 1


def require_folder(folder: Path, error: UnreadableFileError) -> None:
    """Raise WorkError if the folder of an unreadable file is gone or empty, as after a drive was disconnected."""
    try:
        with os.scandir(folder) as entries:
            is_present = next(entries, None) is not None
    except OSError:
        is_present = False
    if not is_present:
        raise WorkError(
            f"{folder}: the data are gone ({error}). Restore them and continue with --resume RUN, or give the new "
            "place of the data: --resume RUN --data DATA"
        ) from error


def iterate_items(
    paths: Paths,
    domain: Domain,
    transform: ItemTransform,
    selected_indices: Sequence[int] | None = None,
    *,
    on_unreadable: UnreadableFileHandler | None = None,
) -> Iterator[EvaluationItem]:
    """Yield the evaluation items of files, one at a time.

    A file that cannot be read is passed to `on_unreadable` and skipped.
    """
    for i in range(len(paths)) if selected_indices is None else selected_indices:
        try:
            x = _load_evaluation_item(paths, i, domain, transform)
        except UnreadableFileError as error:
            if on_unreadable is not None:
                on_unreadable(error)
            continue
        yield EvaluationItem(paths[i], x)


def _load_evaluation_item(paths: Paths, index: int, domain: Domain, transform: ItemTransform) -> Tensor:
    return transform.to_tensor(
        transform.crop_for_evaluation(transform.load(paths.get_path(index), domain, training=False))[None]
    )[0]
