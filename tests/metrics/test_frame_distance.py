from __future__ import annotations

import torch
from torch import Tensor

from unpaired.metrics import frame_distance, kid


def voices(count: int = 4, scale: float = 1.0, seed: int = 0) -> list[Tensor]:
    draws = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(1, 6, 200 + 8 * i, generator=draws) for i in range(count)]


def test_windows_join_frames_with_earlier_and_later_ones() -> None:
    voice = torch.arange(2 * 20.0).reshape(1, 2, 20)
    found = frame_distance.context_windows([voice])
    assert found.tolist() == [[t - 6, t + 14, t, t + 20, t + 6, t + 26] for t in (6.0, 9.0, 12.0)]
    many = frame_distance.context_windows([torch.randn(1, 2, 9000)])
    assert len(many) == frame_distance.MAX_WINDOWS


def test_distance_is_kid_of_windows_and_small_for_one_distribution() -> None:
    one, other = voices(seed=0), voices(seed=1)
    found = frame_distance.frame_distance(one, other)
    assert found == 1000 * kid.kid(frame_distance.context_windows(one), frame_distance.context_windows(other))
    assert abs(found) < 20


def test_oversmoothed_and_shifted_features_have_a_large_distance() -> None:
    real = voices()
    assert frame_distance.frame_distance(real, voices(scale=0.6, seed=1)) > 50
    assert frame_distance.frame_distance(real, [x + 0.5 for x in voices(seed=1)]) > 200
    slow = [x.cumsum(-1) / torch.arange(1, x.shape[-1] + 1).sqrt() for x in voices(seed=1)]
    assert frame_distance.frame_distance(real, slow) > 50
