"""Statistics of a network's normalizations over several images at once, which each of them is then normalized with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unpaired.tiling.nodes import Node, create_tensor_leaf
from unpaired.tiling.passes import Passes, Plan, is_costly
from unpaired.tiling.tiled_tensor import TiledTensor
from unpaired.tiling.translation import Network, TilingPlan, plan_tiles, translate_tiles


class ChannelStatistics(NamedTuple):
    """Mean and variance (1, C) in float64 of a feature map over all positions of all images."""

    mean: Tensor
    variance: Tensor


Statistics = tuple[ChannelStatistics, ...]
"""Statistics of all normalizations and means of a network, in the order in which it computes them."""


class MeasuringPasses(Passes):
    """Passes that merge the statistics of the images of a batch, and record them in `statistics`."""

    statistics: Statistics = ()

    def measure(self, node: Node) -> tuple[Tensor, Tensor, Node]:
        """Return mean and variance over all images and positions, for each image; see `Passes`."""
        means, variances, node = super().measure(node)
        mean = means.mean(0, keepdim=True)
        # Law of total variance; all images have the same number of positions.
        variance = (variances + (means - mean).square()).mean(0, keepdim=True)
        self.statistics += (ChannelStatistics(mean, variance),)
        return mean.expand_as(means), variance.expand_as(variances), node


class FixedPasses(Passes):
    """Passes that measure nothing: the statistics of feature maps are known."""

    known_statistics: Iterator[ChannelStatistics]

    def measure(self, node: Node) -> tuple[Tensor, Tensor, Node]:
        """Return the known statistics, and the node or its stored values; a map of one tile is not stored."""
        mean, variance = next(self.known_statistics)
        if self.plan is not None and self.plan.peak_bytes and is_costly(node):
            node = self.store(node)
        return mean.expand(node.shape[0], -1), variance.expand(node.shape[0], -1), node


def measure_statistics(
    net: Network, images: Tensor, tile_size: int, stride: int, device: torch.device
) -> Statistics | None:
    """Measure the statistics of `net` over images (B, C, H, W) of equal size, by tiles.

    Returns None if the network has operations that tiles cannot give, such as attention.
    """
    leaf = create_tensor_leaf(images)
    plan = plan_tiles(net, leaf, tile_size, stride, device)
    if plan.obstacle:
        return None
    with translate_tiles(net, leaf, plan, tile_size, stride, device, create_passes=MeasuringPasses) as (passes, _):
        assert isinstance(passes, MeasuringPasses)
        return passes.statistics


def apply_statistics(
    net: Network, images: Tensor, statistics: Statistics, tile_size: int, stride: int, device: torch.device
) -> Tensor:
    """Return the output of `net` for images (B, C, H, W) that are normalized with `statistics`, on the CPU.

    Images larger than a tile are computed by tiles.
    """
    leaf = create_tensor_leaf(images)
    fits = max(images.shape[2:]) <= tile_size
    plan = TilingPlan(Plan()) if fits else plan_tiles(net, leaf, tile_size, stride, device)

    def create_passes(*args: Any) -> FixedPasses:
        passes = FixedPasses(*args)
        passes.known_statistics = iter(statistics)
        return passes

    with translate_tiles(net, leaf, plan, tile_size, stride, device, create_passes=create_passes) as (passes, node):
        return TiledTensor(node, passes).evaluate_whole()
