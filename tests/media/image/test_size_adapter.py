from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from unpaired.media.image.size_adapter import (
    create_size_adapter,
    pad_by_reflection,
    resize,
)


def test_pad_by_reflection_equals_numpy() -> None:
    for height, width in ((1, 1), (1, 5), (2, 3), (5, 16), (16, 7)):
        x = np.arange(height * width, dtype=np.float32).reshape(1, 1, height, width)
        expected = np.pad(x[0, 0], ((0, 16 - height), (0, 16 - width)), mode="reflect")
        assert np.array_equal(pad_by_reflection(x, (16, 16))[0, 0], expected)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((37, 53), ((16, 23), (16, 24))),  # the shorter side shrinks to 16
        ((8, 8), ((16, 16), (16, 16))),
        ((1, 5), ((16, 80), (16, 80))),
        ((1, 100), ((1, 128), (8, 128))),  # not to 16 x 1600: the longer side stays within 8 x 16
        ((1, 1000), ((1, 1000), (8, 1000))),  # longer than 8 x 16: not resized
    ],
)
def test_create_size_adapter_resizes_and_pads(
    size: tuple[int, int], expected: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    adapter = create_size_adapter(*size, 16, True, 4)
    assert (adapter.resized_size, adapter.padded_size) == expected


def test_create_size_adapter_keeps_larger_pictures_without_shrink() -> None:
    assert create_size_adapter(37, 53, 16, False, 4).resized_size == (37, 53)
    assert create_size_adapter(8, 10, 16, False, 4).resized_size == (16, 20)
    assert create_size_adapter(8, 10, None, True, 4).resized_size == (8, 10)
    assert create_size_adapter(3, 1, None, True, 4).padded_size == (8, 8)


def test_upscale_factor() -> None:
    assert create_size_adapter(64, 64, 16, True, 4).upscale_factor == 4
    assert create_size_adapter(8, 8, 16, True, 4).upscale_factor == 0.5
    assert create_size_adapter(64, 64, None, True, 4).upscale_factor == 1


def test_resize_equals_torchs_antialiased_bicubic() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 41, 67)).astype(np.float32)
    for size in ((16, 26), (90, 140), (41, 67)):
        expected = F.interpolate(torch.from_numpy(x), size, mode="bicubic", antialias=True, align_corners=False)
        assert np.abs(resize(x, size) - expected.numpy()).max() < 1e-4
