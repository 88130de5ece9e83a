from __future__ import annotations

import itertools

import numpy as np
import pytest

from unpaired.media.voice.metrics.dtw import Doubles, align


def slow_cost(a: Doubles, b: Doubles) -> float:
    """Return the least sum of distances, computed cell by cell."""
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0
    for i, j in itertools.product(range(len(a)), range(len(b))):
        ways = (cost[i, j], cost[i, j + 1], cost[i + 1, j])
        cost[i + 1, j + 1] = np.linalg.norm(a[i] - b[j]) + min(ways)
    return float(cost[-1, -1])


def every_path(n: int, m: int) -> list[list[tuple[int, int]]]:
    if (n, m) == (1, 1):
        return [[(0, 0)]]
    found = []
    for i, j in ((n - 1, m - 1), (n - 1, m), (n, m - 1)):
        if i and j:
            found += [[*path, (n - 1, m - 1)] for path in every_path(i, j)]
    return found


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (7, 1), (13, 9), (9, 13), (40, 41)])
def test_path_cost_equals_a_loop_implementation(n: int, m: int) -> None:
    rng = np.random.default_rng(n * 100 + m)
    a, b = rng.normal(size=(n, 3)), rng.normal(size=(m, 3))
    path = align(a, b)
    assert path.distances.sum() == pytest.approx(slow_cost(a, b), rel=1e-12)
    assert (path.first[0], path.second[0], path.first[-1], path.second[-1]) == (0, 0, n - 1, m - 1)
    steps = set(zip(np.diff(path.first).tolist(), np.diff(path.second).tolist(), strict=True))
    assert steps <= {(1, 1), (1, 0), (0, 1)}
    np.testing.assert_allclose(path.distances, np.linalg.norm(a[path.first] - b[path.second], axis=1))


def test_no_other_path_is_cheaper() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(5, 2)), rng.normal(size=(4, 2))
    best = min(sum(np.linalg.norm(a[i] - b[j]) for i, j in path) for path in every_path(5, 4))
    assert align(a, b).distances.sum() == pytest.approx(best)


def test_alignment_equals_computed_values() -> None:
    path = align([[0.0], [1.0], [5.0]], [[0.0], [0.0], [1.0], [4.0]])
    assert path.first.tolist() == [0, 0, 1, 2]
    assert path.second.tolist() == [0, 1, 2, 3]
    assert path.mean_distance == pytest.approx(1 / 4)


def test_a_sequence_aligns_with_itself_along_the_diagonal() -> None:
    a = np.random.default_rng(0).normal(size=(20, 4))
    path = align(a, a)
    assert path.first.tolist() == path.second.tolist() == list(range(20))
    assert path.mean_distance == 0


def test_repeated_frames_cost_nothing() -> None:
    a = np.random.default_rng(1).normal(size=(10, 4))
    assert align(a, np.repeat(a, 3, 0)).mean_distance == 0


@pytest.mark.parametrize("shapes", [((0, 2), (3, 2)), ((3, 2), (3, 4)), ((3,), (3,))])
def test_align_raises_value_error_for_invalid_shapes(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="sequences of shapes"):
        align(np.zeros(shapes[0]), np.zeros(shapes[1]))
