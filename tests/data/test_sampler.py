"""Which files a step takes: pairs of many domains, and labelled items of all."""

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


def sets(name: str, count: int) -> DomainSplits:
    paths = Paths.from_files(Path(name), [(f"{i}.png", 1) for i in range(count)])
    none = paths.take([])
    return DomainSplits(name, paths, none, none, none, none, False)


NAMES = ("a", "b", "c", "d")
DOMAINS = [domain(name) for name in NAMES]
SETS = [sets(name, 3 + i) for i, name in enumerate(NAMES)]


def test_a_pair_is_drawn_by_the_step_alone_and_all_pairs_come_up() -> None:
    walks = create_batch_sampler(DOMAINS, SETS, "pair", seed=3)
    drawn = [tuple(walks.select_indices(step, 0, 1, 2)) for step in range(200)]
    assert drawn == [tuple(walks.select_indices(step, 1, 2, 2)) for step in range(200)], "another rank, another pair"
    assert len(set(drawn)) == 12 and all(len(set(pair)) == 2 for pair in drawn)
    assert tuple(create_batch_sampler(DOMAINS[:2], SETS[:2], "pair", seed=3).select_indices(5, 0, 1, 1)) == ("X", "Y")


def test_labelled_items_come_from_all_folders_alike() -> None:
    walks = create_batch_sampler(DOMAINS, SETS, "labelled", 0, create_domain_labels(NAMES))
    spots = [spot for step in range(30) for spot in walks.select_indices(step, 0, 1, 4)["x"]]
    assert all(len({spot.sampler_index for spot in spots[i : i + 4]}) == 4 for i in range(0, 120, 4))
    first = [spot.file_index for spot in spots if spot.sampler_index == 0]
    assert all(sorted(first[i : i + 3]) == [0, 1, 2] for i in range(0, 30, 3)), "every epoch has every file once"
    rows = dict(walks.get_pool(0).strata)
    assert [rows[walk][0].tolist().index(1) for walk in range(4)] == [0, 1, 2, 3]


def test_shards_are_parts_of_the_whole_batch() -> None:
    walks = create_batch_sampler(DOMAINS, SETS, "labelled", 0, create_domain_labels(NAMES))
    whole = walks.select_indices(7, 0, 1, 6)["x"]
    assert whole == walks.select_indices(7, 0, 2, 6)["x"] + walks.select_indices(7, 1, 2, 6)["x"]


def test_joint_data_sets_take_turns_by_the_step() -> None:
    labels = Labels(groups=(LabelGroup(values=("g",)), LabelGroup(values=("h",))), dataset_groups=((0,), (1,)))
    rows = [np.array([[1, 0]] * 5, np.float32), np.array([[0, 1]] * 7, np.float32)]
    none = np.zeros((0, 2), np.float32)
    data = [LabelledSplits(sets(f"s{i}", 5 + 2 * i), labels.label_mask(i), rows[i], none, none) for i in range(2)]
    walks = create_batch_sampler(DOMAINS, SETS, "labelled", 0, labels, [domain("s0"), domain("s1")], data)
    seen: Counter[int] = Counter()
    for step in range(14):
        spots = walks.select_indices(step, 0, 1, 5)["x"]
        assert {spot.sampler_index for spot in spots} == {4 + step % 2}
        assert walks.get_pool(step).known_columns == labels.label_mask(step % 2)
        seen.update(spot.file_index for spot in spots if spot.sampler_index == 4)
    assert set(seen.values()) == {7}, "seven steps of five items show five files seven times each"
