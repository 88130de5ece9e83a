"""Tests of VAE-GAN's simultaneous update against a reference implementation, and of its feature matching."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_methods import LIGHT, build
from torch import Tensor, nn

from unpaired.methods.base import StepContext
from unpaired.methods.capabilities import EncoderDecoderMethod, SamplingMethod
from unpaired.networks.blocks import Role
from unpaired.testing.tiny_methods import NETWORKS, create_batches, create_loop
from unpaired.training.loop import derive_seed


def bce(scores: Tensor, real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores) if real else torch.zeros_like(scores))


def reference_losses(nets: dict[str, nn.Module], batch: dict[str, Tensor], layer: int) -> dict[str, Tensor]:
    """Compute the losses of both domains layer by layer."""
    raw_losses: dict[str, Tensor] = {}
    for domain in "xy":
        x = batch[domain.upper()]
        encoder, decoder, discriminator = (nets[f"{role}_{domain}"] for role in "EGD")
        out = encoder(x)
        mean, log_variance = out[:, : out.shape[1] // 2], out[:, out.shape[1] // 2 :]
        same = decoder(mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean))
        made = decoder(torch.randn_like(mean))
        assert isinstance(discriminator, Role)
        features, features_same = (discriminator.extract_features(image)[layer] for image in (x, same))
        real, like, new = discriminator(x), discriminator(same), discriminator(made)
        own = {
            "prior": 0.5 * (mean**2 + torch.exp(log_variance) - log_variance - 1).mean(),
            "reconstruction": ((features - features_same) ** 2).mean(),
            "pixel": (same - x).abs().mean(),
            "generator_loss": 0.5 * (bce(like, True) + bce(new, True)),
            "discriminator_loss": bce(real, True) + 0.5 * (bce(like, False) + bce(new, False)),
        }
        raw_losses = {name: raw_losses.get(name, 0) + value for name, value in own.items()}
    return raw_losses


def test_steps_equal_a_reference_implementation() -> None:
    method = build("vaegan", pixel_weight=2.0, decoder_reconstruction_weight=0.3, kl_weight=0.5)
    nets = dict(copy.deepcopy(method).named_children())
    loop = create_loop(method)
    parameters = {role: [p for d in "xy" for p in nets[f"{role}_{d}"].parameters()] for role in "EGD"}
    optimizers = {role: torch.optim.RMSprop(own, lr=3e-4) for role, own in parameters.items()}
    for step, batch in enumerate(create_batches(method, 4, items=2)):
        ours = loop.step([batch], StepContext(step, 0.0))
        torch.manual_seed(derive_seed(0, step, 0))
        raw_losses = reference_losses(nets, dict(batch), layer=1)  # the tiny discriminator has two activations
        losses = {
            "E": 0.5 * raw_losses["prior"] + raw_losses["reconstruction"] + 2 * raw_losses["pixel"],
            "G": 0.3 * raw_losses["reconstruction"] + 2 * raw_losses["pixel"] + raw_losses["generator_loss"],
            "D": raw_losses["discriminator_loss"],
        }
        gradients = {
            role: torch.autograd.grad(loss, parameters[role], retain_graph=True) for role, loss in losses.items()
        }
        for role, optimizer in optimizers.items():
            for parameter, gradient in zip(parameters[role], gradients[role], strict=True):
                parameter.grad = gradient
            optimizer.step()
        expected = {
            "encoders.kl": "prior",
            "encoders.reconstruction": "reconstruction",
            "encoders.pixel": "pixel",
            "decoders.reconstruction": "reconstruction",
            "decoders.pixel": "pixel",
            "decoders.adversarial": "generator_loss",
            "discriminators.adversarial": "discriminator_loss",
        }
        assert {k: v.item() for k, v in ours.items()} == pytest.approx(
            {k: raw_losses[name].item() for k, name in expected.items()}, abs=1e-10, rel=0
        )
    twin = {name: p for role, net in nets.items() for name, p in net.named_parameters(prefix=role)}
    for name, parameter in method.named_parameters():
        # Gradients of biases before an instance norm are rounding errors.
        tolerance = 1e-8 if name.endswith("bias") else 1e-10
        torch.testing.assert_close(parameter, twin[name], rtol=0, atol=tolerance, msg=name)


@pytest.mark.parametrize("networks", [NETWORKS, LIGHT], ids=["plain", "light"])
def test_equal_images_have_equal_features_with_augmentation(networks: dict[str, Any]) -> None:
    method = build("vaegan", {**networks, "augment": ("color", "translation", "cutout")}).train()
    discriminator = method.get_submodule("D_x")
    assert isinstance(discriminator, Role)
    (x,) = create_batches(method, 1, items=3)
    torch.manual_seed(0)
    (first, one), (second, other) = discriminator.forward_with_features(x["X"], x["X"].clone())
    assert torch.equal(first, second) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    apart = discriminator.forward_with_features(x["X"])[0][0]
    assert not torch.equal(apart, first), "the next look has a draw of its own"


def test_codes_are_means_and_samples_are_decoded_noise() -> None:
    method = build("vaegan", latent_dim=6).eval()
    assert isinstance(method, EncoderDecoderMethod) and isinstance(method, SamplingMethod)
    (batch,) = create_batches(method, 1, items=3)
    with torch.no_grad():
        code = method.encode(batch["X"], "X")
        assert code.shape == (3, 6) and torch.equal(code, method.get_submodule("E_x")(batch["X"])[:, :6])
        made = method.sample(2, torch.Generator().manual_seed(5))
        draw = torch.randn(2, 6, generator=torch.Generator().manual_seed(5)).double()
        assert all(torch.equal(made[d.upper()], method.get_submodule(f"G_{d}")(draw)) for d in "xy")
