"""How far frames of voices are from the nearest that are remembered."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.networks.images import ImageNetworks
from unpaired.networks.neighbours import AROUND, EVERY, NEAREST, LabelledNeighbours, Neighbours
from unpaired.settings import NetworkSettings


def voices(seed: int, items: int = 2) -> Tensor:
    return torch.randn(items, 1, 3, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def place(voice: Tensor, at: int) -> list[float]:
    """A frame of (1, Q, T) with those around it, the last again beyond an end, weighed."""
    last = voice.shape[-1] - 1
    return [weight * x for shift, weight in AROUND for x in voice[0, :, min(max(at + shift, 0), last)].tolist()]


def test_it_is_what_a_slow_loop_finds() -> None:
    made, real = voices(1), voices(2)
    known = [(place(v, at), v[0, :, at]) for v in real for at in range(0, 12, EVERY)]
    squares = []
    for voice in made:
        for at in range(0, 12, EVERY):
            own = torch.tensor(place(voice, at), dtype=torch.float64)
            far = [(own - torch.tensor(other, dtype=torch.float64)).square().sum().item() for other, _ in known]
            best = sorted(range(len(known)), key=far.__getitem__)[:NEAREST]
            target = torch.stack([known[i][1] for i in best]).mean(0)
            squares += (voice[0, :, at] - target).square().tolist()
    assert Neighbours()(made, real).item() == pytest.approx(sum(squares) / len(squares), rel=1e-9)


def test_frames_are_pulled_to_what_is_remembered_and_the_oldest_goes_first() -> None:
    near = Neighbours(size=6)  # the places of one item
    made = voices(1, 1).requires_grad_()
    near(made, torch.full((1, 1, 3, 12), 5.0, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(near(made, torch.full((1, 1, 3, 12), -5.0, dtype=torch.float64)), made)
    assert (gradient[..., ::EVERY] > 0).all(), "downwards alone: the fives are forgotten"
    assert (gradient[..., 1::EVERY] == 0).all()


def test_a_memory_is_loaded_with_what_it_held() -> None:
    near, other = Neighbours(), Neighbours()
    near(voices(1), voices(2))
    other.load_state_dict(near.state_dict())
    assert other(voices(3), voices(4)).item() == near(voices(3), voices(4)).item()


def test_each_label_has_its_own() -> None:
    near = LabelledNeighbours(2)
    real = torch.cat((torch.full((1, 1, 3, 12), 1.0), torch.full((1, 1, 3, 12), -1.0)))
    label = torch.eye(2)
    assert near(real, label, real, label).item() == 0
    assert near(real, label.flip(0), real, label).item() == 4, "a one is two away from the others' minus one"
    assert near(real[:1], label[:1], real[:0], label[:0]).item() == 0, "nobody new is heard: the memory serves"


def test_pictures_have_none() -> None:
    with pytest.raises(UsageError, match="neighbour_weight: is of recordings"):
        ImageNetworks(NetworkSettings(), {"X": 3, "Y": 3}, 32).neighbours()
