"""Random states of devices; a stand-in takes the place of Apple's GPU (MPS)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from unpaired.devices import fork_rng, isolate_rng
from unpaired.training.loop import get_rng_states, set_rng_states

MPS = torch.device("mps")


class FakeMPS:
    """Module of a device with one random state; the arguments are those of `torch.mps`."""

    def __init__(self) -> None:
        self.state = torch.tensor([1])

    def get_rng_state(self, _: Any = "mps") -> Tensor:
        return self.state.clone()

    def set_rng_state(self, state: Tensor, _: Any = "mps") -> None:
        self.state = state.clone()


@pytest.fixture
def mps(monkeypatch: pytest.MonkeyPatch) -> FakeMPS:
    fake, original = FakeMPS(), torch.get_device_module

    def get_device_module(device: Any = None) -> Any:
        return fake if torch.device(device).type == "mps" else original(device)

    monkeypatch.setattr(torch, "get_device_module", get_device_module)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: MPS)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    return fake


def test_random_states_of_mps_are_saved_and_restored(mps: FakeMPS) -> None:
    states = get_rng_states(MPS)
    expected = torch.rand(3)
    mps.state = torch.tensor([2])
    set_rng_states(states, MPS)
    assert mps.state.item() == 1 and torch.equal(torch.rand(3), expected)


def test_forked_random_states_of_mps_are_restored(mps: FakeMPS) -> None:
    for context in (fork_rng(MPS), isolate_rng()):
        before = torch.get_rng_state()
        with context:
            torch.rand(3)
            mps.state = torch.tensor([2])
        assert mps.state.item() == 1 and torch.equal(torch.get_rng_state(), before)


def test_the_cpu_has_one_random_state() -> None:
    cpu = torch.device("cpu")
    with fork_rng(cpu):
        assert len(get_rng_states(cpu)) == 1
