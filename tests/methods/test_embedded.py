"""Tests of dtn, its baseline and xgan against reference implementations, and of their constant embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_straight_line import assert_equal_steps, twin_of
from tiny_methods import LIGHT, build, build_voice
from torch import Tensor, nn

from benchmarks.straight_line import adam, entropy, freeze
from unpaired.errors import UsageError
from unpaired.methods.base import StepContext, Turn
from unpaired.runs.weights import collect_state, load_state
from unpaired.testing.tiny_methods import NETWORKS, create_batches, create_feature_extractor, create_loop


class StraightDTNBaseline:
    def __init__(self, nets: dict[str, nn.Module]) -> None:
        self.G, self.D, self.f = nets["G"], nets["D"], nets["f"]
        self.generator_optimizer, self.discriminator_optimizer = adam((self.G,), 2e-4), adam((self.D,), 2e-4)

    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        freeze((self.D,), True)
        self.generator_optimizer.zero_grad()
        fake = self.G(x)
        adversarial, constancy = entropy(self.D(fake), True), F.mse_loss(self.f(fake), self.f(x))
        (adversarial + 15 * constancy).backward()
        self.generator_optimizer.step()
        freeze((self.D,), False)
        self.discriminator_optimizer.zero_grad()
        discriminator_loss = entropy(self.D(y), True) + entropy(self.D(fake.detach()), False)
        discriminator_loss.backward()
        self.discriminator_optimizer.step()
        return {
            "generator.adversarial": adversarial,
            "generator.perceptual": constancy,
            "discriminator.adversarial": discriminator_loss,
        }


def class_cross_entropy(scores: Tensor, label: int) -> Tensor:
    """Compute the cross entropy of scores (B, 3, h, w) with the same class at all positions."""
    return F.cross_entropy(scores, torch.full((len(scores), *scores.shape[2:]), label))


class StraightDTN:
    def __init__(self, nets: dict[str, nn.Module]) -> None:
        self.g, self.D, self.f = nets["g"], nets["D"], nets["f"]
        self.generator_optimizer, self.discriminator_optimizer = adam((self.g,), 2e-4), adam((self.D,), 2e-4)

    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        freeze((self.D,), True)
        self.generator_optimizer.zero_grad()
        fake, same = self.g(self.f(x)), self.g(self.f(y))
        adversarial = class_cross_entropy(self.D(fake), 2) + class_cross_entropy(self.D(same), 2)
        constancy, identity = F.mse_loss(self.f(fake), self.f(x)), F.mse_loss(same, y)
        rough = torch.zeros((), dtype=x.dtype)
        for z in (fake, same):
            h, w = z.shape[-2:]
            for i in range(h):
                for j in range(w):
                    right = z[..., i, j + 1] - z[..., i, j] if j + 1 < w else torch.zeros_like(z[..., i, j])
                    down = z[..., i + 1, j] - z[..., i, j] if i + 1 < h else torch.zeros_like(z[..., i, j])
                    if i + 1 < h or j + 1 < w:
                        rough = rough + (right**2 + down**2).sqrt().sum() / z.numel()
        (adversarial + 100 * constancy + identity + 0.05 * rough).backward()
        self.generator_optimizer.step()
        freeze((self.D,), False)
        self.discriminator_optimizer.zero_grad()
        discriminator_loss = (
            class_cross_entropy(self.D(fake.detach()), 0)
            + class_cross_entropy(self.D(same.detach()), 1)
            + class_cross_entropy(self.D(y), 2)
        )
        discriminator_loss.backward()
        self.discriminator_optimizer.step()
        return {
            "generator.adversarial": adversarial,
            "generator.perceptual": constancy,
            "generator.identity": identity,
            "generator.tv": rough,
            "discriminator.adversarial": discriminator_loss,
        }


class StraightXGAN:
    def __init__(self, nets: dict[str, nn.Module], weight: float = 0.0) -> None:
        self.nets, self.weight = nets, weight
        self.autoencoders = [nets[name] for name in ("E_x", "E_y", "G_x", "G_y", "R") if name in nets]
        self.judges = [nets[name] for name in ("D_x", "D_y", "C")]
        self.autoencoder_optimizer, self.discriminator_optimizer, self.latent_optimizer = (
            adam(self.autoencoders, 1e-4),
            adam(self.judges[:2], 1e-4),
            adam([nets["C"]], 1e-4),
        )

    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        n = self.nets
        freeze(self.judges, True)
        self.autoencoder_optimizer.zero_grad()
        u, v = n["E_x"](x), n["E_y"](y)
        fake_y, fake_x = n["G_y"](u), n["G_x"](v)
        reconstruction = F.l1_loss(n["G_x"](u), x) + F.l1_loss(n["G_y"](v), y)
        domain = entropy(n["C"](u), False) + entropy(n["C"](v), True)
        semantic = F.l1_loss(n["E_y"](fake_y), u) + F.l1_loss(n["E_x"](fake_x), v)
        adversarial = entropy(n["D_x"](fake_x), True) + entropy(n["D_y"](fake_y), True)
        teacher = {}
        if "R" in n:
            seen, read = n["T"](x), F.conv2d(u, n["R"][0].weight, n["R"][0].bias)  # type: ignore[index]
            teacher = {
                "autoencoders.teacher": sum((s - r).abs().sum() for s, r in zip(seen, read, strict=True)) / read.numel()
            }
        (reconstruction + domain + semantic + adversarial + sum(self.weight * t for t in teacher.values())).backward()
        self.autoencoder_optimizer.step()
        freeze(self.judges, False)
        self.discriminator_optimizer.zero_grad()
        self.latent_optimizer.zero_grad()
        discriminator_loss = entropy(n["D_x"](x), True) + entropy(n["D_x"](fake_x.detach()), False)
        discriminator_loss = discriminator_loss + entropy(n["D_y"](y), True) + entropy(n["D_y"](fake_y.detach()), False)
        read = entropy(n["C"](u.detach()), True) + entropy(n["C"](v.detach()), False)
        (discriminator_loss + read).backward()
        self.discriminator_optimizer.step()
        self.latent_optimizer.step()
        return {
            "autoencoders.reconstruction": reconstruction,
            "autoencoders.latent_adversarial": domain,
            "autoencoders.latent_consistency": semantic,
            "autoencoders.adversarial": adversarial,
            **teacher,
            "discriminators.adversarial": discriminator_loss,
            "latent_discriminator.classification": read,
        }


STRAIGHT: dict[str, Any] = {"dtn-baseline": StraightDTNBaseline, "dtn": StraightDTN, "xgan": StraightXGAN}


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("name", STRAIGHT)
def test_steps_equal_a_reference_implementation(name: str, items: int) -> None:
    method = build(name)
    twin, nets = twin_of(method)
    assert_equal_steps(method, twin, STRAIGHT[name](nets), 3, items)


@pytest.mark.parametrize("name", ["dtn", "dtn-baseline"])
def test_embedding_is_constant_and_not_saved(name: str) -> None:
    method = build(name)
    f = method.get_submodule("f")
    before = [p.clone() for p in f.parameters()]
    create_loop(method).step(create_batches(method, 1), StepContext(0, 0.0))
    assert before and all(torch.equal(p, q) for p, q in zip(f.parameters(), before, strict=True))
    assert not f.training and not [key for key in collect_state(method) if key.startswith("f.")]
    assert any(key.startswith("f.") for key in collect_state(method, method.translation_roles)) == (name == "dtn")


@pytest.mark.parametrize("name", ["dtn-baseline", "xgan"])
def test_translation_works_without_the_training_embedding(name: str) -> None:
    method, absent = (
        build(name, feature_extractor=create_feature_extractor()),
        build(name, seed=1, feature_extractor="own:Gone-0"),
    )
    load_state(absent, collect_state(method, method.translation_roles), Path("model"), absent.translation_roles)
    x = create_batches(method, 1)[0]["X"]
    assert torch.equal(absent.eval().translate(x, "X", "Y"), method.eval().translate(x, "X", "Y"))
    with pytest.raises(UsageError, match="custom network"):
        create_loop(absent).step(create_batches(absent, 1), StepContext(0, 0.0))


def test_dtn_translation_raises_usage_error_without_its_embedding() -> None:
    with pytest.raises(UsageError, match="custom network"):
        build("dtn", feature_extractor="own:Gone-0")


@pytest.mark.parametrize("networks", [NETWORKS, LIGHT], ids=["plain", "light"])
def test_xgan_with_teacher_equals_a_reference_implementation(networks: dict[str, Any]) -> None:
    method = build("xgan", networks, feature_extractor=create_feature_extractor(), teacher_weight=2.5)
    twin, nets = twin_of(method)
    code = method.get_submodule("E_x")(create_batches(method, 1)[0]["X"])
    assert method.get_submodule("R")(code).shape == (1, 5, *code.shape[2:])
    assert_equal_steps(method, twin, StraightXGAN(nets, 2.5), 3, 2)


def test_xgan_teacher_is_constant_and_not_saved() -> None:
    method, plain = build("xgan", feature_extractor=create_feature_extractor()), build("xgan", feature_extractor=None)
    apart = {
        name
        for name in collect_state(method)
        if not torch.equal(collect_state(method)[name], collect_state(plain).get(name, torch.zeros(0)))
    }
    assert apart == {"R.0.weight", "R.0.bias"}, "all others start as without it, and the teacher is not saved"
    assert (
        collect_state(method, method.translation_roles).keys() == collect_state(plain, plain.translation_roles).keys()
    )
    before = {name: tensor.clone() for name, tensor in method.get_submodule("T").state_dict().items()}
    create_loop(method).step(create_batches(method, 1), StepContext(0, 0.0))
    assert before and all(torch.equal(t, before[name]) for name, t in method.get_submodule("T").state_dict().items())
    assert not method.get_submodule("T").training


def test_teacher_loss_reaches_only_the_first_encoder_and_the_embedding_head() -> None:
    method = build("xgan", feature_extractor=create_feature_extractor())
    turn = next(iter(method.play(create_batches(method, 1)[0], StepContext(0, 0.0))))
    assert isinstance(turn, Turn)
    turn.losses["teacher"].backward()
    reached = {name.split(".")[0] for name, p in method.named_parameters() if p.grad is not None}
    assert reached == {"E_x", "R"}


def test_feature_extractor_raises_usage_error_for_voices() -> None:
    assert build_voice("xgan", feature_extractor="")
    for name in (create_feature_extractor(), "own:Gone-0"):
        with pytest.raises(UsageError, match=r"feature_extractor: for pictures only.* \(--feature-extractor none\)"):
            build_voice("xgan", feature_extractor=name)
