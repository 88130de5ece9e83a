from __future__ import annotations

from pathlib import Path

import pytest

from unpaired.data.folders import discover, rediscover
from unpaired.data.layouts import is_single_domain, parse_split_name
from unpaired.errors import UsageError


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")
    return root


def listed(root: Path) -> dict[str, tuple[int, int]]:
    return {d.name: (len(d.train), len(d.test or ())) for d in discover([root])}


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("trainA", ("train", "A")),
        ("train0", ("train", "0")),
        ("train_A", ("train", "A")),
        ("trainS1", ("train", "S1")),
        ("Test-b", ("test", "b")),
        ("horse_train", ("train", "horse")),
        ("valB", ("validation", "B")),
        ("trainers", None),
        ("trains", None),
        ("valley", None),
        ("testimony", None),
    ],
)
def test_parse_split_name(name: str, parsed: tuple[str, str] | None) -> None:
    assert parse_split_name(name) == parsed


@pytest.mark.parametrize("form", ["{split}{k}", "{split}_{k}", "{split}S{k}", "{k}_{split}"])
def test_test_folders_are_not_in_the_training_files(tmp_path: Path, form: str) -> None:
    for split, count in (("train", 3), ("test", 2)):
        for k in "01":
            tree(tmp_path / form.format(split=split, k=k), *(f"{i}.png" for i in range(count)))
    assert list(listed(tmp_path).values()) == [(3, 2), (3, 2)]


@pytest.mark.parametrize(
    "names",
    [
        ("trainA/1.png", "trainB/1.png", "valA/1.png", "valB/2.png"),
        ("train/cat/1.png", "train/dog/1.png", "val/cat/1.png", "val/dog/2.png"),
        ("cat/1.png", "dog/1.png", "val/cat/2.png", "val/cat/3.png"),
        ("cat/1.png", "dog/1.png", "cat/val/2.png", "cat/val/3.png"),
        ("cat/train/1.png", "dog/train/1.png", "cat/val/2.png", "cat/val/3.png"),
    ],
)
def test_validation_folders_are_noted_and_not_in_the_training_files(tmp_path: Path, names: tuple[str, ...]) -> None:
    tree(tmp_path, *names)
    domains = discover([tmp_path])
    assert [len(d.train) for d in domains] == [1, 1]
    assert "val" in domains[0].note and " files)" in domains[0].note
    for domain in domains:
        assert list(rediscover(domain.name, domain.sources).train) == list(domain.train)


def test_a_common_test_folder_has_the_test_files_of_the_domains(tmp_path: Path) -> None:
    tree(tmp_path, "cat/1.png", "dog/1.png", "test/cat/2.png", "test/bird/3.png")
    assert listed(tmp_path) == {"cat": (1, 1), "dog": (1, 0)}
    assert "test/bird/ (1 files)" in discover([tmp_path])[0].note


def test_files_outside_of_domain_folders_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "train/a/1.png", "train/b/1.png", "train/2.png", "3.png", "4.png")
    note = discover([tmp_path])[0].note
    assert "1 files directly in train/" in note and "2 files directly in" in note


def test_one_training_folder_with_tests_raises_usage_error(tmp_path: Path) -> None:
    tree(tmp_path, "trainA/1.png", "testA/1.png")
    with pytest.raises(UsageError, match=r"trainA/.*testA"):
        discover([tmp_path])


def test_single_domain_is_a_folder_with_files_and_without_folders_of_domains(tmp_path: Path) -> None:
    def touch(*names: str) -> Path:
        return tree(tmp_path / f"{len(list(tmp_path.iterdir()))}", *names)

    assert is_single_domain(touch("a.wav", "b.wav"))
    assert is_single_domain(touch("a.wav", "test/b.wav"))
    assert is_single_domain(touch("train/a.wav", "test/b.wav"))
    assert not is_single_domain(touch("alice/a.wav", "bob/b.wav"))
    assert not is_single_domain(touch("a.wav", "bob/b.wav"))
    assert not is_single_domain(touch("train/alice/a.wav", "train/bob/b.wav"))
    single = touch("a.wav", "b.wav")
    assert [files.name for files in discover([single], allow_single=True)] == [single.name]
    with pytest.raises(UsageError, match="two or more domains"):
        discover([single])
