from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from unpaired.data import counter_rng
from unpaired.data.batches import BatchLoader
from unpaired.data.domain import Domain
from unpaired.data.folders import discover
from unpaired.data.pairs import match_names, require_pairs
from unpaired.data.sampler import create_batch_sampler
from unpaired.data.split import DomainSplits, split_files
from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.labels import LabelGroup, Labels, create_domain_labels
from unpaired.media.image.crops import convert_crops_to_tensor, crop, load_scaled_image, scale_image
from unpaired.media.image.image_io import DecodedImage
from unpaired.media.image.settings import ImageSettings, ImageStatistics
from unpaired.media.image.transform import ImageTransform

CROP = ImageSettings(size=16, resize_mode="crop", flip=False, channels="1")


def domain(name: str, **changes: Any) -> Domain:
    return Domain(name=name, sources=(), statistics=ImageStatistics.model_validate(changes))


def write_flat_images(root: Path, counts: Sequence[int] = (5, 7), size: int = 16) -> Path:
    """Write pictures of one value each, which identifies them: 10, 20, ... in a; 15, 25, ... in b; 12, 22 ... in c."""
    for name, offset, count in zip("abc", (10, 15, 12), counts, strict=False):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.full((size, size), offset + 10 * i, np.uint8)).save(root / name / f"{i:02}.png")
    return root


def create_loader(
    root: Path, data: ImageSettings = CROP, seed: int = 0, holdout_fraction: float = 0, **options: Any
) -> BatchLoader:
    found = discover([root])
    sets = [split_files(files, holdout_fraction, seed) for files in found]
    return BatchLoader([domain(f.name) for f in found], sets, ImageTransform(data), seed, **options)


def mean_values(x: torch.Tensor) -> list[int]:
    return [round((v + 1) * 127.5) for v in x.mean((1, 2, 3)).tolist()]


def test_a_batch_has_one_key_per_domain_in_order(tmp_path: Path) -> None:
    batch = create_loader(write_flat_images(tmp_path, (2, 2, 2))).load_batch(0, 0, 1, 2)
    assert list(batch) == ["X", "Y", "X3"]
    assert all(x.shape == (2, 1, 16, 16) and x.dtype == torch.float32 for x in batch.values())
    assert [sorted(mean_values(x)) for x in batch.values()] == [[10, 20], [15, 25], [12, 22]]


def test_each_epoch_visits_every_file_once_in_another_order(tmp_path: Path) -> None:
    batches = create_loader(write_flat_images(tmp_path))
    visited = [mean_values(batches.load_batch(step, 0, 1, 1)["X"])[0] for step in range(10)]
    assert sorted(visited[:5]) == sorted(visited[5:]) == [10, 20, 30, 40, 50]
    visited = [v for step in range(7) for v in mean_values(batches.load_batch(step, 0, 1, 5)["X"])]
    assert all(sorted(visited[i : i + 5]) == [10, 20, 30, 40, 50] for i in range(0, 35, 5))
    assert len({tuple(visited[i : i + 5]) for i in range(0, 35, 5)}) > 1


def test_domains_have_independent_orders(tmp_path: Path) -> None:
    batches = create_loader(write_flat_images(tmp_path, (6, 6)))
    orders = [[v // 10 for v in mean_values(batches.load_batch(0, 0, 1, 6)[key])] for key in "XY"]
    assert sorted(orders[0]) == sorted(orders[1]) and orders[0] != orders[1]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cache_bytes", [0, 300, 1 << 20])
def test_batches_are_a_pure_function_of_seed_step_and_micro_batch(
    tmp_path: Path, workers: int, cache_bytes: int
) -> None:
    data = ImageSettings(size=8, resize_mode="scale", load_size_ratio=1.5, channels="1")
    write_flat_images(tmp_path)
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (20, 30), np.uint8)).save(tmp_path / "a" / "noise.png")
    reference = create_loader(tmp_path, data, workers=0)
    expected = [reference.load_batch(step, 0, 1, 4) for step in range(6)]
    batches = create_loader(tmp_path, data, workers=workers, cache_bytes=cache_bytes)
    for step in (3, 0, 5, 5, 1):
        for key, x in batches.load_batch(step, 0, 1, 4).items():
            assert torch.equal(x, expected[step][key])
    for count in (2, 3, 4):
        parts = [batches.load_batch(2, i, count, 4)["X"] for i in range(count)]
        assert torch.equal(torch.cat(parts), expected[2]["X"])
    other = create_loader(tmp_path, data, seed=1).load_batch(0, 0, 1, 4)
    assert not torch.equal(other["X"], expected[0]["X"])
    batches.close()
    assert torch.equal(batches.load_batch(4, 0, 1, 4)["Y"], expected[4]["Y"])


def test_a_micro_batch_without_items_raises_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no items"):
        create_loader(write_flat_images(tmp_path)).load_batch(0, 0, 2, 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_file_is_replaced_and_reported_once(tmp_path: Path, workers: int) -> None:
    write_flat_images(tmp_path)
    reported: list[UnreadableFileError] = []
    batches = create_loader(tmp_path, workers=workers, on_unreadable=reported.append)
    whole = [mean_values(batches.load_batch(s, 0, 1, 5)["X"]) for s in range(3)]
    (tmp_path / "a" / "01.png").write_bytes(b"")
    (tmp_path / "a" / "02.png").unlink()
    batches = create_loader(replace_by_text(tmp_path), workers=workers, on_unreadable=reported.append)
    again = [mean_values(batches.load_batch(s, 0, 1, 5)["X"]) for s in range(3)]
    assert again == [[{20: 40, 30: 40}.get(v, v) for v in step] for step in whole]
    assert sorted(Path(bad.path).name for bad in reported) == ["01.png", "02.png"]


def replace_by_text(root: Path) -> Path:
    """Replace 02.png by text: it is listed, but reading it fails."""
    (root / "a" / "02.png").write_text("no picture")
    return root


def test_a_domain_without_readable_files_raises_work_error(tmp_path: Path) -> None:
    batches = create_loader(write_flat_images(tmp_path))
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(WorkError, match="domain 'a': none of its 5 training files"):
        batches.load_batch(0, 0, 1, 1)


def test_crops_and_flips_vary(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(2):
            ramp = np.arange(20 * 24, dtype=np.uint16).reshape(20, 24) % 251
            Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / name / f"{i}.png")
    batches = create_loader(tmp_path, ImageSettings(size=16, resize_mode="crop", channels="1", flip=True))
    visited = torch.cat([batches.load_batch(step, 0, 1, 8)["X"] for step in range(8)])
    corners = {(a, b) for a, b in zip(visited[:, 0, 0, 0].tolist(), visited[:, 0, 0, -1].tolist(), strict=True)}
    assert len(corners) > 20
    assert any(a > b for a, b in corners) and any(a < b for a, b in corners)


def test_iterate_items_of_each_split_and_limit(tmp_path: Path) -> None:
    write_flat_images(tmp_path, (20, 20))
    batches = create_loader(tmp_path, holdout_fraction=0.1)
    assert len(list(batches.iterate_items("X", "train"))) == 16
    items = list(batches.iterate_items("X", "validation"))
    assert len(items) == 2 and items[0].tensor.shape == (1, 16, 16)
    assert mean_values(items[0].tensor[None]) == [10 + 10 * int(items[0].name[:2])]
    limited = [item.name for item in batches.iterate_items("X", "train", limit=5)]
    assert len(limited) == 5 and limited == sorted(limited)
    assert limited == [item.name for item in batches.iterate_items("X", "train", limit=5)]
    assert limited != [item.name for item in batches.iterate_items("X", "train")][:5]


def test_selected_items_depend_on_the_selection_seed_alone(tmp_path: Path) -> None:
    write_flat_images(tmp_path, (20, 20))

    def select(seed: int, selection_seed: int | None = None) -> list[str]:
        loader = create_loader(tmp_path, seed=seed, selection_seed=selection_seed)
        return [item.name for item in loader.iterate_items("X", "train", limit=5)]

    assert select(1) == select(2, 1) != select(2)


def test_iterate_pairs_matches_names(tmp_path: Path) -> None:
    write_flat_images(tmp_path, (20, 20))
    found = [
        (name, mean_values(x[None])[0], mean_values(y[None])[0])
        for name, x, y in create_loader(tmp_path, holdout_fraction=0.1).iterate_pairs("X", "Y")
    ]
    assert len(found) == 2
    assert all(y == x + 5 and int(name[:2]) == (x - 10) // 10 for name, x, y in found)


def test_match_names_ignores_suffixes(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "a/s/3.png", "b/1.jpg", "b/s/3.tif", "b/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    source_paths, target_paths = (d.train for d in discover([tmp_path]))
    assert [(source_paths[i], target_paths[j]) for i, j in match_names(source_paths, target_paths)] == [
        ("1.png", "1.jpg"),
        ("s/3.png", "s/3.tif"),
    ]


def write_paired_domains(root: Path, **names: str) -> list[DomainSplits]:
    for domain, name in names.items():
        for part in ("train", "test"):
            (root / domain / part).mkdir(parents=True)
            Image.new("L", (16, 16)).save(root / domain / part / name)
    return [split_files(files, 0, 0) for files in discover([root])]


def test_require_pairs_checks_all_pairs_of_domains(tmp_path: Path) -> None:
    sets = write_paired_domains(tmp_path / "one", a="1.png", b="1.bmp", c="9.png", d="8.png")
    lacking = ["a and c", "a and d", "b and c", "b and d", "c and d"]
    assert require_pairs(sets, None) == lacking == require_pairs(sets, create_domain_labels("abcd"))
    two = Labels(groups=(LabelGroup(values=("a", "b")), LabelGroup(values=("c", "d"))), dataset_groups=((0, 1),))
    assert require_pairs(sets, two) == ["c and d"]
    with pytest.raises(UsageError, match=r"--pairs: .*a, b, c"):
        require_pairs(write_paired_domains(tmp_path / "other", a="1.png", b="2.png", c="3.png"), None)


def test_iterate_items_skips_unreadable_files(tmp_path: Path) -> None:
    write_flat_images(tmp_path)
    reported: list[UnreadableFileError] = []
    batches = create_loader(tmp_path, on_unreadable=reported.append)
    (tmp_path / "a" / "01.png").write_bytes(b"")
    assert [item.name for item in batches.iterate_items("X", "train")] == ["00.png", "02.png", "03.png", "04.png"]
    assert [Path(bad.path).name for bad in reported] == ["01.png"]


def test_cached_batches_load_in_less_than_three_milliseconds(tmp_path: Path) -> None:
    data = ImageSettings(size=64, resize_mode="scale", channels="1")
    batches = create_loader(write_flat_images(tmp_path, (16, 16), size=64), data)
    for step in range(4):
        batches.load_batch(step, 0, 1, 4)
    times = []
    for step in range(4, 54):
        start = time.perf_counter()
        batches.load_batch(step, 0, 1, 4)
        times.append(time.perf_counter() - start)
    assert np.median(times) < 3e-3


def test_cache_and_prefetching_are_bounded(tmp_path: Path) -> None:
    batches = create_loader(write_flat_images(tmp_path, (24, 24)), cache_bytes=10 * 16 * 16, workers=2)
    for step in range(40):
        batches.load_batch(step, 0, 1, 2)
    assert len(batches._cache) == 10 and len(batches._pending_files) < 30
    batches.close()


def test_resize_mode_scale_resizes_the_shorter_side(tmp_path: Path) -> None:
    Image.new("L", (300, 100), 50).save(tmp_path / "a.png")
    data = ImageSettings(size=32, resize_mode="scale", load_size_ratio=1.25, channels="1")
    assert load_scaled_image(tmp_path / "a.png", domain("a"), data, training=True).shape == (40, 120, 1)
    assert load_scaled_image(tmp_path / "a.png", domain("a"), data, training=False).shape == (32, 96, 1)
    data = data.model_copy(update={"channels": "3"})
    assert load_scaled_image(tmp_path / "a.png", domain("a"), data, training=False).shape == (32, 96, 3)


def test_resize_mode_crop_enlarges_only_smaller_pictures(tmp_path: Path) -> None:
    Image.new("L", (300, 100), 50).save(tmp_path / "a.png")
    Image.new("L", (20, 10), 50).save(tmp_path / "b.png")
    assert load_scaled_image(tmp_path / "a.png", domain("a"), CROP, training=True).shape == (100, 300, 1)
    assert load_scaled_image(tmp_path / "b.png", domain("a"), CROP, training=True).shape == (16, 32, 1)


def test_thin_pictures_are_cropped_to_the_maximum_aspect_ratio() -> None:
    thin = DecodedImage(np.zeros((1, 100_000, 1), np.float32), None, 8, "L", False)
    assert scale_image(thin, domain("a"), 1, 16, True).shape == (16, 256, 1)


def test_scale_image_composites_over_white_and_converts_to_gray() -> None:
    pixels = np.zeros((2, 2, 3), np.float32)
    pixels[..., 0] = 255
    alpha = np.array([[1, 0], [0.5, 1]], np.float32)
    scaled = scale_image(DecodedImage(pixels, alpha, 8, "RGBA", True), domain("a"), 1, 2, False)
    assert scaled[..., 0].tolist() == [[76, 255], [166, 76]] and scaled.dtype == np.uint8


def test_scale_image_keeps_sixteen_bit_precision(tmp_path: Path) -> None:
    raw = (np.arange(256).reshape(16, 16) * 16 + 100).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", raw)
    scaled = load_scaled_image(tmp_path / "a.tif", domain("a", bits=16, low=100, high=4180), CROP, training=True)
    assert np.abs(scaled[..., 0] - np.linspace(-1, 1, 256).reshape(16, 16)).max() < 1e-6
    Image.new("L", (16, 16), 10).save(tmp_path / "b.png")
    eight = load_scaled_image(tmp_path / "b.png", domain("a", bits=16, low=0, high=5140), CROP, training=True)
    assert np.allclose(eight, 0, atol=1e-6)


def test_crop_selects_the_center_and_the_corners() -> None:
    square = np.arange(5 * 7).reshape(5, 7, 1)
    assert crop(square, 3)[..., 0].tolist() == [[9, 10, 11], [16, 17, 18], [23, 24, 25]]
    assert crop(square, 3, 0, 0)[0, 0, 0] == 0 and crop(square, 3, 0.999, 0.999)[-1, -1, 0] == 34
    assert crop(square, 3, 0, 0, True)[0, :, 0].tolist() == [2, 1, 0]
    assert crop(square, 5, 0.999, 0.999).shape == (5, 5, 1)


def test_convert_crops_to_tensor_maps_to_minus_one_to_one() -> None:
    x = convert_crops_to_tensor(np.array([[[[0], [255]]]], np.uint8))
    assert x.shape == (1, 1, 1, 2) and x.flatten().tolist() == [-1, 1]


def test_counter_rng_matches_splitmix64_and_is_uniform() -> None:
    # Steele, Lea and Flood's splitmix64 with seed 0 begins with this number.
    assert hex(int(counter_rng.generate_bits(0)[0])) == "0xe220a8397b1dcdaf"
    x = counter_rng.generate_bits(3, 1, np.arange(4000)).astype(np.float64) / 2**64
    assert abs(x.mean() - 0.5) < 0.02 and abs(np.corrcoef(x[:-1], x[1:])[0, 1]) < 0.05
    assert sorted(counter_rng.generate_permutation(100, 5, 0)) == list(range(100))
    assert counter_rng.generate_permutation(100, 5, 0).tolist() != counter_rng.generate_permutation(100, 5, 1).tolist()


def test_a_labelled_batch_mixes_domains_of_different_bits(tmp_path: Path) -> None:
    write_flat_images(tmp_path, (2,))
    (tmp_path / "deep").mkdir()
    for i in range(2):
        Image.fromarray(np.full((16, 16), 65535, np.uint16)).save(tmp_path / "deep" / f"{i}.png")
    found = discover([tmp_path])
    sets = [split_files(files, 0, 0) for files in found]
    domains = [domain("a"), domain("deep", bits=16, low=0, high=65535)]
    batch_sampler = create_batch_sampler(domains, sets, "labelled", 0, create_domain_labels(("a", "deep")))
    batch = BatchLoader(domains, sets, ImageTransform(CROP), 0, batch_sampler=batch_sampler, workers=0).load_batch(
        0, 0, 1, 4
    )
    assert batch["label"].sum(0).tolist() == [2, 2]
    deep = batch["label"][:, 1] == 1
    assert (batch["x"][deep] == 1).all() and sorted(mean_values(batch["x"][~deep])) == [10, 20]
