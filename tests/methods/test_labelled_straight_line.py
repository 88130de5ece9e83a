"""Tests of StarGAN, Fader and ComboGAN against reference implementations in plain PyTorch."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_methods import build
from torch import Tensor, nn

from unpaired.labels import LabelGroup, Labels
from unpaired.methods.base import Method, StepContext, Turn
from unpaired.testing.tiny_methods import create_batches, create_loop
from unpaired.training.loop import derive_seed

HAIR = Labels(
    groups=(LabelGroup(values=("black", "blond", "brown")), LabelGroup(values=("glasses",))), dataset_groups=((0, 1),)
)

TWO_DATASETS = Labels(
    groups=(LabelGroup(values=("black", "blond")), LabelGroup(values=("happy", "sad"))), dataset_groups=((0,), (1,))
)


def adam(rate: float, *nets: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam([p for net in nets for p in net.parameters()], lr=rate, betas=(0.5, 0.999))


def with_maps(x: Tensor, label: Tensor) -> Tensor:
    return torch.cat((x, label.reshape(*label.shape, 1, 1).repeat(1, 1, *x.shape[2:])), 1)


def move(optimizer: torch.optim.Adam, loss: Tensor, clip: float | None = None) -> None:
    optimizer.zero_grad()
    loss.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], clip)
    optimizer.step()


def class_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Compute the loss of a group of three exclusive values and of one binary attribute."""
    hair = F.cross_entropy(logits[:, :3], label[:, :3].argmax(1))
    return hair + F.binary_cross_entropy_with_logits(logits[:, 3], label[:, 3])


class StraightStarGAN:
    """WGAN-GP reference implementation; the generator is updated every `turns` steps, starting with the first."""

    def __init__(self, nets: dict[str, nn.Module], turns: int) -> None:
        self.G, self.T, self.D, self.C = (nets[name] for name in "GTDC")
        self.g, self.d = adam(1e-4, self.G), adam(1e-4, self.T, self.D, self.C)
        self.turns = turns

    def step(self, step: int, x: Tensor, label: Tensor) -> None:
        wanted = label[torch.randperm(len(label))]
        fake = self.G(with_maps(x, wanted))
        seen = self.T(x)
        adversarial = self.D(self.T(fake.detach())).mean() - self.D(seen).mean()
        fraction = torch.rand(len(x), 1, 1, 1, dtype=x.dtype)
        between = (fraction * x + (1 - fraction) * fake.detach()).requires_grad_()
        slope = torch.autograd.grad(self.D(self.T(between)).sum(), between, create_graph=True)[0]
        penalty = ((slope.flatten(1).square().sum(1).sqrt() - 1) ** 2).mean()
        move(self.d, adversarial + class_loss(self.C(seen), label) + 10 * penalty)
        if step % self.turns == 0:
            seen = self.T(fake)
            back = self.G(with_maps(fake, label))
            label_loss = class_loss(self.C(seen), wanted)
            move(self.g, -self.D(seen).mean() + label_loss + 10 * (back - x).abs().mean())


class StraightFader:
    """Reference implementation: latent discriminator, autoencoder, discriminator and classifier."""

    def __init__(self, nets: dict[str, nn.Module], latent: float) -> None:
        self.E, self.G, self.Z, self.D, self.C = (nets[name] for name in "EGZDC")
        self.autoencoder, self.latent_discriminator = adam(2e-4, self.E, self.G), adam(2e-4, self.Z)
        self.discriminator, self.classifier = adam(2e-4, self.D), adam(2e-4, self.C)
        self.latent = latent

    def step(self, step: int, x: Tensor, label: Tensor) -> None:
        fraction = step / 10
        move(self.latent_discriminator, class_loss(self.Z(self.E(x).detach()), label), clip=5)
        other = label[torch.randperm(len(label))]
        code = self.E(x)
        same, fake = self.G(with_maps(code, label)), self.G(with_maps(code, other))
        logits = self.Z(code)
        hair = (-F.log_softmax(logits[:, :3], 1) * (1 - label[:, :3]) / 2).sum(1).mean()
        wrong = hair + F.binary_cross_entropy_with_logits(logits[:, 3], 1 - label[:, 3])
        loss = (same - x).square().mean() + self.latent * min(1, fraction / 0.32) * wrong
        loss = loss + (self.D(fake) - 1).square().mean() + class_loss(self.C(fake), other)
        move(self.autoencoder, loss, clip=5)
        fake = fake.detach()
        move(self.discriminator, 0.5 * ((self.D(x) - 1).square().mean() + self.D(fake).square().mean()), clip=5)
        move(self.classifier, class_loss(self.C(x), label), clip=5)


def assert_equal_steps(method: Method, twin: Method, straight: Any, steps: int) -> None:
    loop = create_loop(method)
    for step, batch in enumerate(create_batches(method, steps, items=2)):
        loop.step([batch], StepContext(step, step / 10))
        torch.manual_seed(derive_seed(0, step, 0))
        straight.step(step, batch["x"], batch["label"])
    moved = 0.0
    for (name, ours), theirs in zip(method.named_parameters(), twin.parameters(), strict=True):
        # A bias before a norm has no effect: its gradient is a rounding error, which Adam divides by its eps of 1e-8.
        assert (ours - theirs).abs().max().item() < (1e-7 if name.endswith("bias") else 1e-10), name
        moved += ours.abs().sum().item()
    assert moved > 0


@pytest.mark.parametrize("turns", [1, 2])
def test_stargan_steps_equal_a_reference_implementation(turns: int) -> None:
    method = build("stargan", labels=HAIR, n_critic=turns)
    twin = copy.deepcopy(method)
    assert_equal_steps(method, twin, StraightStarGAN(dict(twin.named_children()), turns), 4)


@pytest.mark.parametrize("n_critic", [1, 2, 3, 4])
def test_stargan_generator_trains_on_every_data_set_in_every_nth_of_its_steps(n_critic: int) -> None:
    """The data sets of jointly trained labels alternate from step to step."""
    method = build("stargan", labels=TWO_DATASETS, n_critic=n_critic)
    turns: dict[str, list[int]] = {"generator": [0, 0], "discriminator": [0, 0]}
    for step, batch in enumerate(create_batches(method, 4 * n_critic, items=2)):
        dataset = int(batch["label_mask"][0, 0] == 0)
        for turn in method.play(batch, StepContext(step, 0.0)):
            assert isinstance(turn, Turn)
            turns[turn.players[0]][dataset] += 1
    assert turns == {"generator": [2, 2], "discriminator": [2 * n_critic, 2 * n_critic]}


def test_stargan_keeps_no_graph_of_the_generator_in_steps_that_train_the_discriminator_only() -> None:
    method = build("stargan", labels=HAIR, n_critic=2)
    outputs: list[Tensor] = []
    method.get_submodule("G").register_forward_hook(lambda _, inputs, output: outputs.append(output))
    loop, (batch,) = create_loop(method), create_batches(method, 1, items=2)
    for step, has_graph in ((0, [True, True]), (1, [False])):
        outputs.clear()
        loop.step([batch], StepContext(step, 0.0))
        assert [output.requires_grad for output in outputs] == has_graph


def test_fader_steps_equal_a_reference_implementation() -> None:
    settings: dict[str, Any] = {
        "adversarial_weight": 1.0,
        "classification_weight": 1.0,
        "latent_adversarial_weight": 0.5,
        "latent_discriminator_dropout": 0.0,
    }
    method = build("fader", labels=HAIR, **settings)
    twin = copy.deepcopy(method)
    assert_equal_steps(method, twin, StraightFader(dict(twin.named_children()), 0.5), 4)


@pytest.mark.parametrize(
    ("settings", "decoded"),
    [({}, 1), ({"adversarial_weight": 1.0}, 2), ({"classification_weight": 1.0}, 2)],
)
def test_fader_decodes_and_classifies_translations_only_for_losses_on_them(
    settings: dict[str, Any], decoded: int
) -> None:
    """With several groups of labels a classifier trains along; without a weight it does not judge translations."""
    method = build("fader", labels=HAIR, **settings)
    counts: Counter[str] = Counter()
    for name in "GC":
        method.get_submodule(name).register_forward_hook(
            lambda _, inputs, output, name=name: counts.update({name: len(output)})
        )
    (batch,) = create_batches(method, 1, items=2)
    losses = create_loop(method).step([batch], StepContext(0, 0.5))
    items = len(batch["x"])
    assert counts == {"G": decoded * items, "C": items * (2 if "classification_weight" in settings else 1)}
    assert ("autoencoder.classification" in losses) == ("classification_weight" in settings)


def test_combogan_steps_equal_a_reference_implementation() -> None:
    method = build("combogan", pool_size=0, identity_weight=5.0)
    twin = copy.deepcopy(method)
    nets = dict(twin.named_children())
    autoencoder = adam(2e-4, *(nets[f"{half}_{key}"] for key in "XY" for half in "EG"))
    discriminators = adam(2e-4, nets["D_X"], nets["D_Y"])

    def near(x: Tensor, y: Tensor) -> Tensor:
        return (0.5 * (x - y).square()).mean() + ((x - y).abs() - 1).clamp(min=0).square().mean() * -0.5

    def pool(x: Tensor) -> Tensor:
        return x.unfold(2, 3, 2).unfold(3, 3, 2).mean((-1, -2))

    class Straight:
        def step(self, _: int, x: Tensor, y: Tensor) -> None:
            code_x, code_y = nets["E_X"](x), nets["E_Y"](y)
            fake_y, fake_x = nets["G_Y"](code_x), nets["G_X"](code_y)
            loss = (nets["D_Y"](fake_y) - 1).square().mean() + (nets["D_X"](fake_x) - 1).square().mean()
            loss = (
                loss + 10 * near(nets["G_X"](nets["E_Y"](fake_y)), x) + 10 * near(nets["G_Y"](nets["E_X"](fake_x)), y)
            )
            loss = loss + 5 * near(pool(nets["G_X"](code_x)), pool(x)) + 5 * near(pool(nets["G_Y"](code_y)), pool(y))
            move(autoencoder, loss)
            real = (nets["D_X"](x) - 1).square().mean() + (nets["D_Y"](y) - 1).square().mean()
            move(
                discriminators,
                0.5
                * (real + sum(nets[f"D_{k}"](f.detach()).square().mean() for k, f in (("X", fake_x), ("Y", fake_y)))),
            )

    straight, loop = Straight(), create_loop(method)
    for step, batch in enumerate(create_batches(method, 3)):
        loop.step([batch], StepContext(step, 0.0))
        straight.step(step, batch["X"], batch["Y"])
    for (name, ours), theirs in zip(method.named_parameters(), twin.parameters(), strict=True):
        assert (ours - theirs).abs().max().item() < (1e-7 if name.endswith("bias") else 1e-10), name
