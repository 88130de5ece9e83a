"""Training loop: simultaneous turns, roles without gradients, gradient and weight clipping, float16 loss scaling."""

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

CONTEXT = StepContext(0, 0.0)


class Duel(Method):
    """Two players with one weight each, and one without a loss; `together`: `g` and `d` take simultaneous turns."""

    def __init__(self, together: bool = True, **player: float) -> None:
        super().__init__()
        self.G, self.D, self.unused = (Role(nn.Linear(1, 1, bias=False)) for _ in range(3))
        for role, value in ((self.G, 2.0), (self.D, 3.0), (self.unused, 5.0)):
            nn.init.constant_(next(role.parameters()), value)
        player_settings = {"optimizer": "sgd", "lr": 0.1} | player
        roles = {"g": "G", "d": "D", "i": "unused"}
        self.players = {name: Player((role,), **player_settings) for name, role in roles.items()}  # type: ignore[arg-type]
        self.loss_weights = {"score": 1.0}
        self.routes = ()
        self.together = together

    def play(self, batch: Batch, context: StepContext) -> Iterator[Turns]:
        """Yield turns in which `g` minimizes D(G(x)) and `d` maximizes it."""
        score = self.D(self.G(batch["X"])).float().mean()
        if self.together:
            yield [Turn("g", "i", score=score), Turn("d", score=-score)]
        else:
            yield Turn("g", "i", score=score)
            yield Turn("d", score=-self.D(self.G(batch["X"])).float().mean())

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        """Return `x`."""
        return x


def build_loop(method: Method) -> TrainingLoop:
    return TrainingLoop(method, Distributed(Fabric(accelerator="cpu", devices=1)))


def weights(method: Duel) -> list[float]:
    return [float(next(role.parameters()).detach()) for role in (method.G, method.D, method.unused)]


def batch(value: float = 1.0) -> dict[str, Tensor]:
    return {"X": torch.full((1, 1), value)}


def test_turns_in_a_list_are_simultaneous_and_others_sequential() -> None:
    at_once, one_by_one = Duel(), Duel(together=False)
    build_loop(at_once).step([batch()], CONTEXT)
    assert weights(at_once) == pytest.approx([2 - 0.1 * 3, 3 + 0.1 * 2, 5])
    build_loop(one_by_one).step([batch()], CONTEXT)
    assert weights(one_by_one) == pytest.approx([1.7, 3 + 0.1 * 1.7, 5])


def test_losses_are_means_over_micro_batches() -> None:
    method = Duel()
    losses = build_loop(method).step([batch(1.0), batch(3.0)], CONTEXT)
    assert {name: float(loss) for name, loss in losses.items()} == {"g.score": 12, "d.score": -12}
    assert weights(method) == pytest.approx([2 - 0.1 * 3 * 2, 3 + 0.1 * 2 * 2, 5])


def test_role_without_gradient_is_unchanged_by_any_optimizer() -> None:
    for optimizer in ("adam", "adamw", "rmsprop", "sgd"):
        method = Duel(optimizer=optimizer, weight_decay=0.1)  # type: ignore[arg-type]
        loop = build_loop(method)
        for _ in range(3):
            loop.step([batch()], CONTEXT)
        assert weights(method)[2] == 5
        assert weights(method)[0] != 2


def test_grad_clip_limits_gradients_and_weight_clip_limits_weights() -> None:
    method = Duel(grad_clip=0.5)
    build_loop(method).step([batch()], CONTEXT)
    assert weights(method) == pytest.approx([2 - 0.1 * 0.5, 3 + 0.1 * 0.5, 5])
    method = Duel(weight_clip=1.0)
    build_loop(method).step([batch()], CONTEXT)
    assert weights(method) == [1, 1, 5]


@pytest.fixture
def small_grad_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use scalers that start at 2, so that one overflow gives a scale of 1."""
    monkeypatch.setattr(
        loops, "build_grad_scaler", lambda precision, device: torch.amp.GradScaler(device.type, init_scale=2.0)
    )


@pytest.mark.usefixtures("small_grad_scale")
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_scaled_steps_equal_unscaled_steps(together: bool, optimizer: str) -> None:
    scaled = Duel(together, optimizer=optimizer, grad_clip=0.5)  # type: ignore[arg-type]
    plain = Duel(together, optimizer=optimizer, grad_clip=0.5)  # type: ignore[arg-type]
    loop, other = build_loop(scaled), TrainingLoop(plain, Distributed(Fabric(accelerator="cpu", devices=1)))
    loop.precision = "fp16-mixed"
    with pytest.MonkeyPatch.context() as patch:
        loop.step([batch()], CONTEXT)
        patch.setattr(loops, "build_grad_scaler", lambda precision, device: None)
        other.step([batch()], CONTEXT)
    assert weights(scaled) == pytest.approx(weights(plain), rel=1e-3)
    assert sorted(loop.scalers) == (["g+i+d"] if together else ["d", "g+i"])


@pytest.mark.usefixtures("small_grad_scale")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_overflow_skips_step_and_lowers_scale_of_its_turn_only(optimizer: str) -> None:
    method = Duel(together=False, optimizer=optimizer)  # type: ignore[arg-type]
    loop = build_loop(method)
    loop.precision = "fp16-mixed"
    loop.step([batch()], CONTEXT)
    before, scale = weights(method), loop.scalers["g+i"].get_scale()
    assert scale == 2
    handle = next(method.G.parameters()).register_hook(lambda grad: torch.full_like(grad, float("inf")))
    losses = loop.step([batch()], CONTEXT)
    handle.remove()
    assert weights(method)[0] == before[0]
    assert weights(method)[1] != before[1]
    assert loop.scalers["g+i"].get_scale() == 1
    assert loop.scalers["d"].get_scale() == 2
    assert all(loss.isfinite() for loss in losses.values())
