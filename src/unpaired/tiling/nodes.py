"""Nodes: feature maps of an image that are computed region by region, from other nodes or from stored values."""

from __future__ import annotations

import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unpaired.tiling.regions import Region

Shape = tuple[int, int, int, int]


class Node(ABC):
    """A feature map of `shape` (B, C, H, W) in float32. `inputs` are the nodes from which a region is computed.

    `cost` estimates the multiplications for the whole map, without those of the inputs.
    """

    shape: Shape
    inputs: tuple[Node, ...] = ()
    cost: float = 0.0

    @abstractmethod
    def locate_input(self, region: Region, index: int) -> Region:
        """Return the region of input `index` that `region` depends on."""

    @abstractmethod
    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:
        """Compute a region (B, C, height, width) from those of the inputs, which `locate_input` names."""

    @property
    def bytes(self) -> int:
        """Size of the whole map in float32."""
        return 4 * math.prod(self.shape)

    @property
    def whole(self) -> Region:
        """Region of the whole map."""
        return Region((0, self.shape[2]), (0, self.shape[3]))


class Leaf(Node):
    """A node without inputs, whose values are stored or read; `read` returns a region (B, C, height, width).

    `is_stored`: they were computed before and take temporary storage.
    """

    is_stored = False

    def __init__(self, shape: Shape, read: Callable[[Region], Tensor]) -> None:
        self.shape = shape
        self._read = read

    def locate_input(self, region: Region, index: int) -> Region:  # noqa: ARG002 - no inputs
        """Return the region; there are no inputs."""
        return region

    def compute(self, values: Sequence[Tensor], region: Region) -> Tensor:  # noqa: ARG002 - no inputs
        """Read a region."""
        return self._read(region)


def create_tensor_leaf(x: Tensor) -> Leaf:
    """Return a leaf with the values of a tensor (B, C, H, W)."""
    whole = Region((0, x.shape[2]), (0, x.shape[3]))
    batch, channels, height, width = x.shape
    return Leaf((batch, channels, height, width), lambda region: whole.crop(x, region))


class StoredMap(Leaf):
    """A leaf in a temporary file: float32 values in the order rows, columns, items and channels.

    The file is mapped for each access only, so that its pages do not stay in this process's memory. It is deleted with
    the node.
    """

    def __init__(self, shape: Shape, path: Path, device: torch.device) -> None:
        super().__init__(shape, self._read_region)
        self.path, self.device = path, device
        batch, channels, height, width = shape
        self._layout = (height, width, batch * channels)
        with path.open("wb") as file:
            if sys.platform == "linux":
                os.posix_fallocate(file.fileno(), 0, self.bytes)  # a mapped file on a full disk would end the process
            else:
                file.truncate(self.bytes)

    def write(self, region: Region, values: Tensor) -> None:
        """Store the values (B, C, height, width) of a region."""
        array = values.permute(2, 3, 0, 1).flatten(2).cpu().numpy()
        self._map("r+")[slice(*region.rows), slice(*region.columns)] = array

    def _read_region(self, region: Region) -> Tensor:
        array = np.array(self._map("r")[slice(*region.rows), slice(*region.columns)])
        x = torch.from_numpy(array).view(*array.shape[:2], *self.shape[:2])
        return x.permute(2, 3, 0, 1).to(self.device)

    def _map(self, mode: str) -> np.memmap[tuple[int, ...], np.dtype[np.float32]]:
        return np.memmap(self.path, np.float32, mode, shape=self._layout)  # type: ignore[call-overload,no-any-return]

    def __del__(self) -> None:
        self.path.unlink(missing_ok=True)


def list_nodes(root: Node) -> list[Node]:
    """Return `root` and the nodes that it is computed from; each comes after its inputs."""
    ordered: dict[Node, None] = {}
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, is_expanded = stack.pop()
        if node in ordered:
            continue
        if is_expanded:
            ordered[node] = None
        else:
            stack.append((node, True))
            stack.extend((node_input, False) for node_input in node.inputs if node_input not in ordered)
    return list(ordered)


def evaluate(root: Node, region: Region) -> Tensor:
    """Compute a region (B, C, height, width) of a node.

    Each node is computed once, for the smallest rectangle that contains all that is needed of it.
    """
    nodes = list_nodes(root)
    needed: dict[Node, Region] = {root: region}
    uses: dict[Node, int] = dict.fromkeys(nodes, 0)
    for node in reversed(nodes):
        for index, node_input in enumerate(node.inputs):
            part = node.locate_input(needed[node], index)
            needed[node_input] = part.union(needed[node_input]) if node_input in needed else part
            uses[node_input] += 1
    values: dict[Node, Tensor] = {}
    for node in nodes:
        parts = [
            needed[node_input].crop(values[node_input], node.locate_input(needed[node], index))
            for index, node_input in enumerate(node.inputs)
        ]
        for node_input in node.inputs:
            uses[node_input] -= 1
            if not uses[node_input]:
                values.pop(node_input, None)
        values[node] = node.compute(parts, needed[node])
        del parts
    return values[root]
