"""Selection of the files of each step: pairs of domains, and labeled items."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from unpaired.config.settings import StrictModel
from unpaired.data.domain import Domain
from unpaired.data.labelled_splits import LabelledSplits
from unpaired.data.paths import Paths
from unpaired.data.sampler import create_batch_sampler
from unpaired.data.split import DomainSplits
from unpaired.labels import LabelGroup, Labels, create_domain_labels


def domain(name: str) -> Domain:
    return Domain(name=name, sources=(), statistics=StrictModel())


def create_splits(name: str, count: int) -> DomainSplits:
    paths = Paths.from_files(Path(name), [(f"{i}.png", 1) for i in range(count)])
    none = paths.take([])
    return DomainSplits(name, paths, none, none, none, none, False)


NAMES = ("a", "b", "c", "d")
DOMAINS = [domain(name) for name in NAMES]
SETS = [create_splits(name, 3 + i) for i, name in enumerate(NAMES)]


def test_pair_batches_depend_on_the_step_only_and_cover_all_pairs() -> None:
    sampler = create_batch_sampler(DOMAINS, SETS, "pair", seed=3)
    selected = [tuple(sampler.select_indices(step, 0, 1, 2)) for step in range(200)]
    assert selected == [tuple(sampler.select_indices(step, 1, 2, 2)) for step in range(200)], (
        "another rank, another pair"
    )
    assert len(set(selected)) == 12 and all(len(set(pair)) == 2 for pair in selected)
    assert tuple(create_batch_sampler(DOMAINS[:2], SETS[:2], "pair", seed=3).select_indices(5, 0, 1, 1)) == ("X", "Y")


def test_labelled_batches_have_equally_many_items_of_each_folder() -> None:
    sampler = create_batch_sampler(DOMAINS, SETS, "labelled", 0, create_domain_labels(NAMES))
    samples = [sample for step in range(30) for sample in sampler.select_indices(step, 0, 1, 4)["x"]]
    assert all(len({sample.sampler_index for sample in samples[i : i + 4]}) == 4 for i in range(0, 120, 4))
    first = [sample.file_index for sample in samples if sample.sampler_index == 0]
    assert all(sorted(first[i : i + 3]) == [0, 1, 2] for i in range(0, 30, 3)), "every epoch has every file once"
    rows = dict(sampler.get_pool(0).strata)
    assert [rows[sampler_index][0].tolist().index(1) for sampler_index in range(4)] == [0, 1, 2, 3]


def test_micro_batches_partition_the_batch() -> None:
    sampler = create_batch_sampler(DOMAINS, SETS, "labelled", 0, create_domain_labels(NAMES))
    full_batch = sampler.select_indices(7, 0, 1, 6)["x"]
    assert full_batch == sampler.select_indices(7, 0, 2, 6)["x"] + sampler.select_indices(7, 1, 2, 6)["x"]


def test_joint_data_sets_alternate_by_step() -> None:
    labels = Labels(groups=(LabelGroup(values=("g",)), LabelGroup(values=("h",))), dataset_groups=((0,), (1,)))
    rows = [np.array([[1, 0]] * 5, np.float32), np.array([[0, 1]] * 7, np.float32)]
    none = np.zeros((0, 2), np.float32)
    data = [
        LabelledSplits(create_splits(f"s{i}", 5 + 2 * i), labels.label_mask(i), rows[i], none, none) for i in range(2)
    ]
    sampler = create_batch_sampler(DOMAINS, SETS, "labelled", 0, labels, [domain("s0"), domain("s1")], data)
    visits: Counter[int] = Counter()
    for step in range(14):
        samples = sampler.select_indices(step, 0, 1, 5)["x"]
        assert {sample.sampler_index for sample in samples} == {4 + step % 2}
        assert sampler.get_pool(step).known_columns == labels.label_mask(step % 2)
        visits.update(sample.file_index for sample in samples if sample.sampler_index == 4)
    assert set(visits.values()) == {7}, "seven steps of five items show five files seven times each"
