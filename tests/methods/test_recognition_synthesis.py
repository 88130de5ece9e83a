from __future__ import annotations

import torch
from tiny_methods import build_voice
from torch import Tensor

from unpaired.methods.base import StepContext
from unpaired.testing.tiny_methods import NUM_CONDITIONS, VOICE_NETWORKS, VOICE_SHAPE, create_loop


def test_values_are_learned_from_the_conditions_and_the_label() -> None:
    """Values are a linear function of conditions that last 4 frames, with the opposite sign in the second domain."""
    method = build_voice("recognition-synthesis", {**VOICE_NETWORKS, "norm": "none"}, lr=1e-2)
    loop, draws = create_loop(method), torch.Generator().manual_seed(0)
    matrix = torch.randn(VOICE_SHAPE[1] - NUM_CONDITIONS, NUM_CONDITIONS, generator=draws, dtype=torch.float64)

    def draw_batch() -> dict[str, Tensor]:
        short = torch.randn(2, NUM_CONDITIONS, VOICE_SHAPE[2] // 4, generator=draws, dtype=torch.float64)
        conditions = short.repeat_interleave(4, 2)
        values = matrix @ conditions
        return {key: torch.cat((sign * values, conditions), 1)[:, None] for key, sign in (("X", 1), ("Y", -1))}

    losses = [
        float(loop.step([draw_batch()], StepContext(step, 0))["synthesizer.reconstruction"]) for step in range(120)
    ]
    assert sum(losses[-20:]) < 0.75 * sum(losses[:20])


def test_noise_in_training_reaches_the_conditions_only_and_is_relative_to_their_deviation() -> None:
    method = build_voice("recognition-synthesis", condition_noise=0.5)
    scales = 10.0 ** torch.arange(NUM_CONDITIONS, dtype=torch.float64)[:, None]
    x = torch.randn(500, *VOICE_SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[:, :, -NUM_CONDITIONS:] *= scales
    before, inputs = x.clone(), []
    method.get_submodule("S").register_forward_pre_hook(lambda _, args: inputs.append(args[0][:, : x.shape[1]]))
    next(iter(method.play({"X": x, "Y": x}, StepContext(0, 0))))
    noise = inputs[0] - x
    assert torch.equal(x, before) and not noise[:, :, :-NUM_CONDITIONS].any()
    deviation = (noise[:, :, -NUM_CONDITIONS:] / scales).std((0, 1, 3))
    assert (deviation - 0.5).abs().max() < 0.03
    method.translate(x, "X", "Y")
    assert torch.equal(inputs[-1], x), "none in translations"


def test_translation_depends_on_the_conditions_only_and_returns_them() -> None:
    method = build_voice("recognition-synthesis").eval()
    x, other = (torch.randn(2, *VOICE_SHAPE, dtype=torch.float64) for _ in range(2))
    other[:, :, -NUM_CONDITIONS:] = x[:, :, -NUM_CONDITIONS:]
    with torch.no_grad():
        y = method.translate(x, "X", "Y")
        assert torch.equal(y, method.translate(other, "X", "Y"))
        assert torch.equal(y[:, :, -NUM_CONDITIONS:], x[:, :, -NUM_CONDITIONS:])
        assert not torch.equal(y, method.translate(x, "Y", "X"))
