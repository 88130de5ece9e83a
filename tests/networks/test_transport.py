"""How far frames of voices are from where optimal transport brings them."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from unpaired.config.settings import NetworkSettings
from unpaired.errors import UsageError
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.transport import (
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


def place(voice: Tensor, at: int) -> list[float]:
    """A frame of (1, Q, T) with those around it, the last again beyond an end, weighed."""
    last = voice.shape[-1] - 1
    return [weight * x for shift, weight in CONTEXT_FRAMES for x in voice[0, :, min(max(at + shift, 0), last)].tolist()]


def slow_sinkhorn(costs: list[list[float]]) -> list[float]:
    """log v after Sinkhorn's iterations on logarithms, entry by entry."""
    rows, columns = len(costs), len(costs[0])
    v = [0.0] * columns
    for _ in range(SINKHORN_ITERATIONS):
        u = [-math.log(sum(math.exp(v[j] - costs[i][j]) for j in range(columns))) for i in range(rows)]
        v = [
            math.log(rows / columns) - math.log(sum(math.exp(u[i] - costs[i][j]) for i in range(rows)))
            for j in range(columns)
        ]
    return v


def test_it_is_what_a_slow_loop_finds() -> None:
    made, given, real = voices(1), voices(3), voices(2)
    spots = [(voice, at) for voice in range(2) for at in range(0, 12, FRAME_STEP)]
    ours, theirs = ([place(part[i], at) for i, at in spots] for part in ((made + given) / 2, real))
    mean = [sum(p[k] for p in theirs) / len(theirs) for k in range(len(theirs[0]))]
    spread = (
        ENTROPY_WEIGHT * 2 * sum(sum((p[k] - mean[k]) ** 2 for p in theirs) / len(theirs) for k in range(len(mean)))
    )
    costs = [[sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) / spread for q in theirs] for p in ours]
    v, squares = slow_sinkhorn(costs), []
    for (i, at), row in zip(spots, costs, strict=True):
        shares = [math.exp(v[j] - cost) for j, cost in enumerate(row)]
        target = sum(s / sum(shares) * real[k][0, :, t] for s, (k, t) in zip(shares, spots, strict=True))
        squares += (made[i][0, :, at] - target).square().tolist()
    assert OptimalTransportLoss(source_weight=0.5)(made, given, real).item() == pytest.approx(
        sum(squares) / len(squares), rel=1e-9
    )


def test_a_sound_goes_to_its_counterpart_though_another_is_nearer() -> None:
    """Of a speaker whose sounds are at 0 and 1 and one whose are at .9 and 1.9, both first are nearest to .9."""
    costs = (torch.tensor([[0.0], [1.0]]) - torch.tensor([0.9, 1.9])).square() / 0.4
    shares = torch.softmax(sinkhorn_potentials(costs) - costs, 1)
    assert shares.argmax(1).tolist() == [0, 1]
    assert torch.allclose(shares.mean(0), torch.tensor([0.5, 0.5]), atol=1e-2), "each is meant as often"


def test_a_place_far_from_all_keeps_the_numbers_finite() -> None:
    costs = torch.tensor([[0.0, 1.0, 1e4], [1.0, 0.0, 1e4]])
    assert torch.isfinite(sinkhorn_potentials(costs)).all()


def test_frames_are_drawn_to_what_is_remembered_and_the_oldest_goes_first() -> None:
    transport = OptimalTransportLoss(size=3, solve_every=3)  # the places of one item
    made = voices(1, 1).requires_grad_()
    transport(made, made, voices(2, 1) + 5)
    (gradient,) = torch.autograd.grad(transport(made, made, voices(3, 1) - 5), made)
    assert (gradient[..., ::FRAME_STEP] > 0).all(), "downwards alone: those around five are forgotten"
    assert (gradient[..., 1::FRAME_STEP] == 0).all()


def test_it_is_solved_once_enough_has_gathered() -> None:
    transport = OptimalTransportLoss(size=6, solve_every=6)
    solved = []
    for seed in range(6):  # three places each
        transport(voices(seed, 1), voices(seed + 20, 1), voices(seed + 10, 1))
        solved.append(transport.support.rows.clone())
    changed = [not torch.equal(one, other) for one, other in itertools.pairwise(solved)]
    assert changed == [False, True, False, True, False]


def test_memories_are_loaded_with_what_they_held() -> None:
    transport, other, used = OptimalTransportLoss(), OptimalTransportLoss(), OptimalTransportLoss()
    transport(voices(1), voices(2), voices(3))
    used(voices(7), voices(8), voices(9))
    for loaded in (other, used):
        loaded.load_state_dict(transport.state_dict())
    expected = transport(voices(4), voices(5), voices(6)).item()
    assert [loaded(voices(4), voices(5), voices(6)).item() for loaded in (other, used)] == [expected] * 2


def test_each_label_has_its_own() -> None:
    transport = ConditionalTransportLoss(2)
    one, other = voices(1, 1) * 1e-3 + 1, voices(2, 1) * 1e-3 - 1
    real, label = torch.cat((one, other)), torch.eye(2)
    assert transport(real, label, real, label).item() == pytest.approx(0, abs=1e-5)
    assert transport(real, label.flip(0), real, label).item() == pytest.approx(4, rel=1e-2), "two away from the others'"
    assert transport(real[:1], label[:1], real[1:], label[1:]).item() < 1e-5, (
        "none of the wanted is heard: the memory serves"
    )


def test_pictures_have_none() -> None:
    with pytest.raises(UsageError, match="transport_weight: for recordings only"):
        ImageNetworkFactory(NetworkSettings(), {"X": 3, "Y": 3}, 32).transport_loss()


def test_nothing_is_solved_of_converted_voices_that_all_overflowed() -> None:
    transport, plain = OptimalTransportLoss(), OptimalTransportLoss()
    made, given, real = voices(1, 1), voices(2, 1), voices(3, 1)
    assert transport(torch.full_like(made, torch.inf), given, real).isnan(), "so that the step is skipped"
    for each in (transport, plain):
        each(made, given, real)
    assert torch.equal(transport.fake.rows, plain.fake.rows)
    assert transport(made, given, real).isfinite() and len(transport.support.rows) == 2 * len(plain.support.rows)


def test_a_target_that_is_constant_and_what_overflowed_leave_numbers() -> None:
    transport = OptimalTransportLoss(size=6, solve_every=6)
    made = voices(1, 1)
    assert transport(made, made, torch.zeros_like(made)).isfinite()
    broken = made.clone()
    broken[..., 4] = torch.inf
    transport(broken, made, broken)
    for seed in range(2, 6):
        assert transport(voices(seed, 1), voices(seed, 1), voices(seed + 9, 1)).isfinite()
