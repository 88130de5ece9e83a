"""The budget of the preset `paper` in epochs, against the items that the sampler selects."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from unpaired.config.settings import StrictModel
from unpaired.data.domain import Domain
from unpaired.data.paths import Paths
from unpaired.data.sampler import create_batch_sampler
from unpaired.data.split import DomainSplits
from unpaired.labels import BatchKind, create_domain_labels
from unpaired.training.setup import count_epoch_steps


def create_splits(name: str, count: int) -> DomainSplits:
    paths = Paths.from_files(Path(name), [(f"{i}.png", 1) for i in range(count)])
    none = paths.take([])
    return DomainSplits(name, paths, none, none, none, none, False)


@pytest.mark.parametrize(
    ("batch_kind", "count"), [("each", 2), ("pair", 2), ("pair", 5), ("labelled", 2), ("labelled", 5)]
)
def test_an_epoch_selects_as_many_items_of_the_largest_domain_as_it_has(batch_kind: BatchKind, count: int) -> None:
    names, sizes, batch_size, epochs = "abcde"[:count], [400, 120, 100, 90, 30][:count], 10, 20
    domains = [Domain(name=name, sources=(), statistics=StrictModel()) for name in names]
    splits = [create_splits(name, size) for name, size in zip(names, sizes, strict=True)]
    sampler = create_batch_sampler(domains, splits, batch_kind, 0, create_domain_labels(names))
    selected: Counter[int] = Counter()
    for step in range(epochs * count_epoch_steps(batch_kind, sizes, count, batch_size)):
        for samples in sampler.select_indices(step, 0, 1, batch_size).values():
            selected.update(sample.sampler_index for sample in samples)
    # Pairs of domains are random: the standard deviation is about 2 %.
    assert selected[0] == pytest.approx(epochs * sizes[0], rel=0.06 if batch_kind == "pair" else 1e-9)


def test_steps_are_rounded_up() -> None:
    assert count_epoch_steps("each", [101, 7], 2, 10) == 11
    assert count_epoch_steps("pair", [101, 7, 5], 3, 10) == 16
    assert count_epoch_steps("labelled", [101, 7], 2, 16) == 13
