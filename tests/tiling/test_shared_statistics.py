"""Normalization statistics of several images: against a network that normalizes a batch as one image."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.methods.base import Method
from unpaired.testing.tiny_methods import NETWORKS
from unpaired.tiling.shared_statistics import apply_statistics, measure_statistics

sys.path.insert(0, str(Path(__file__).parents[1] / "methods"))
from tiny_methods import LIGHT, build

CPU = torch.device("cpu")


def build_method(name: str, networks: Mapping[str, Any]) -> Method:
    method = build(name, networks).float().eval().requires_grad_(False)
    for parameter in method.parameters():
        if parameter.dim() > 1:
            parameter.mul_(3)  # the networks begin with small weights, with which normalizations matter less
    return method


GROUP_NORM = F.group_norm


def normalize_jointly(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalize a batch (B, C, H, W) as an image (1, C, B H, W)."""
    count, channels, height, width = x.shape
    tall = x.permute(1, 0, 2, 3).reshape(1, channels, count * height, width)
    out: Tensor = GROUP_NORM(tall, groups, weight, bias, eps)
    return out.reshape(channels, count, height, width).permute(1, 0, 2, 3)


@pytest.mark.parametrize("networks", [NETWORKS, {**LIGHT, "norm": "group"}, {**NETWORKS, "norm": "instance-affine"}])
@pytest.mark.parametrize("tile", [64, 24])
def test_frames_share_the_statistics_of_all(
    networks: dict[str, Any], tile: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build_method("cyclegan", networks)
    frames = (
        torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        * torch.tensor([0.5, 1, 2])[:, None, None, None]
    )

    def net(x: Tensor) -> Tensor:
        return method.translate(x, "X", "Y")

    statistics = measure_statistics(net, frames, tile, method.stride, CPU)
    assert statistics
    found = apply_statistics(net, frames, statistics, tile, method.stride, CPU)
    one = apply_statistics(net, frames[1:2], statistics, tile, method.stride, CPU)
    separate = net(frames)
    monkeypatch.setattr(F, "group_norm", normalize_jointly)
    joint = net(frames)
    assert (found - joint).abs().max() < 1e-4
    assert (separate - joint).abs().max() > 0.02, "the statistics of these frames do not differ"
    assert (one - joint[1:2]).abs().max() < 1e-4, "a frame depends on the frames of its batch"


def test_statistics_of_one_image_are_its_own() -> None:
    method = build_method("unit", NETWORKS)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def net(x: Tensor) -> Tensor:
        return method.translate(x, "X", "Y")

    statistics = measure_statistics(net, x, 64, method.stride, CPU)
    assert statistics
    assert (apply_statistics(net, x, statistics, 64, method.stride, CPU) - net(x)).abs().max() < 1e-5


def test_networks_without_tiles_have_no_shared_statistics() -> None:
    attention = nn.MultiheadAttention(3, 1, batch_first=True).eval().requires_grad_(False)

    def net(x: Tensor) -> Tensor:
        positions = x.flatten(2).transpose(1, 2)
        y: Tensor = attention(positions, positions, positions, need_weights=False)[0]
        return y.transpose(1, 2).reshape(x.shape)

    with torch.no_grad():
        assert measure_statistics(net, torch.rand(2, 3, 8, 8), 16, 1, CPU) is None
