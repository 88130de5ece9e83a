"""Tests of the optimal transport loss of voice features."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.networks.optimal_transport import (
    CONTEXT_FRAMES,
    ENTROPY_WEIGHT,
    FRAME_STEP,
    SINKHORN_ITERATIONS,
    ConditionalTransportLoss,
    OptimalTransportLoss,
    sinkhorn_potentials,
)


def voices(seed: int, items: int = 2) -> Tensor:
    return torch.randn(items, 1, 3, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def frame_with_context(voice: Tensor, at: int) -> list[float]:
    """Return frame `at` of (1, Q, T) with its weighted context; border frames repeat."""
    last = voice.shape[-1] - 1
    return [weight * x for shift, weight in CONTEXT_FRAMES for x in voice[0, :, min(max(at + shift, 0), last)].tolist()]


def sinkhorn_in_loops(costs: list[list[float]]) -> list[float]:
    """Return log v after Sinkhorn's iterations in the log domain, computed in loops."""
    rows, columns = len(costs), len(costs[0])
    v = [0.0] * columns
    for _ in range(SINKHORN_ITERATIONS):
        u = [-math.log(sum(math.exp(v[j] - costs[i][j]) for j in range(columns))) for i in range(rows)]
        v = [
            math.log(rows / columns) - math.log(sum(math.exp(u[i] - costs[i][j]) for i in range(rows)))
            for j in range(columns)
        ]
    return v


def test_loss_equals_a_loop_implementation() -> None:
    fake, source, real = voices(1), voices(3), voices(2)
    positions = [(voice, at) for voice in range(2) for at in range(0, 12, FRAME_STEP)]
    fake_frames, real_frames = (
        [frame_with_context(part[i], at) for i, at in positions] for part in ((fake + source) / 2, real)
    )
    mean = [sum(p[k] for p in real_frames) / len(real_frames) for k in range(len(real_frames[0]))]
    scale = (
        ENTROPY_WEIGHT
        * 2
        * sum(sum((p[k] - mean[k]) ** 2 for p in real_frames) / len(real_frames) for k in range(len(mean)))
    )
    costs = [[sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) / scale for q in real_frames] for p in fake_frames]
    v, squares = sinkhorn_in_loops(costs), []
    for (i, at), row in zip(positions, costs, strict=True):
        weights = [math.exp(v[j] - cost) for j, cost in enumerate(row)]
        target = sum(s / sum(weights) * real[k][0, :, t] for s, (k, t) in zip(weights, positions, strict=True))
        squares += (fake[i][0, :, at] - target).square().tolist()
    assert OptimalTransportLoss()(fake, source, real, source_weight=0.5).item() == pytest.approx(
        sum(squares) / len(squares), rel=1e-9
    )


def test_sound_is_assigned_to_its_counterpart_not_its_nearest_neighbor() -> None:
    """Sounds at 0 and 1 of one speaker are both nearest to the sound at 0.9 of another, whose second is at 1.9."""
    costs = (torch.tensor([[0.0], [1.0]]) - torch.tensor([0.9, 1.9])).square() / 0.4
    weights = torch.softmax(sinkhorn_potentials(costs) - costs, 1)
    assert weights.argmax(1).tolist() == [0, 1]
    assert torch.allclose(weights.mean(0), torch.tensor([0.5, 0.5]), atol=1e-2), "equal total weights"


def test_potentials_stay_finite_with_an_outlier() -> None:
    costs = torch.tensor([[0.0, 1.0, 1e4], [1.0, 0.0, 1e4]])
    assert torch.isfinite(sinkhorn_potentials(costs)).all()


def test_pool_drops_the_oldest_target_frames() -> None:
    transport = OptimalTransportLoss(size=3, solve_every=3)  # the frames of one item
    fake = voices(1, 1).requires_grad_()
    transport(fake, fake, voices(2, 1) + 5)
    (gradient,) = torch.autograd.grad(transport(fake, fake, voices(3, 1) - 5), fake)
    assert (gradient[..., ::FRAME_STEP] > 0).all(), "only the frames around -5 are in the pool"
    assert (gradient[..., 1::FRAME_STEP] == 0).all()


def test_transport_is_solved_when_the_pool_of_converted_frames_is_full() -> None:
    transport = OptimalTransportLoss(size=6, solve_every=6)
    solved = []
    for seed in range(6):  # three frames each
        transport(voices(seed, 1), voices(seed + 20, 1), voices(seed + 10, 1))
        solved.append(transport.support.rows.clone())
    changed = [not torch.equal(one, other) for one, other in itertools.pairwise(solved)]
    assert changed == [False, True, False, True, False]


def test_state_dict_restores_the_pools() -> None:
    transport, other, used = OptimalTransportLoss(), OptimalTransportLoss(), OptimalTransportLoss()
    transport(voices(1), voices(2), voices(3))
    used(voices(7), voices(8), voices(9))
    for loaded in (other, used):
        loaded.load_state_dict(transport.state_dict())
    expected = transport(voices(4), voices(5), voices(6)).item()
    assert [loaded(voices(4), voices(5), voices(6)).item() for loaded in (other, used)] == [expected] * 2


def test_each_label_has_its_own_target_frames() -> None:
    transport = ConditionalTransportLoss(2)
    one, other = voices(1, 1) * 1e-3 + 1, voices(2, 1) * 1e-3 - 1
    real, label = torch.cat((one, other)), torch.eye(2)
    assert transport(real, label, real, label).item() == pytest.approx(0, abs=1e-5)
    assert transport(real, label.flip(0), real, label).item() == pytest.approx(4, rel=1e-2), (
        "the other label's frames are 2 away"
    )
    assert transport(real[:1], label[:1], real[1:], label[1:]).item() < 1e-5, "frames of the target label from the pool"


def test_transport_loss_is_rejected_for_images() -> None:
    with pytest.raises(UsageError, match="--transport-weight 0"):
        ImageNetworkFactory(ImageNetworkSettings(), {"X": 3, "Y": 3}, 32).transport_loss()


def test_nonfinite_converted_frames_give_nan_and_are_not_stored() -> None:
    transport, plain = OptimalTransportLoss(), OptimalTransportLoss()
    fake, source, real = voices(1, 1), voices(2, 1), voices(3, 1)
    assert transport(torch.full_like(fake, torch.inf), source, real).isnan(), "training skips a step with a NaN loss"
    for each in (transport, plain):
        each(fake, source, real)
    assert torch.equal(transport.fake.rows, plain.fake.rows)
    assert transport(fake, source, real).isfinite() and len(transport.support.rows) == 2 * len(plain.support.rows)


def test_constant_or_nonfinite_target_frames_keep_the_loss_finite() -> None:
    transport = OptimalTransportLoss(size=6, solve_every=6)
    fake = voices(1, 1)
    assert transport(fake, fake, torch.zeros_like(fake)).isfinite()
    nonfinite = fake.clone()
    nonfinite[..., 4] = torch.inf
    transport(nonfinite, fake, nonfinite)
    for seed in range(2, 6):
        assert transport(voices(seed, 1), voices(seed, 1), voices(seed + 9, 1)).isfinite()
