from __future__ import annotations

from pathlib import Path

import pytest

from unpaired.data.folders import DomainFiles
from unpaired.data.paths import Paths
from unpaired.data.split import (
    DomainSplits,
    choose_evaluation_split,
    compute_holdout_counts,
    describe_changes,
    read_file_list,
    split_files,
    write_file_list,
)
from unpaired.errors import WorkError
from unpaired.media import MEDIA

IMAGE = MEDIA["image"]


def files(count: int, tests: int | None = None, suffix: str = "png", start: int = 0) -> DomainFiles:
    names = [(f"p{i:04}.{suffix}", i) for i in range(start, start + count)]
    test = None if tests is None else Paths.from_files(Path("/d/test"), [(f"t{i}.png", i) for i in range(tests)])
    return DomainFiles("a", Paths.from_files(Path("/d"), names), test, 0, medium=IMAGE)


def contents(sets: DomainSplits) -> list[list[str]]:
    return [list(p) for p in (sets.train, sets.validation, sets.test, sets.skipped, sets.test_skipped)]


@pytest.mark.parametrize(
    ("count", "holdout_fraction", "tests", "expected"),
    [
        (9, 0.1, False, (0, 0)),
        (10, 0.1, False, (1, 1)),
        (12, 0.01, False, (1, 1)),
        (100, 0.0, False, (0, 0)),
        (100, 0.5, False, (33, 33)),
        (1000, 0.1, False, (100, 100)),
        (1000, 0.1, True, (100, 0)),
        (100_000, 0.1, False, (200, 1000)),
    ],
)
def test_compute_holdout_counts(count: int, holdout_fraction: float, tests: bool, expected: tuple[int, int]) -> None:
    assert compute_holdout_counts(count, holdout_fraction, tests) == expected


def test_splits_are_disjoint_complete_and_sorted() -> None:
    sets = split_files(files(200), 0.1, seed=3)
    parts = contents(sets)
    assert [len(p) for p in parts] == [160, 20, 20, 0, 0]
    assert sorted(name for part in parts for name in part) == list(files(200).train)
    assert all(p == sorted(p) for p in parts)


def test_the_split_depends_on_the_seed_and_not_on_the_order() -> None:
    listed = files(200)
    reversed_files = DomainFiles("a", listed.train.take(list(range(199, -1, -1))), None, 0, medium=IMAGE)
    one, other = split_files(listed, 0.1, 0), split_files(reversed_files, 0.1, 0)
    assert sorted(one.test) == sorted(other.test) and sorted(one.validation) == sorted(other.validation)
    assert sorted(split_files(listed, 0.1, 1).test) != sorted(one.test)


def test_files_with_equal_names_are_in_the_same_split() -> None:
    one, other = split_files(files(200), 0.1, 0), split_files(files(200, suffix="jpg"), 0.1, 0)
    assert [n[:-4] for n in one.test] == [n[:-4] for n in other.test]


def test_a_test_folder_is_the_test_split() -> None:
    sets = split_files(files(100, tests=7), 0.1, 0)
    assert len(sets.train) == 90 and len(sets.validation) == 10
    assert list(sets.test) == [f"t{i}.png" for i in range(7)] and sets.test.get_path(0) == Path("/d/test/t0.png")


def test_unreadable_files_are_skipped() -> None:
    sets = split_files(files(20, tests=3), 0.1, 0, {"/d/p0003.png", "/d/test/t1.png"})
    assert list(sets.skipped) == ["p0003.png"] and list(sets.test_skipped) == ["t1.png"]
    assert len(sets.train) + len(sets.validation) == 19 and list(sets.test) == ["t0.png", "t2.png"]


@pytest.mark.parametrize("tests", [None, 3])
def test_a_written_file_list_can_be_read_again(tmp_path: Path, tests: int | None) -> None:
    listed = files(30, tests)
    sets = split_files(listed, 0.1, 0, {"/d/p0003.png", "/d/test/t1.png"})
    write_file_list(tmp_path / "a.tsv", sets)
    read_splits = read_file_list(tmp_path / "a.tsv", "a", listed.sources)
    assert contents(read_splits) == contents(sets) and read_splits.has_test_folder == sets.has_test_folder
    assert read_splits.train.sizes.tolist() == sets.train.sizes.tolist()
    assert read_splits.test.get_path(0) == sets.test.get_path(0)
    assert describe_changes(read_splits, listed) == []
    assert [p.name for p in tmp_path.iterdir()] == ["a.tsv"]


def test_special_characters_in_names_survive_a_file_list(tmp_path: Path) -> None:
    names = ["a\tb.png", "a\nb.png", "a\\nb.png", "c\udce9.png", "d\r.png"]
    listed = DomainFiles("a", Paths.from_files(tmp_path, [(n, 1) for n in names]), None, 0, medium=IMAGE)
    write_file_list(tmp_path / "a.tsv", split_files(listed, 0, 0))
    assert list(read_file_list(tmp_path / "a.tsv", "a", listed.sources).train) == names


def test_describe_changes_lists_new_missing_and_resized_files() -> None:
    recorded = split_files(files(30), 0.1, 0)
    assert describe_changes(recorded, files(31)) == ["a: p0030.png is new"]
    assert describe_changes(recorded, files(25)) == ["a: p0025.png, p0026.png, p0027.png and 2 more are missing"]
    moved = describe_changes(recorded, files(30, start=2))
    assert moved == ["a: p0000.png, p0001.png are missing", "a: p0030.png, p0031.png are new"]
    resized = DomainFiles(
        "a", Paths.from_files(Path("/d"), [(f"p{i:04}.png", max(i, 1)) for i in range(30)]), None, 0, medium=IMAGE
    )
    assert describe_changes(recorded, resized) == ["a: p0000.png is of another size"]


def test_describe_changes_includes_the_test_folder() -> None:
    recorded = split_files(files(30, tests=3), 0.1, 0)
    assert describe_changes(recorded, files(30, tests=3)) == []
    assert describe_changes(recorded, files(30, tests=4)) == ["a: t3.png is new"]
    assert describe_changes(recorded, files(30)) == ["a: t0.png, t1.png, t2.png are missing"]


@pytest.mark.parametrize("text", ["", "set\tbytes\tname\nother\t1\ta\n", "set\tbytes\tname\ntrain\tmany\ta\n", "x\n"])
def test_damaged_file_lists_raise_work_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(WorkError, match=r"a\.tsv: cannot be read"):
        read_file_list(tmp_path / "a.tsv", "a", ("/d",))


def test_choose_evaluation_split_prefers_the_split_of_most_domains(tmp_path: Path) -> None:
    none, some = (Paths.from_files(tmp_path, names) for names in ((), [("a.png", 1)]))

    def sets(validation: Paths, test: Paths) -> DomainSplits:
        return DomainSplits("d", some, validation, test, none, none, has_test_folder=False)

    assert choose_evaluation_split([sets(some, some), sets(some, some)]) == "test"
    assert choose_evaluation_split([sets(some, some), sets(some, none)]) == "validation"
    assert choose_evaluation_split([sets(none, some), sets(none, some), sets(none, none)]) == "test", (
        "one rare value has no test files"
    )
    assert choose_evaluation_split([sets(some, some), sets(none, none)]) is None
