"""The loop's moves: simultaneous turns, idle roles, clip and box, float16 with its scalers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from unpaired.methods.base import Batch, Method, Player, StepContext, Turn, Turns
from unpaired.networks.blocks import Role
from unpaired.training import loop as loops
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop

NOW = StepContext(0, 0.0)


class Duel(Method):
    """Two players of one weight each, and a third whom no term reaches; `g` and `d` move at once where `together`."""

    def __init__(self, together: bool = True, **player: float) -> None:
        super().__init__()
        self.G, self.D, self.unused = (Role(nn.Linear(1, 1, bias=False)) for _ in range(3))
        for role, value in ((self.G, 2.0), (self.D, 3.0), (self.unused, 5.0)):
            nn.init.constant_(next(role.parameters()), value)
        form = {"optimizer": "sgd", "lr": 0.1} | player
        self.players = {name: Player((role,), **form) for name, role in (("g", "G"), ("d", "D"), ("i", "unused"))}  # type: ignore[arg-type]
        self.loss_weights = {"score": 1.0}
        self.routes = ()
        self.together = together

    def play(self, batch: Batch, now: StepContext) -> Iterator[Turns]:
        """`g` lowers D(G(x)), `d` raises it."""
        score = self.D(self.G(batch["X"])).float().mean()
        if self.together:
            yield [Turn("g", "i", score=score), Turn("d", score=-score)]
        else:
            yield Turn("g", "i", score=score)
            yield Turn("d", score=-self.D(self.G(batch["X"])).float().mean())

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Nothing."""
        return x


def of(method: Method) -> TrainingLoop:
    return TrainingLoop(method, Distributed(Fabric(accelerator="cpu", devices=1)))


def weights(method: Duel) -> list[float]:
    return [float(next(role.parameters()).detach()) for role in (method.G, method.D, method.unused)]


def batch(value: float = 1.0) -> dict[str, Tensor]:
    return {"X": torch.full((1, 1), value)}


def test_turns_in_a_list_are_made_at_once_and_in_sequence_one_sees_the_other() -> None:
    at_once, one_by_one = Duel(), Duel(together=False)
    of(at_once).step([batch()], NOW)
    assert weights(at_once) == pytest.approx([2 - 0.1 * 3, 3 + 0.1 * 2, 5])
    of(one_by_one).step([batch()], NOW)
    assert weights(one_by_one) == pytest.approx([1.7, 3 + 0.1 * 1.7, 5])


def test_terms_are_means_over_micro_batches() -> None:
    method = Duel()
    terms = of(method).step([batch(1.0), batch(3.0)], NOW)
    assert {name: float(term) for name, term in terms.items()} == {"g.score": 12, "d.score": -12}
    assert weights(method) == pytest.approx([2 - 0.1 * 3 * 2, 3 + 0.1 * 2 * 2, 5])


def test_an_idle_role_stays_bit_equal_with_any_optimizer() -> None:
    for optimizer in ("adam", "adamw", "rmsprop", "sgd"):
        method = Duel(optimizer=optimizer, weight_decay=0.1)  # type: ignore[arg-type]
        loop = of(method)
        for _ in range(3):
            loop.step([batch()], NOW)
        assert weights(method)[2] == 5
        assert weights(method)[0] != 2


def test_clip_bounds_the_gradient_and_box_the_weights() -> None:
    method = Duel(grad_clip=0.5)
    of(method).step([batch()], NOW)
    assert weights(method) == pytest.approx([2 - 0.1 * 0.5, 3 + 0.1 * 0.5, 5])
    method = Duel(weight_clip=1.0)
    of(method).step([batch()], NOW)
    assert weights(method) == [1, 1, 5]


@pytest.fixture
def half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scalers that start at 2, so that what is expected can be worked by hand."""
    monkeypatch.setattr(
        loops, "build_grad_scaler", lambda precision, device: torch.amp.GradScaler(device.type, init_scale=2.0)
    )


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_scaled_steps_are_the_unscaled_ones_after_clipping(together: bool, optimizer: str) -> None:
    scaled = Duel(together, optimizer=optimizer, grad_clip=0.5)  # type: ignore[arg-type]
    plain = Duel(together, optimizer=optimizer, grad_clip=0.5)  # type: ignore[arg-type]
    loop, other = of(scaled), TrainingLoop(plain, Distributed(Fabric(accelerator="cpu", devices=1)))
    loop.precision = "fp16-mixed"
    with pytest.MonkeyPatch.context() as patch:
        loop.step([batch()], NOW)
        patch.setattr(loops, "build_grad_scaler", lambda precision, device: None)
        other.step([batch()], NOW)
    assert weights(scaled) == pytest.approx(weights(plain), rel=1e-3)
    assert sorted(loop.scalers) == (["g+i+d"] if together else ["d", "g+i"])


@pytest.mark.usefixtures("half")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_an_overflow_skips_the_turns_step_and_lowers_its_scale_alone(optimizer: str) -> None:
    method = Duel(together=False, optimizer=optimizer)  # type: ignore[arg-type]
    loop = of(method)
    loop.precision = "fp16-mixed"
    loop.step([batch()], NOW)
    before, scale = weights(method), loop.scalers["g+i"].get_scale()
    assert scale == 2
    handle = next(method.G.parameters()).register_hook(lambda grad: torch.full_like(grad, float("inf")))
    terms = loop.step([batch()], NOW)
    handle.remove()
    assert weights(method)[0] == before[0]
    assert weights(method)[1] != before[1]
    assert loop.scalers["g+i"].get_scale() == 1
    assert loop.scalers["d"].get_scale() == 2
    assert all(term.isfinite() for term in terms.values())
