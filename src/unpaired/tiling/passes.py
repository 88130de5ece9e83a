"""Passes over all tiles of a feature map, which measure or store it; a dry run only estimates their cost."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

from unpaired.console import FractionCallback
from unpaired.errors import WorkError, is_out_of_memory
from unpaired.temporary_files import find_temporary_folder
from unpaired.tiling.nodes import Leaf, Node, StoredMap, evaluate, list_nodes
from unpaired.tiling.regions import Region, iterate_tiles, shift

STORAGE_COST = 100.0
"""Multiplications that take about as long as storing a byte and reading it again. Maps are stored above this."""
MIN_TILE_SIZE = 32
"""Smallest side of a tile of a feature map, in positions of the map."""


@dataclass
class Plan:
    """Work of a tiled evaluation: multiplications, and the largest number of bytes stored at one time."""

    cost: float = 0.0
    peak_bytes: int = 0


class Passes:
    """Passes over the tiles of the feature maps of one image.

    `tile_size` is the side of a tile in pixels of the image, whose height is `image_height`; tiles of smaller maps are
    smaller in proportion. With `plan`, work is done and reported as a fraction of it; without, nothing is computed:
    statistics are 0 and 1, and `spent` gets the cost.
    """

    def __init__(
        self,
        tile_size: int,
        image_height: int,
        device: torch.device,
        plan: Plan | None = None,
        progress: FractionCallback | None = None,
    ) -> None:
        self.tile_size, self.image_height, self.device = tile_size, image_height, device
        self.plan, self.progress = plan, progress
        self.spent = Plan()
        self._stored_bytes = 0
        self._file_count = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        """Create the folder of temporary files; raises WorkError if the disk has too little room for the plan."""
        if self.plan is not None and self.plan.peak_bytes:
            parent = find_temporary_folder()
            free = shutil.disk_usage(parent).free
            if self.plan.peak_bytes > free:
                raise WorkError(
                    f"feature maps of this picture need {self.plan.peak_bytes / 1e9:.1f} GB of temporary files, but "
                    f"{parent} has {free / 1e9:.1f} GB left; set TMPDIR to a folder with more room"
                )
            self._folder = tempfile.TemporaryDirectory(prefix="unpaired-", dir=parent)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Delete the temporary files."""
        if self._folder is not None:
            self._folder.cleanup()

    def iterate(self, node: Node) -> Iterator[tuple[Region, Tensor]]:
        """Yield all tiles of a node with their values; nothing in a dry run."""
        cost = compute_cost(node)
        if self.plan is None:
            self.spent.cost += cost
            return
        height, width = node.shape[2:]
        tile_size = max(MIN_TILE_SIZE, round(self.tile_size * height / self.image_height))
        for tile in iterate_tiles(height, width, tile_size):
            for region, values in self._evaluate_within_memory(node, tile):
                yield region, values
                self.advance(cost * region.height * region.width / (height * width))

    def _evaluate_within_memory(self, node: Node, tile: Region) -> Iterator[tuple[Region, Tensor]]:
        """Yield the values of a tile, in smaller parts if the memory does not suffice for all of it at once."""
        side = max(tile.height, tile.width)
        values = None
        try:
            values = evaluate(node, tile)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or side <= MIN_TILE_SIZE:
                raise
        if values is not None:
            yield tile, values
            return
        self.tile_size = min(self.tile_size, max(1, round(side * self.image_height / node.shape[2]) // 2))
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        for part in iterate_tiles(tile.height, tile.width, -(-side // 2)):
            rows, columns = shift(part.rows, tile.rows[0]), shift(part.columns, tile.columns[0])
            yield from self._evaluate_within_memory(node, Region(rows, columns))

    def advance(self, cost: float) -> None:
        """Report that work of `cost` multiplications is done."""
        self.spent.cost += cost
        if self.progress is not None and self.plan is not None and self.plan.cost:
            self.progress(min(1.0, self.spent.cost / self.plan.cost))

    def store(self, node: Node) -> Leaf:
        """Compute a node and return its stored values."""
        stored = self.allocate(node)
        for region, values in self.iterate(node):
            assert isinstance(stored, StoredMap)
            stored.write(region, values)
        return stored

    def measure(self, node: Node) -> tuple[Tensor, Tensor, Node]:
        """Return mean and variance (B, C) in float64 over all positions, and the node or its stored values.

        The values are stored if computing them again would take longer.
        """
        stored = self.allocate(node) if is_costly(node) else None
        mean, variance = node_zeros(node, self.device), node_zeros(node, self.device)
        count = 0
        for region, values in self.iterate(node):
            tile_variance, tile_mean = torch.var_mean(values, dim=(2, 3), correction=0)
            size = region.height * region.width
            # Chan et al. 1983, eq. 2.1: merge the statistics of two samples.
            difference, weight = tile_mean.double() - mean, size / (count + size)
            variance += weight * (tile_variance.double() - variance + (1 - weight) * difference.square())
            mean += weight * difference
            count += size
            if isinstance(stored, StoredMap):
                stored.write(region, values)
        if self.plan is None:
            variance += 1
        return mean, variance, node if stored is None else stored

    def allocate(self, node: Node) -> Leaf:
        """Return an empty stored map of a node's shape."""
        self._stored_bytes += node.bytes
        self.spent.peak_bytes = max(self.spent.peak_bytes, self._stored_bytes)
        stored: Leaf
        if self.plan is None:
            stored = Leaf(node.shape, lambda _: torch.empty(0))
        else:
            assert self._folder is not None, "the plan stores nothing"
            self._file_count += 1
            stored = StoredMap(node.shape, Path(self._folder.name, f"{self._file_count}.f32"), self.device)
        stored.is_stored = True
        weakref.finalize(stored, self._free, node.bytes)
        return stored

    def _free(self, size: int) -> None:
        self._stored_bytes -= size


def node_zeros(node: Node, device: torch.device) -> Tensor:
    """Return float64 zeros (B, C), on the CPU for devices without float64."""
    return torch.zeros(node.shape[:2], dtype=torch.float64, device="cpu" if device.type == "mps" else device)


def compute_cost(node: Node) -> float:
    """Return the multiplications that computing the whole node takes."""
    return sum(part.cost for part in list_nodes(node))


def is_costly(node: Node) -> bool:
    """Return whether storing a node takes less time than computing it again."""
    is_stored = isinstance(node, Leaf) and node.is_stored
    return not is_stored and compute_cost(node) > STORAGE_COST * node.bytes


def count_stored_inputs(node: Node) -> int:
    """Return the number of stored maps that a node is computed from."""
    return sum(isinstance(part, Leaf) and part.is_stored for part in list_nodes(node))
