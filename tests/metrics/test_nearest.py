"""Distance to the nearest training items: against a slow loop, ratios by hand, and the warning."""

from __future__ import annotations

import pytest
import torch

from unpaired.metrics.base import DOING_NOTHING, RouteEvaluation
from unpaired.metrics.memorization import NEAREST_RATIO, add_nearest_ratios, describe_memorization
from unpaired.metrics.nearest import CHUNK_SIZE, compute_ratio, find_nearest

ROUTE = RouteEvaluation(route="a -> b", sources=3, targets=3, values={"kid": 1.0})


def test_nearest_equals_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(CHUNK_SIZE + 5, 4, generator=generator)
    training = torch.randn(7, 4, generator=generator)
    found = find_nearest(items, training)
    for i, item in enumerate(items):
        distances = [sum((a - b) ** 2 for a, b in zip(item.tolist(), t.tolist(), strict=True)) ** 0.5 for t in training]
        assert found.distances[i].item() == pytest.approx(min(distances))
        assert found.indices[i].item() == distances.index(min(distances))


def test_a_copy_has_the_distance_zero() -> None:
    training = 1000 + torch.rand(40, 300, generator=torch.Generator().manual_seed(1))
    found = find_nearest(training[[5, 30]], training)
    assert found.distances.tolist() == [0, 0]
    assert found.indices.tolist() == [5, 30]


@pytest.mark.parametrize("training", [torch.empty(0, 3), torch.zeros(2, 4)])
def test_raises_value_error_for_unsuitable_training_items(training: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="training items"):
        find_nearest(torch.zeros(2, 3), training)


def test_ratio_of_medians() -> None:
    assert compute_ratio(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([4.0, 8.0, 90.0])) == 0.25
    assert compute_ratio(torch.tensor([1.0]), torch.tensor([0.0])) is None
    assert compute_ratio(torch.empty(0), torch.tensor([1.0])) is None


@pytest.mark.parametrize(("ratio", "is_warned"), [(0.0, True), (0.49, True), (0.5, False), (1.2, False), (None, False)])
def test_a_small_ratio_is_a_warning(ratio: float | None, is_warned: bool) -> None:
    route = add_nearest_ratios(ROUTE, ratio, {DOING_NOTHING: 0.9}, "real")
    assert (describe_memorization(route) != "") is is_warned
    if ratio is not None:
        assert (route.value(NEAREST_RATIO), route.values["kid"]) == (ratio, 1.0)
        assert (route.baseline("real", NEAREST_RATIO), route.baseline(DOING_NOTHING, NEAREST_RATIO)) == (1.0, 0.9)
    if is_warned:
        assert f"{ratio:.2f}" in describe_memorization(route)
