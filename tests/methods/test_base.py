from __future__ import annotations

import pytest
import torch
from tiny_methods import LIGHT, build
from torch import nn

from unpaired.labels import LabelGroup, Labels
from unpaired.methods.base import ImagePool, StepContext, Turn, detach, forward_pair, sum_losses
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.networks.augment import Augment
from unpaired.networks.blocks import NonAffineGroupNorm, Role
from unpaired.testing.tiny_methods import NETWORKS


def numbered(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2).clone()


def test_pool_returns_its_input_until_it_is_full() -> None:
    pool = ImagePool(5)
    assert torch.equal(pool(numbered(1, 2, 3)), numbered(1, 2, 3))
    assert torch.equal(pool(numbered(4, 5)), numbered(4, 5))
    assert torch.equal(pool.memory, numbered(1, 2, 3, 4, 5)) and pool.count == 5


def test_full_pool_swaps_half_of_its_items() -> None:
    torch.manual_seed(0)
    pool, queries = ImagePool(8), 2000
    pool(numbered(*range(8)))
    stored, swaps, ages = set(range(8)), 0, []
    for i in range(8, 8 + queries):
        output = int(pool(numbered(i))[0, 0, 0, 0])
        if output != i:
            assert output in stored
            stored = stored - {output} | {i}
            swaps += 1
            ages.append(i - output)
        assert {int(n) for n in pool.memory[:, 0, 0, 0]} == stored
    assert 0.46 * queries < swaps < 0.54 * queries
    assert 14 < sum(ages) / len(ages) < 18  # each leaves with probability 1/16 per query


def test_pool_of_size_zero_only_detaches() -> None:
    fakes = numbered(1, 2).requires_grad_()
    output = ImagePool(0)(fakes)
    assert torch.equal(output, fakes) and not output.requires_grad


def test_pool_detaches_and_stores_copies() -> None:
    pool, fakes = ImagePool(2), numbered(1, 2).requires_grad_()
    output = pool(fakes)
    assert not output.requires_grad and not pool.memory.requires_grad
    with torch.no_grad():
        fakes.fill_(9)
    assert torch.equal(pool.memory, numbered(1, 2)) and torch.equal(output, numbered(1, 2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_pool_stores_exact_values(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    pool, fakes = ImagePool(1), torch.rand(1, 3, 2, 2, dtype=torch.float64).to(dtype)
    pool(fakes)
    output = [pool(torch.zeros_like(fakes)) for _ in range(12)]
    assert all(s.dtype == dtype for s in output)
    assert any(torch.equal(s, fakes) for s in output)


@pytest.mark.parametrize("num_stored", [0, 2, 7])
def test_pool_continues_exactly_after_a_state_dict_round_trip(num_stored: int) -> None:
    torch.manual_seed(0)
    pool = ImagePool(4)
    if num_stored:
        pool(numbered(*range(num_stored)))
    twin = ImagePool(4)
    twin.load_state_dict(pool.state_dict())
    for i in range(20):
        torch.manual_seed(i)
        output = pool(numbered(100 + i))
        torch.manual_seed(i)
        assert torch.equal(twin(numbered(100 + i)), output)
    assert torch.equal(twin.memory, pool.memory) and twin.count == pool.count


def test_joint_call_equals_separate_calls() -> None:
    torch.manual_seed(0)
    net = Role(nn.Conv2d(3, 8, 3), NonAffineGroupNorm(8), nn.ReLU(), nn.Conv2d(8, 1, 3)).double()
    a, b = torch.randn(2, 3, 8, 8, dtype=torch.float64), torch.randn(1, 3, 8, 8, dtype=torch.float64)
    joined, separate = forward_pair(net, a, b), (net(a), net(b))
    torch.testing.assert_close(joined, separate, rtol=0, atol=1e-13)
    gradients = [torch.autograd.grad([(y**2).sum() for y in ys], tuple(net.parameters())) for ys in (joined, separate)]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("networks", [NETWORKS, LIGHT])
def test_joint_call_equals_separate_calls_for_roles_of_methods(networks: dict[str, object]) -> None:
    method = build("cyclegan", networks).eval()
    a, b = torch.rand(2, 2, 3, 16, 16, dtype=torch.float64)
    for role in ("G", "D_y"):
        net = method.get_submodule(role)
        assert isinstance(net, Role)
        torch.testing.assert_close(forward_pair(net, a, b), (net(a), net(b)), rtol=0, atol=1e-12)


class Counting(Role):
    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(x)


def test_joint_call_runs_once_only_for_independent_items_of_equal_shape() -> None:
    a, b = torch.randn(2, 3, 4, 4), torch.randn(1, 3, 4, 4)
    plain, normed = Counting(nn.Conv2d(3, 2, 1)), Counting(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    forward_pair(plain, a, b)
    assert plain.calls == 1
    forward_pair(plain, a, torch.randn(1, 3, 8, 8))
    assert plain.calls == 3
    expected = (normed(a), normed(b))
    normed.calls = 0
    torch.testing.assert_close(forward_pair(normed, a, b), expected)
    assert normed.calls == 2


def test_joint_call_augments_each_item_separately() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 3, 16, 16)
    real, fake = forward_pair(Role(Augment(("translation", "color"))), x, x)
    assert not torch.equal(real, fake)


def test_turn_drops_losses_that_are_none_and_needs_a_player() -> None:
    turn = Turn("discriminator", adversarial=torch.ones(()), identity=None)
    assert list(turn.losses) == ["adversarial"]
    with pytest.raises(TypeError, match="at least one player"):
        Turn(adversarial=torch.ones(()))


def test_weights_are_numbers_or_functions_and_the_players_key_has_priority() -> None:
    method = build("cyclegan")
    method.loss_weights = {
        "adversarial": 1.0,
        "discriminators.adversarial": 0.5,
        "cycle": lambda context: 10 * context.budget_fraction,
    }
    context = StepContext(3, 0.25)
    assert method.loss_weight("generators", "adversarial", context) == 1
    assert method.loss_weight("discriminators", "adversarial", context) == 0.5
    assert method.loss_weight("generators", "cycle", context) == 2.5
    with pytest.raises(KeyError):
        method.loss_weight("generators", "identity", context)


def test_total_skips_none() -> None:
    one, two = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0)
    assert sum_losses([]) is None
    assert sum_losses([one]) == 1
    three = sum_losses([one, two])
    assert three == 3 and three is not None and three.requires_grad


def test_detach_stops_the_gradient() -> None:
    x = torch.ones(2, requires_grad=True)
    assert not detach(x).requires_grad and torch.equal(detach(x), x)


def test_attributes_of_different_datasets_are_classified_separately() -> None:
    """No classifier runs jointly: routes of datasets with one group each do not need one."""
    groups = (LabelGroup(values=("a", "b")), LabelGroup(values=("c",)), LabelGroup(values=("d",)))
    method = build("fader", labels=Labels(groups=groups, dataset_groups=((0,), (1,), (2,))))
    assert isinstance(method, LabelConditionedMethod)
    seen: list[torch.Tensor] = []

    def relabel(x: torch.Tensor, label: torch.Tensor, label_mask: torch.Tensor) -> torch.Tensor:
        seen.extend((label, label_mask))
        return x

    def classify(x: torch.Tensor) -> torch.Tensor:
        raise AssertionError("it was never taught")

    method.apply_labels, method.classify = relabel, classify  # type: ignore[method-assign]
    method.translate_to_labels(torch.zeros(1, 3, 16, 16), torch.tensor([1.0, 0.0, 1.0, torch.nan]))
    assert seen[0].tolist() == [[1, 0, 1, 0]] and seen[1].tolist() == [[1, 1, 1, 0]]
