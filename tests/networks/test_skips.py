from __future__ import annotations

import pytest
import torch

from unpaired.errors import UsageError
from unpaired.networks.blocks import HalfNorm, norm
from unpaired.networks.discriminator import multi_discriminator
from unpaired.networks.generator import SkipGenerator
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import Antialias, ImageNetworkSettings, Skips


def networks(skips: Skips = "normed", antialias: Antialias = False, width: int = 4) -> ImageNetworkFactory:
    settings = ImageNetworkSettings(width=width, blocks=2, skips=skips, antialias=antialias)
    return ImageNetworkFactory(settings, {"X": 1, "Y": 3}, 32)


@pytest.mark.parametrize("skips", ["normed", "half", "raw"])
@pytest.mark.parametrize("antialias", [False, True, "up", "down", "late"])
def test_generators_with_skips_keep_the_size(skips: Skips, antialias: Antialias) -> None:
    out = networks(skips, antialias).generator("X", "Y")(torch.rand(2, 1, 32, 24))
    assert out.shape == (2, 3, 32, 24) and out.abs().max() <= 1


@pytest.mark.parametrize(("skips", "passes"), [("normed", False), ("half", True), ("raw", True)])
def test_brightness_passes_where_channels_are_not_normalized(skips: Skips, passes: bool) -> None:
    torch.manual_seed(0)
    generator = networks(skips, "late").generator("X", "Y")
    x = torch.rand(1, 1, 32, 32)
    change = (generator(x) - generator(x - 0.5)).abs().max()
    assert (change > 1e-3) == passes


def test_half_norm_passes_the_second_half_of_the_channels_unchanged() -> None:
    x = torch.rand(2, 6, 8, 8)
    y = HalfNorm(norm("instance", 3))(x)
    torch.testing.assert_close(y[:, 3:], x[:, 3:], atol=0, rtol=0)
    torch.testing.assert_close(y[:, :3], norm("instance", 3)(x[:, :3]))


@pytest.mark.parametrize("width", [5, 25])
def test_half_refuses_an_odd_width(width: int) -> None:
    with pytest.raises(UsageError, match=rf"width {width}.*--width {width + 1}.*--skips raw"):
        networks("half", width=width).generator("X", "Y")
    assert networks("raw", width=width).generator("X", "Y")(torch.rand(1, 1, 32, 32)).shape == (1, 3, 32, 32)


def test_skips_add_the_input_of_each_halving_to_the_output_of_the_doubling() -> None:
    torch.manual_seed(0)
    generator = networks().generator("X", "Y")
    skip, x = generator[0], torch.rand(1, 1, 32, 32)
    assert isinstance(skip, SkipGenerator)
    stem = skip.stem(x)
    halved = skip.halve(stem)
    up = skip.to_full(skip.to_half(skip.deep(halved)) + halved)
    torch.testing.assert_close(generator(x), skip.head(up + stem), atol=0, rtol=0)


def test_a_generator_with_skips_has_the_parameters_of_one_without() -> None:
    weights = []
    skips: Skips
    for skips in ("none", "normed"):
        torch.manual_seed(0)
        weights.append(list(networks(skips).generator("X", "Y").parameters()))
    assert len(weights[0]) == len(weights[1])
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["instance-affine", "group", "batch"])
def test_affine_half_norms_at_both_ends_have_their_own_parameters(kind: str) -> None:
    settings = ImageNetworkSettings.model_validate({"width": 32, "blocks": 0, "skips": "half", "norm": kind})
    generator = ImageNetworkFactory(settings, {"X": 3, "Y": 3}, 32).generator("X", "Y")
    assert (
        len({id(p) for module in generator.modules() if isinstance(module, HalfNorm) for p in module.parameters()}) == 4
    )


def test_every_weight_has_a_gradient() -> None:
    generator = networks("half", "late").generator("X", "Y")
    generator(torch.rand(1, 1, 32, 32)).square().mean().backward()
    weights = [p for name, p in generator.named_parameters() if name.endswith("weight")]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in weights)


def test_features_of_a_generator_with_skips_are_those_of_one_without() -> None:
    shapes = [
        [f.shape for f in networks(skips).generator("X", "Y").extract_features(torch.rand(1, 1, 32, 32))]
        for skips in ("none", "raw")
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("outputs", [1, 3])
def test_views_of_multi_have_equal_weight(outputs: int) -> None:
    settings = ImageNetworkSettings(discriminator="multi", discriminator_width=8, discriminator_layers=2)
    scores = ImageNetworkFactory(settings, {"X": 3, "Y": 3}, 64).discriminator("Y", outputs)(torch.rand(2, 3, 64, 64))
    assert scores.shape == (2, 3 * outputs, 14, 14)
    assert scores[:, 0].std() > 0
    assert (scores[:, outputs:] == scores[:, outputs:, :1, :1]).all()


def test_multi_has_the_widths_of_patch_and_of_half_of_it() -> None:
    net = multi_discriminator(3, 8, 2, "instance")
    firsts = [next(m for m in view.modules() if isinstance(m, torch.nn.Conv2d)).out_channels for view in net.views]
    assert firsts == [8, 4, 4]


def test_multi_of_pictures_that_are_too_small_is_refused() -> None:
    settings = ImageNetworkSettings(discriminator="multi", discriminator_width=4)
    with pytest.raises(UsageError, match=r"--size.*--discriminator-layers"):
        ImageNetworkFactory(settings, {"X": 3, "Y": 3}, 16).discriminator("Y")


def test_multi_with_an_auxiliary_classifier() -> None:
    settings = ImageNetworkSettings(discriminator="multi", discriminator_width=4, discriminator_layers=2)
    shared, scores, logits = ImageNetworkFactory(settings, {"X": 3, "Y": 3}, 32).discriminator_with_classifier(2)
    features = shared(torch.rand(2, 3, 32, 32))
    assert scores(features).shape[:2] == (2, 3) and logits(features).shape == (2, 2)
