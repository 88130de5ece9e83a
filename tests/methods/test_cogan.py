"""Tests of CoGAN: shared layers, steps compared with a reference implementation, and the search for codes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_methods import LIGHT, build
from torch import Tensor

from unpaired.methods.base import StepContext
from unpaired.methods.cogan import CoGAN
from unpaired.testing.tiny_methods import create_batches, create_loop
from unpaired.training.loop import derive_seed


def cogan(**settings: Any) -> CoGAN:
    method = build("cogan", **settings)
    assert isinstance(method, CoGAN)
    return method


def test_discriminators_share_all_but_the_first_convolution() -> None:
    method = cogan()
    one, other = (dict(method.get_submodule(name).named_parameters()) for name in ("D_x", "D_y"))
    assert {name for name in one if one[name] is not other[name]} == {"0.weight", "0.bias"} < one.keys() == other.keys()


def bce(scores: Tensor, real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores) if real else torch.zeros_like(scores))


def test_steps_equal_a_reference_implementation() -> None:
    method = cogan()
    nets = dict(copy.deepcopy(method).named_children())
    loop = create_loop(method)
    unique = [
        {id(p): p for name in names for p in nets[name].parameters()} for names in (("G", "G_x", "G_y"), ("D_x", "D_y"))
    ]
    generators, discriminators = (
        torch.optim.Adam(own.values(), lr=2e-4, betas=(0.5, 0.999), weight_decay=5e-4) for own in unique
    )
    for step, batch in enumerate(create_batches(method, 4, items=2)):
        ours = loop.step([batch], StepContext(step, 0.0))
        torch.manual_seed(derive_seed(0, step, 0))
        noise = torch.randn(2, 100, dtype=torch.float64)
        fakes = {d: nets[f"G_{d}"](nets["G"](noise)) for d in "xy"}
        generator_loss = bce(nets["D_x"](fakes["x"]), True) + bce(nets["D_y"](fakes["y"]), True)
        generators.zero_grad()
        generator_loss.backward()
        generators.step()
        discriminators.zero_grad()
        discriminator_loss = torch.zeros((), dtype=torch.float64)
        for d in "xy":
            discriminator_loss = discriminator_loss + bce(nets[f"D_{d}"](batch[d.upper()]), True)
            discriminator_loss = discriminator_loss + bce(nets[f"D_{d}"](fakes[d].detach()), False)
        discriminator_loss.backward()
        discriminators.step()
        assert ours["generators.adversarial"].item() == pytest.approx(generator_loss.item(), abs=1e-10)
        assert ours["discriminators.adversarial"].item() == pytest.approx(discriminator_loss.item(), abs=1e-10)
    twin = {name: p for role, net in nets.items() for name, p in net.named_parameters(prefix=role)}
    for name, parameter in method.named_parameters():
        # Weight decay keeps biases before an instance norm from consisting of rounding errors.
        torch.testing.assert_close(parameter, twin[name], rtol=0, atol=1e-8, msg=name)


def test_search_recovers_the_code_of_a_generated_image() -> None:
    """The search reduces the distance of the initial codes to a small fraction."""
    draws = torch.Generator().manual_seed(9)
    distances = []
    for steps in (0, 20, 200):
        method = cogan(latent_dim=8, inversion_steps=steps).eval()
        with torch.no_grad():
            wanted = method.sample(3, draws.manual_seed(9))
            found = method.decode(method.encode(wanted["X"], "X"), "X")
            distances.append((found - wanted["X"]).square().flatten(1).sum(1))
            other = method.translate(wanted["X"], "X", "Y")
    assert (distances[1] < distances[0]).all() and (distances[2] < distances[1]).all()
    assert (distances[2] < 0.05 * distances[0]).all()
    apart = (other - wanted["Y"]).square().flatten(1).sum(1)
    assert (apart < 0.2 * (wanted["Y"] - wanted["Y"].roll(1, 0)).square().flatten(1).sum(1)).all(), "and so is its pair"


def test_search_makes_progress_where_the_output_is_clamped() -> None:
    """Light generators clamp their output, whose gradient is zero beyond the range, where a search would stop."""
    method = build("cogan", LIGHT, latent_dim=8, inversion_candidates=1).eval()
    assert isinstance(method, CoGAN)
    with torch.no_grad():
        method.get_submodule("G_x").get_parameter("1.bias").fill_(3.0)  # all white at the start
        x = -torch.ones(1, 3, 16, 16, dtype=torch.float64)
        start = method._sample_codes(1, torch.Generator().manual_seed(0))
        assert (method.decode(start, "X") == 1).all()
        assert not torch.equal(method.encode(x, "X"), start)


def test_search_keeps_weights_and_random_state() -> None:
    method = cogan(latent_dim=8)
    before = {name: p.clone() for name, p in method.named_parameters()}
    state = torch.get_rng_state()
    with torch.no_grad():
        method.eval().translate(create_batches(method, 1)[0]["X"], "X", "Y")
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(p, before[name]) and p.grad is None for name, p in method.named_parameters())
