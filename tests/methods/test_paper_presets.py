"""The preset `paper` against the sizes, schedules and losses of the papers and of the authors' code."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_methods import build
from torch import Tensor, nn

from unpaired.config.resolve import SettingsRequest, resolve_settings
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.labels import create_domain_labels
from unpaired.media import MEDIA
from unpaired.methods import METHODS
from unpaired.methods.base import Method, StepContext
from unpaired.methods.capabilities import EncoderDecoderMethod
from unpaired.networks.blocks import Blur, ResidualBlock
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.parameters import count_parameters
from unpaired.testing.tiny_methods import NETWORKS, create_batches, create_loop

PAPER: dict[str, dict[str, Any]] = {
    "gan": {"size": 64},
    "discogan": {"size": 64, "batch_size": 64, "norm": "batch", "ema_decay": 0.0, "lr_decay_start": 1.0, "flip": False},
    "dualgan": {"lr_decay_start": 1.0},
    "cut": {"antialias": True, "discriminator_antialias": True},
    "fastcut": {"antialias": True, "discriminator_antialias": True, "lr_decay_start": 0.75},
    "stargan": {"size": 128, "batch_size": 16, "blocks": 6},
    "vaegan": {"size": 64, "batch_size": 64, "norm": "batch", "ema_decay": 0.0},
    "cogan": {"size": 128, "batch_size": 128, "weight_decay": 1e-4, "lr_decay_start": 1.0},
    "unit": {"blocks": 6, "weight_decay": 1e-4, "lr_decay_start": 1.0},
    "fader": {
        **{"batch_size": 32, "width": 32, "discriminator_width": 32, "norm": "batch"},
        **{"ema_decay": 0.0, "lr_decay_start": 1.0},
    },
    "xgan": {"size": 64},
}
"""Settings that differ from CycleGAN's sizes, norm and schedule."""
CYCLEGAN: dict[str, Any] = {
    **{"size": 256, "flip": True, "width": 64, "discriminator_width": 64, "blocks": None, "norm": "instance"},
    **{"antialias": False, "discriminator_antialias": False},
    **{"batch_size": 1, "ema_decay": 0.999, "lr_decay_start": 0.5},
}


def paper_settings(method: str) -> dict[str, Any]:
    """Return all settings of the preset `paper` for images by name."""
    settings = resolve_settings(SettingsRequest.read(method, "paper"), MEDIA["image"], "paper")
    return {name: value for section in settings.sections().values() for name, value in section.model_dump().items()}


def build_paper(method: str, domains: int = 2) -> Method:
    """Build a method with the preset `paper` without memory for its weights."""
    settings = resolve_settings(SettingsRequest.read(method, "paper"), MEDIA["image"], "paper")
    assert isinstance(settings.networks, ImageNetworkSettings)
    keys = DOMAIN_KEYS[:domains]
    with torch.device("meta"):
        net = ImageNetworkFactory(
            settings.networks, dict.fromkeys(keys, 3), paper_settings(method)["size"], create_domain_labels(keys)
        )
        return METHODS[method].cls(net, **settings.method_settings.model_dump())


@pytest.mark.parametrize("method", METHODS)
def test_sizes_and_schedules_are_those_of_the_paper(method: str) -> None:
    expected = CYCLEGAN | PAPER.get(method, {})
    settings = paper_settings(method)
    assert {name: settings[name] for name in expected} == expected


def test_fader_encoder_has_the_parameters_of_c32_to_c512() -> None:
    method = build_paper("fader")
    widths = (3, 32, 64, 128, 256, 512, 512)
    convolutions = sum(16 * a * b + b for a, b in itertools.pairwise(widths))
    assert convolutions + sum(2 * w for w in widths[2:]) == 6_985_568
    assert count_parameters(method.get_submodule("E")) == 6_985_568
    norms = [m.num_features for m in method.get_submodule("E").modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms == [64, 128, 256, 512, 512]


def test_stargan_discriminator_has_the_parameters_of_the_authors_code() -> None:
    method = build_paper("stargan", domains=5)
    widths = (3, 64, 128, 256, 512, 1024, 2048)
    trunk = sum(16 * a * b + b for a, b in itertools.pairwise(widths))
    scores, logits = 9 * 2048, 4 * 2048 * 5  # 3 x 3, and 2 x 2 for five labels; both without biases
    counts = [count_parameters(method.get_submodule(role)) for role in "TDC"]
    assert counts == [trunk, scores, logits] and sum(counts) == 44_762_048
    assert sum(isinstance(m, ResidualBlock) for m in method.get_submodule("G").modules()) == 6


def test_discogan_generator_has_the_parameters_of_the_authors_code_and_biases() -> None:
    generator = build_paper("discogan").get_submodule("G")
    down, up = (3, 64, 128, 256, 512), (512, 256, 128, 64, 3)
    weights = 16 * sum(a * b for w in (down, up) for a, b in itertools.pairwise(w))
    norms = 2 * (128 + 256 + 512) + 2 * (256 + 128 + 64)
    biases = sum(down[1:]) + sum(up[1:])
    assert weights + norms == 5_513_856  # the authors' convolutions have no biases
    assert count_parameters(generator) == 5_513_856 + biases


@pytest.mark.parametrize(("method", "encoder", "decoder"), [("combogan", 4, 5), ("unit", 3 + 1, 1 + 3)])
def test_encoders_and_decoders_have_the_authors_blocks(method: str, encoder: int, decoder: int) -> None:
    built = build_paper(method)
    domain = "X" if method == "combogan" else "x"
    counts = [
        sum(isinstance(m, ResidualBlock) for m in built.get_submodule(f"{role}_{domain}").modules()) for role in "EG"
    ]
    assert counts == [encoder, decoder]


@pytest.mark.parametrize("method", ["cut", "fastcut"])
def test_cut_has_antialiased_networks(method: str) -> None:
    built = build_paper(method)
    discriminator = built.get_submodule("D")
    assert sum(isinstance(m, Blur) for m in discriminator.modules()) == 3
    assert {m.stride for m in discriminator.modules() if isinstance(m, nn.Conv2d)} == {(1, 1)}
    assert count_parameters(discriminator) == 2_764_737  # as without blur
    assert discriminator(torch.empty(1, 3, 256, 256, device="meta")).shape == (1, 1, 30, 30)
    generator = built.get_submodule("G")
    assert sum(isinstance(m, Blur) for m in generator.modules()) == 2
    assert not any(isinstance(m, nn.ConvTranspose2d) for m in generator.modules())


def test_vaegan_weights_give_the_authors_sums() -> None:
    """For 256 x 8 x 8 features and 128 latent values, as in the authors' `NLLNormal` and `KLDStandardNormal`."""
    method, context = build("vaegan"), StepContext(0, 0.0)
    torch.manual_seed(0)
    d = torch.randn(256, 8, 8, dtype=torch.float64)
    mean, log_variance = torch.randn(2, 128, dtype=torch.float64)
    likelihood = d.square().sum() / 2
    prior = -(1 + log_variance - mean.square() - log_variance.exp()).sum() / 2
    reconstruction_weight = method.loss_weight("encoders", "reconstruction", context)
    kl_weight = method.loss_weight("encoders", "kl", context)
    ours = reconstruction_weight * d.square().mean() + kl_weight * prior / 128
    assert float(ours) * 16384 / 2 == pytest.approx(float(likelihood + prior), rel=1e-12)
    gamma = method.loss_weight("decoders", "reconstruction", context)
    assert float(gamma * d.square().mean()) == pytest.approx(1e-6 * float(likelihood), rel=1e-12)


@pytest.mark.parametrize("is_pooled", [True, False])
def test_combogan_identity_loss_equals_a_slow_loop(is_pooled: bool) -> None:
    method = build("combogan", identity_weight=2.0, identity_pooling=is_pooled)
    assert isinstance(method, EncoderDecoderMethod)
    (batch,) = create_batches(method, 1)
    with torch.no_grad():
        expected = 0.0
        for domain in "XY":
            x = batch[domain]
            difference = method.decode(method.encode(x, domain), domain) - x
            values = pool_slowly(difference) if is_pooled else difference.flatten().tolist()
            expected += sum(v * v / 2 if abs(v) < 1 else abs(v) - 0.5 for v in values) / len(values)
    losses = create_loop(method).step([batch], StepContext(0, 0.0))
    assert losses["autoencoders.identity"].item() == pytest.approx(expected, rel=1e-12)


def pool_slowly(x: Tensor) -> list[float]:
    """Return the means of 3 x 3 windows at every second position of (B, C, H, W), without padding."""
    height, width = ((n - 3) // 2 + 1 for n in x.shape[-2:])
    return [
        sum(float(plane[2 * i + a, 2 * j + b]) for a in range(3) for b in range(3)) / 9
        for plane in x.flatten(0, 1)
        for i in range(height)
        for j in range(width)
    ]


def test_combogan_latent_loss_is_smooth_and_its_weight_rises_over_the_budget() -> None:
    method = build("combogan", latent_consistency_weight=4.0)
    assert isinstance(method, EncoderDecoderMethod)
    weights = [method.loss_weight("autoencoders", "latent_consistency", StepContext(0, f)) for f in (0.0, 0.25, 1.0)]
    assert weights == [0.0, 1.0, 4.0]
    (batch,) = create_batches(method, 1)
    with torch.no_grad():
        expected = 0.0
        for source, target in ("XY", "YX"):
            code = method.encode(batch[source], source)
            difference = (method.encode(method.decode(code, target), target) - code).abs()
            assert difference.max() > 1, "both branches of the smooth L1 distance occur"
            expected += float(torch.where(difference < 1, difference.square() / 2, difference - 0.5).mean())
    losses = create_loop(method).step([batch], StepContext(0, 0.5))
    assert losses["autoencoders.latent_consistency"].item() == pytest.approx(expected, rel=1e-12)


def test_fader_dropout_is_for_the_latent_classifiers_own_turn() -> None:
    method = build("fader", latent_discriminator_dropout=0.5)
    modes: list[bool] = []
    (dropout,) = (m for m in method.get_submodule("Z").modules() if isinstance(m, nn.Dropout))
    dropout.register_forward_hook(lambda module, *_: modes.append(module.training))
    loop = create_loop(method)
    for step, batch in enumerate(create_batches(method, 2)):
        loop.step([batch], StepContext(step, 0.5))
    assert modes == [True, False] * 2 and dropout.training


def test_instance_norm_erases_the_mean_of_a_4_x_4_code_and_batch_norm_keeps_it() -> None:
    """Images that differ by a constant have code channels of equal means with instance norm."""
    x = torch.linspace(-0.8, 0.8, 6, dtype=torch.float64)[:, None, None, None].expand(-1, 3, 16, 16)
    x = x + 0.05 * torch.rand(1, 1, 16, 16, dtype=torch.float64)
    spreads = {}
    for norm in ("instance", "batch"):
        encoder = build("fader", {**NETWORKS, "norm": norm}).get_submodule("E")
        assert isinstance(encoder, nn.Sequential) and isinstance(encoder[-1], nn.LeakyReLU)
        code = encoder[:-1](x).detach()
        assert code.shape[-2:] == (4, 4)
        spreads[norm] = float(code.mean((2, 3)).std(0).max())
    assert spreads["instance"] < 1e-6 and spreads["batch"] > 0.5


def test_antialiased_discriminator_equals_convolutions_and_explicit_blur() -> None:
    settings = ImageNetworkSettings(discriminator_width=2, discriminator_layers=1, discriminator_antialias=True)
    net = ImageNetworkFactory(settings, {"X": 1, "Y": 1}, 16).discriminator("X").double()
    first, second, last = (m for m in net.modules() if isinstance(m, nn.Conv2d))
    x = torch.rand(1, 1, 16, 16, dtype=torch.float64)
    h = F.leaky_relu(first(x), 0.2)
    padded = F.pad(h, (1, 1, 1, 1), mode="reflect")
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4
    blurred = sum(
        taps[a] * taps[b] * padded[..., a : a + h.shape[-2], b : b + h.shape[-1]] for a in range(3) for b in range(3)
    )
    assert isinstance(blurred, Tensor)
    h = second(blurred[..., ::2, ::2])
    h = F.leaky_relu(
        (h - h.mean((2, 3), keepdim=True)) / (h.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt(), 0.2
    )
    torch.testing.assert_close(net(x), last(h))
