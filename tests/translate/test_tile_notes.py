"""Lines of `translate` about tiles: chosen by the free memory, or after the device ran out of memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from tiny_runs import Known, config

from unpaired.media.image import tiled_pass
from unpaired.tiling import nodes
from unpaired.translate import Outcome, Translator, translate_files


def noise(*shape: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(noise(100, 72, 3)).save(folder / f"{i}.png")
    tifffile.imwrite(folder / "stack.tif", noise(2, 100, 72, 3), photometric="rgb")
    return folder


def go(method: Known, folder: Path, **options: Any) -> Outcome:
    translator = Translator(config(resize_mode="crop"), method, "cpu")
    request = translator.resolve_request("paintings", options=options)
    outcome = translate_files(translator, [folder], folder.parent / "out", request)
    assert outcome.done == 3 and not outcome.failed, outcome.failed
    return outcome


def test_tiles_chosen_by_the_free_memory_give_one_line(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled_pass, "SMALL_PIXELS", 100)
    monkeypatch.setattr(tiled_pass, "read_device_bytes", lambda _: 10_000)
    assert len(lines := [text for text in go(Known(), pictures).warnings if "--tile N" in text]) == 1
    assert "60%" in lines[0]


@pytest.mark.parametrize("tile", ["off", 64, "auto"])
def test_no_line_if_the_user_chose_or_whole_pictures_fit(pictures: Path, tile: Any) -> None:
    assert go(Known(), pictures, tile=tile).warnings == []


def test_whole_pictures_that_do_not_fit_give_a_line(pictures: Path) -> None:
    class Limited(Known):
        def translate(self, x: torch.Tensor, source: str, target: str) -> torch.Tensor:
            if type(x) is torch.Tensor and x.shape[-1] * x.shape[-2] > 64 * 64:
                raise torch.OutOfMemoryError
            return super().translate(x, source, target)

    assert any("72 x 100" in text and "tiles" in text for text in go(Limited(), pictures).warnings)


def test_only_pictures_as_large_as_a_failed_one_are_tiled(pictures: Path) -> None:
    sizes: list[tuple[int, int]] = []

    class Limited(Known):
        def translate(self, x: torch.Tensor, source: str, target: str) -> torch.Tensor:
            if type(x) is torch.Tensor:
                sizes.append((x.shape[-2], x.shape[-1]))
                if x.shape[-1] * x.shape[-2] > 64 * 64:
                    raise torch.OutOfMemoryError
            return super().translate(x, source, target)

    for path in pictures.iterdir():
        path.unlink()
    for name, height, width in (("a", 100, 72), ("b", 32, 48), ("c", 120, 80)):
        Image.fromarray(noise(height, width, 3)).save(pictures / f"{name}.png")
    texts = [text for text in go(Limited(), pictures).warnings if "ran out of memory" in text]
    assert len(texts) == 1 and "72 x 100" in texts[0]
    assert (32, 48) in sizes and (120, 80) not in sizes, "b is translated whole, c is not tried"


def test_halved_tiles_give_a_line(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(node: Any, region: Any) -> torch.Tensor:
        if max(region.height, region.width) > 40:
            raise torch.OutOfMemoryError
        return nodes.evaluate(node, region)

    monkeypatch.setattr("unpaired.tiling.passes.evaluate", evaluate)
    texts = [text for text in go(Known(), pictures, tile=64).warnings if "64 px" in text]
    assert len(texts) == 1 and "--tile 32" in texts[0]
