from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unpaired.comparison.folder import ComparisonFolder
from unpaired.data.artifacts import RUN_MARKERS, SHARDS_FOLDER, TRANSLATION_MARKERS
from unpaired.data.folders import DomainFiles, discover, rediscover
from unpaired.data.paths import Paths, remove_suffix
from unpaired.errors import UsageError, WorkError
from unpaired.runs.folder import RunFolder
from unpaired.translate.manifest import DATABASE_NAME as MANIFEST


def tree(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"12345")
    return root


def found(domains: list[DomainFiles]) -> dict[str, tuple[list[str], list[str] | None]]:
    return {d.name: (list(d.train), None if d.test is None else list(d.test)) for d in domains}


def test_a_folder_per_domain_with_nested_hidden_and_other_files(tmp_path: Path) -> None:
    tree(tmp_path / "a", "2.PNG", "10.jpg", "in/deep/1.webp", ".hidden.png", ".git/x.png", "notes.txt", "noending")
    tree(tmp_path / "b", "1.tif", "1.tiff", "1.bmp", "1.jpeg")
    domains = discover([tmp_path / "a", tmp_path / "b"])
    assert found(domains) == {
        "a": (["10.jpg", "2.PNG", "in/deep/1.webp"], None),
        "b": (["1.bmp", "1.jpeg", "1.tif", "1.tiff"], None),
    }
    assert [d.ignored for d in domains] == [2, 0]
    assert domains[0].train.sizes.tolist() == [5, 5, 5]
    assert domains[0].sources == (str(tmp_path / "a"),)
    assert domains[0].train.get_path(2) == tmp_path / "a" / "in" / "deep" / "1.webp"


def test_one_folder_with_a_subfolder_per_domain(tmp_path: Path) -> None:
    tree(tmp_path, "horse/1.png", "zebra/1.png", "zebra/test/2.png", ".cache/1.png", "readme.md")
    assert found(discover([tmp_path])) == {"horse": (["1.png"], None), "zebra": (["1.png"], ["2.png"])}


def test_train_a_and_train_b_layout(tmp_path: Path) -> None:
    tree(tmp_path, "trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png")
    domains = discover([tmp_path])
    assert found(domains) == {"A": (["1.png"], ["3.png"]), "B": (["2.png"], ["4.png"])}
    assert domains[0].sources == (str(tmp_path / "trainA"), str(tmp_path / "testA"))


def test_train_a_and_train_b_layout_without_tests(tmp_path: Path) -> None:
    tree(tmp_path, "trainA/1.png", "trainB/2.png")
    assert found(discover([tmp_path])) == {"A": (["1.png"], None), "B": (["2.png"], None)}


def test_train_and_test_in_each_domain(tmp_path: Path) -> None:
    tree(tmp_path, "a/train/1.png", "a/test/2.png", "a/val/3.png", "b/train/1.png", "b/test/notes.txt")
    domains = discover([tmp_path])
    assert found(domains) == {"a": (["1.png"], ["2.png"]), "b": (["1.png"], None)}
    assert "val" in domains[0].note and "no files" in domains[1].note


def test_train_and_test_with_domains_inside(tmp_path: Path) -> None:
    tree(tmp_path, "train/a/1.png", "train/b/2.png", "test/a/3.png")
    assert found(discover([tmp_path])) == {"a": (["1.png"], ["3.png"]), "b": (["2.png"], None)}


def test_rediscover_lists_the_same(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "a/test/2.png", "b/train/1.png", "trainer/1.png")
    for domain in discover([tmp_path]):
        assert found([rediscover(domain.name, domain.sources)]) == found([domain])


def test_relative_sources_are_recorded_as_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a/1.png", "b/1.png")
    monkeypatch.chdir(tmp_path / "a")
    domains = discover([Path(), Path("../b")])
    assert [d.name for d in domains] == ["a", "b"] and domains[1].sources == (str(tmp_path / "b"),)


def test_symbolic_link_loops_are_visited_once(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "a/sub/2.png", "b/1.png")
    (tmp_path / "a" / "sub" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "broken.png").symlink_to(tmp_path / "none.png")
    (tmp_path / "a" / "linked.png").symlink_to(tmp_path / "b" / "1.png")
    domains = discover([tmp_path])
    assert list(domains[0].train) == ["1.png", "linked.png", "sub/2.png"]


def usage(sources: list[Path]) -> str:
    with pytest.raises(UsageError) as caught:
        discover(sources)
    return str(caught.value)


def test_paths_that_are_not_folders_raise_usage_error(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "b/1.png")
    assert "does not exist" in usage([tmp_path / "a", tmp_path / "none"])
    assert "is a file" in usage([tmp_path / "a", tmp_path / "b" / "1.png"])
    assert "no folder given" in usage([])


def test_fewer_than_two_domains_raise_usage_error(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png")
    assert "only one ('a')" in usage([tmp_path])
    assert "none" in usage([tmp_path / "a"])
    tree(tmp_path / "r", "train/1.png", "test/1.png")
    assert "none" in usage([tmp_path / "r"])


def test_equal_domain_names_raise_usage_error(tmp_path: Path) -> None:
    tree(tmp_path, "x/cats/1.png", "y/cats/1.png")
    message = usage([tmp_path / "x" / "cats", tmp_path / "y" / "cats"])
    assert "'cats'" in message and "rename" in message


@pytest.mark.parametrize("name", ["a,b", "a=b"])
def test_names_with_comma_or_equals_sign_raise_usage_error(tmp_path: Path, name: str) -> None:
    tree(tmp_path, f"{name}/1.png", "c/1.png")
    assert name in usage([tmp_path])


def test_an_empty_domain_raises_work_error(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "b/table.xlsx", "b/notes.txt")
    with pytest.raises(WorkError, match=r"domain 'b'.*2 files of other kinds: .*\.xlsx 1.*expected .*\.png"):
        discover([tmp_path])


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_raises_work_error(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "b/1.png", "b/sub/1.png")
    (tmp_path / "b" / "sub").chmod(0)
    try:
        with pytest.raises(WorkError, match="sub: the folder cannot be read"):
            discover([tmp_path])
    finally:
        (tmp_path / "b" / "sub").chmod(0o755)


def test_permission_error_of_scandir_raises_work_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path, "a/1.png", "b/1.png", "b/sub/1.png")
    real: Callable[..., object] = os.scandir

    def scandir(path: str) -> object:
        if str(path).rstrip("/").endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(WorkError, match=r"sub/?: the folder cannot be read \(Permission denied\)"):
        discover([tmp_path])


def test_files_are_sorted_by_folder_and_name(tmp_path: Path) -> None:
    names = [f"{i % 7}/{i * 7919 % 2000:04}.png" for i in range(2000)]
    tree(tmp_path / "a", *names)
    tree(tmp_path / "b", "1.png")
    train = discover([tmp_path])[0].train
    assert list(train) == sorted(names)


def test_names_that_are_not_utf8_are_listed(tmp_path: Path) -> None:
    tree(tmp_path, "a/1.png", "b/1.png")
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / "a" / name).write_bytes(b"")
    train = discover([tmp_path])[0].train
    assert list(train) == ["1.png", name] and train.get_path(1).exists()


def test_paths_take_less_than_a_hundred_bytes_per_name() -> None:
    count = 100_000
    tracemalloc.start()
    paths = Paths.from_files(Path("/data"), ((f"folder{i % 1000:03}/picture{i:07}.jpg", i) for i in range(count)))
    half = paths.take(np.arange(0, count, 2))
    used_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used_bytes < 100 * count
    assert (len(half), half[25_000], int(half.sizes[25_000])) == (50_000, "folder000/picture0050000.jpg", 50_000)


def test_remove_suffix() -> None:
    assert [remove_suffix(n) for n in ("a.png", "x.y/a.tar.png", "x.y/a", ".png", "x/.png")] == [
        "a",
        "x.y/a.tar",
        "x.y/a",
        ".png",
        "x/.png",
    ]


def test_mixed_media_raise_work_error(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.wav", "b/1.png", "c/1.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(WorkError, match=r"domain 'a' has pictures \(1.png\) and recordings \(2.wav\)"):
        discover([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(WorkError, match="'b' has pictures but 'c' has recordings"):
        discover([tmp_path / "b", tmp_path / "c"])


def test_runs_comparisons_and_translations_are_left_out(tmp_path: Path) -> None:
    runs = ("runs/x/config.yaml", "runs/x/history.jsonl", "runs/x/samples/1.png", "runs/deep/4/config.yaml")
    tree(tmp_path, "a/1.png", "b/1.png", *runs, "runs/deep/4/model.safetensors", "out/.unpaired.sqlite", "out/1.png")
    tree(tmp_path / "b", "out/.unpaired.sqlite", "out/2.png", "in/compared/comparison.yaml", "in/compared/p/3.png")
    domains = discover([tmp_path])
    assert found(domains) == {"a": (["1.png"], None), "b": (["1.png"], None)}
    assert [d.note for d in domains] == [
        "left out, as unpaired wrote them: out, runs",
        "left out, as unpaired wrote them: out, in/compared",
    ]
    assert found(discover([tmp_path / "a", tmp_path / "out"]))["out"] == (["1.png"], None), "given by name, it counts"
    with pytest.raises(UsageError, match=r"runs/x: is a run or a comparison, not data; expected"):
        discover([tmp_path / "runs" / "x", tmp_path / "a"])
    tree(tmp_path, "runs/1.png")
    assert [d.name for d in discover([tmp_path])] == ["a", "b", "runs"], "other files are data"


def test_markers_are_the_files_that_are_written(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    names = {run.config.name, run.history.name, run.model_path("last").name, ComparisonFolder(tmp_path).manifest.name}
    assert names == {name for mark in RUN_MARKERS for name in mark} and TRANSLATION_MARKERS == (MANIFEST, SHARDS_FOLDER)
