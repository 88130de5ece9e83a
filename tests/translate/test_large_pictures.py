"""Pictures that are converted tile by tile: the files equal those of the whole picture, in little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from tiny_runs import Known, config, domain, make_run

from unpaired.media.image import large_image, pipeline, tiled_pass
from unpaired.memory import read_available_bytes
from unpaired.tiling.estimate import LiveTensors
from unpaired.translate import Translator, translate_files
from unpaired.translate.translator import Translator as TranslatorClass


def noise(*shape: int, kind: type = np.uint8) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, shape, kind)


def read(path: Path) -> np.ndarray[Any, Any]:
    return tifffile.imread(path) if path.suffix == ".tif" else np.asarray(Image.open(path))


def translate_twice(
    translator: TranslatorClass, source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the pixels of the result as a whole picture, and as a large one in tiles."""
    results = []
    for name, limit in (("whole", 1 << 30), ("tiles", 0)):
        monkeypatch.setattr(pipeline, "LARGE_PIXELS", limit)
        values = options if limit else {"tile": 32, **options}
        request = translator.resolve_request("paintings", options=values)
        outcome = translate_files(translator, [source], folder / name, request)
        assert outcome.done == 1 and not outcome.failed
        results.append(read(next((folder / name).glob("*.*[gf]"))))
    return results[0], results[1]


@pytest.mark.parametrize("scale", ["native", "trained"])
@pytest.mark.parametrize("resize_mode", ["scale", "crop"])
@pytest.mark.parametrize("kind", ["rgb.png", "rgba.png", "gray.png", "deep.tif", "float.tif", "small.jpg"])
@pytest.mark.filterwarnings("ignore:the networks see")
def test_large_pictures_equal_whole_ones(
    kind: str, resize_mode: Any, scale: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / kind
    if kind == "deep.tif":
        tifffile.imwrite(path, noise(90, 130, 3, kind=np.uint16), photometric="rgb")
    elif kind == "float.tif":
        tifffile.imwrite(path, (noise(90, 130) / 255).astype(np.float32))
    else:
        channels = {"rgba.png": (4,), "gray.png": ()}.get(kind, (3,))
        Image.fromarray(noise(90, 130, *channels)).save(path)
    run = make_run(tmp_path / "run", config(resize_mode=resize_mode))
    translator = Translator.load(run, device="cpu")
    whole, tiles = translate_twice(translator, path, tmp_path, monkeypatch, scale=scale)
    assert whole.shape == tiles.shape and whole.dtype == tiles.dtype
    full = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}.get(whole.dtype, 1)
    assert np.abs(whole.astype(np.float64) - tiles).max() / full <= 1 / 255
    assert whole.std() > 0.01 * full


def test_progress_goes_on_within_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "LARGE_PIXELS", 0)
    Image.fromarray(noise(100, 100, 3)).save(tmp_path / "a.png")
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    request = translator.resolve_request("paintings", options={"tile": 32})
    reported: list[float] = []
    translate_files(
        translator, [tmp_path / "a.png"], tmp_path / "out", request, progress=lambda n, _: reported.append(n)
    )
    assert reported == sorted(reported) and reported[-1] == 1 and len(reported) > 3
    assert np.array_equal(read(tmp_path / "out" / "a.png"), read(tmp_path / "a.png"))


def test_a_picture_without_room_fails_and_the_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "LARGE_PIXELS", 50 * 50)
    for name, side in (("a.png", 100), ("b.png", 40)):
        Image.fromarray(noise(side, side, 3)).save(tmp_path / name)

    class Limited(Known):
        def translate(self, x: torch.Tensor, source: str, target: str) -> torch.Tensor:
            if x.shape[-1] > 50:
                raise torch.OutOfMemoryError
            return super().translate(x, source, target)

    translator = Translator(config(resize_mode="crop"), Limited(), "cpu")
    request = translator.resolve_request("paintings")
    outcome = translate_files(translator, [tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "out", request)
    assert outcome.done == 1 and [path.name for path, _ in outcome.failed] == ["a.png"]
    assert "100 x 100" in outcome.failed[0][1]


def test_out_of_memory_of_a_whole_picture_continues_with_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    class Limited(Known):
        def translate(self, x: torch.Tensor, source: str, target: str) -> torch.Tensor:
            if type(x) is torch.Tensor and x.shape[-1] * x.shape[-2] > 64 * 64:
                raise torch.OutOfMemoryError
            return super().translate(x, source, target)

    array = noise(100, 72, 3)
    translator = Translator(config(resize_mode="crop"), Limited(), "cpu")
    assert np.array_equal(translator(array, to="paintings"), array)
    with pytest.raises(Exception, match="--tile off"):
        translator(array, to="paintings", tile="off")


@pytest.mark.parametrize(("available", "is_tiled"), [(None, False), (10_000, True), (10**12, False)])
def test_tiles_are_chosen_by_the_memory_at_hand(
    available: int | None, is_tiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiled_pass, "SMALL_PIXELS", 100)
    monkeypatch.setattr(tiled_pass, "read_device_bytes", lambda _: available)
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    own = translator.create_pipeline(translator.resolve_request("paintings")).pictures.network_pass  # type: ignore[attr-defined]
    assert (own.choose_tile(400, 400) is not None) == is_tiled
    assert own.choose_tile(8, 8) is None


@pytest.mark.parametrize("value", ["31", "0", "big"])
def test_a_wrong_tile_is_refused(value: str) -> None:
    translator = Translator(config(), Known(), "cpu")
    with pytest.raises(Exception, match="tile"):
        translator.resolve_request("paintings", options={"tile": value})


def test_the_containers_limit_bounds_the_memory(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n",
        "proc/self/cgroup": "0::/job\n",
        "sys/fs/cgroup/job/memory.max": "5000000\n",
        "sys/fs/cgroup/job/memory.current": "3000000\n",
        "sys/fs/cgroup/job/memory.stat": "anon 1\nfile 1000000\n",
        "sys/fs/cgroup/memory.max": "max\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert read_available_bytes(tmp_path) == 5000000 - (3000000 - 1000000)
    (tmp_path / "sys/fs/cgroup/job/memory.max").write_text("max\n")
    assert read_available_bytes(tmp_path) == 8000 * 1024
    assert read_available_bytes(tmp_path / "nowhere") is None


def test_memory_of_tensors_does_not_grow_with_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "LARGE_PIXELS", 0)
    run = make_run(tmp_path / "run", config(resize_mode="crop"))
    translator = Translator.load(run, device="cpu")
    pipe = translator.create_pipeline(translator.resolve_request("paintings", options={"tile": 64}))
    peaks = []
    for side in (256, 512):
        Image.fromarray(noise(side, side, 3)).save(tmp_path / "a.png")
        item = pipe.prepare_file(tmp_path / "a.png")
        with LiveTensors() as live:
            pipe.run([item])
        peaks.append(live.peak_bytes)
    assert peaks[1] < 1.2 * peaks[0]


def test_large_float_pictures_are_read_in_their_type(tmp_path: Path) -> None:
    from unpaired.media.image.image_io import read_image

    Image.fromarray(noise(8, 9, 3)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", keep_type=True).pixels.dtype == np.uint8
    assert read_image(tmp_path / "a.png").pixels.dtype == np.float32


def test_sixteen_bit_domains_keep_their_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = config(
        domain("photos", False, 16, 0, 4000), domain("paintings", False, 16, 0, 8000), resize_mode="crop", channels=1
    )
    Image.fromarray(noise(60, 70, kind=np.uint16) // 20).save(tmp_path / "a.png")
    translator = Translator(deep, Known(), "cpu")
    whole, tiles = translate_twice(translator, tmp_path / "a.png", tmp_path, monkeypatch)
    assert np.array_equal(whole, tiles) and tiles.max() > 6000
    assert large_image.LARGE_PIXELS > 1000
