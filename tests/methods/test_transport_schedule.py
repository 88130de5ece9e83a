"""Weight of the source frames in the optimal transport loss over the training budget."""

from __future__ import annotations

import pytest
from tiny_methods import build_voice
from torch import Tensor

from unpaired.methods.base import StepContext
from unpaired.networks.optimal_transport import OptimalTransportLoss, compute_source_weight
from unpaired.testing.tiny_methods import VOICE_SHAPE, create_batches


@pytest.mark.parametrize(
    ("fraction", "weight"), [(0, 0.5), (1 / 3, 0.5), (0.5, 0.25), (7 / 12, 0.125), (2 / 3, 0), (1, 0)]
)
def test_weight_falls_linearly_to_zero_in_the_middle_third(fraction: float, weight: float) -> None:
    assert compute_source_weight(fraction) == pytest.approx(weight)


@pytest.mark.parametrize(
    ("name", "middle_weight"),
    [
        *((name, 0.25) for name in ("unit", "xgan", "combogan", "fader")),
        *((n, 0) for n in ("stargan", "cyclegan", "cut")),
    ],
)
def test_methods_that_start_at_their_input_never_assign_source_frames(
    name: str, middle_weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights: list[float] = []

    def record(self: OptimalTransportLoss, fake: Tensor, *args: Tensor | float) -> Tensor:
        weights.append(float(args[2]) if len(args) > 2 else 0.0)
        return fake.mean()

    monkeypatch.setattr(OptimalTransportLoss, "forward", record)
    method = build_voice(name, transport_weight=1.0)
    (batch,) = create_batches(method, 1, shape=VOICE_SHAPE)
    assert list(method.play(batch, StepContext(0, 0.5)))
    assert weights and weights == pytest.approx([middle_weight] * len(weights))
