"""Exact dynamic time warping of two sequences of coefficients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_DIAGONAL, _FIRST, _SECOND = 0, 1, 2
"""Move into a cell: both sequences advance, only the first, or only the second."""


class Alignment(NamedTuple):
    """Path with the least cost: frames `first[k]` and `second[k]` (K,) are aligned, at distance `distances[k]`."""

    first: Indices
    second: Indices
    distances: Doubles

    @property
    def mean_distance(self) -> float:
        """Mean distance over the cells of the path."""
        return float(self.distances.mean())


def align(a: npt.ArrayLike, b: npt.ArrayLike) -> Alignment:
    """Align two sequences (N, D) and (M, D) with the least sum of Euclidean distances, from first to last frames.

    Steps are (1, 1), (1, 0) and (0, 1); each cell counts once, without band or slope limit (Sakoe & Chiba 1978, without
    weights). Among moves of equal cost, the diagonal is preferred. The cells of an anti-diagonal do not depend on each
    other, so that each anti-diagonal is one array operation: O(N M) time, one byte per cell.

    Raises ValueError for empty sequences or unequal D.
    """
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not len(x) or not len(y):
        raise ValueError(f"sequences of shapes {x.shape} and {y.shape}; expected (N, D) and (M, D), N and M at least 1")
    first, second = _trace_path(_compute_moves(x, y))
    return Alignment(first, second, np.linalg.norm(x[first] - y[second], axis=1))


def _compute_moves(x: Doubles, y: Doubles) -> list[tuple[int, npt.NDArray[np.uint8]]]:
    """Return, for each anti-diagonal i + j, its first i and the best move into each of its cells."""
    n, m = len(x), len(y)
    # Costs at index i + 1 on the two previous anti-diagonals; cells outside the matrix have infinite cost.
    two_back, one_back = np.full(n + 1, np.inf), np.full(n + 1, np.inf)
    two_back[0] = 0.0
    moves = []
    for diagonal in range(n + m - 1):
        low, high = max(0, diagonal - m + 1), min(n, diagonal + 1)
        cells = slice(low + 1, high + 1)
        previous_cells = slice(low, high)
        distance = np.linalg.norm(x[low:high] - y[diagonal - high + 1 : diagonal - low + 1][::-1], axis=1)
        candidates = np.stack([two_back[previous_cells], one_back[previous_cells], one_back[cells]])
        best = candidates.argmin(0)
        moves.append((low, best.astype(np.uint8)))
        current = np.full(n + 1, np.inf)
        current[cells] = distance + np.take_along_axis(candidates, best[None], 0)[0]
        two_back, one_back = one_back, current
    return moves


def _trace_path(moves: list[tuple[int, npt.NDArray[np.uint8]]]) -> tuple[Indices, Indices]:
    low, best = moves[-1]
    i = low + len(best) - 1
    j = len(moves) - 1 - i
    path = [(i, j)]
    while i or j:
        low, best = moves[i + j]
        move = best[i - low]
        i, j = i - (move != _SECOND), j - (move != _FIRST)
        path.append((i, j))
    first, second = np.array(path[::-1], np.int64).T
    return first, second
