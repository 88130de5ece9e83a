from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unpaired.networks.blocks import EvalClamp, Role
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.networks.vector_codes import Resize, count_halvings, share_layers, widths_per_level

RESNET: dict[str, Any] = {"width": 4, "discriminator_width": 4, "discriminator_layers": 1}
LIGHT: dict[str, Any] = {**RESNET, "generator": "light", "discriminator": "light", "norm": "group"}


def factory(size: int = 16, **settings: Any) -> ImageNetworkFactory:
    return ImageNetworkFactory(ImageNetworkSettings.model_validate(settings), {"X": 3, "Y": 3}, size)


@pytest.mark.parametrize(
    ("size", "count", "left"), [(8, 1, 4), (12, 1, 6), (16, 2, 4), (28, 2, 7), (32, 3, 4), (64, 4, 4), (256, 6, 4)]
)
def test_sizes_are_halved_until_four_to_seven_are_left(size: int, count: int, left: int) -> None:
    assert count_halvings(size) == count and size >> count == left
    assert widths_per_level(10, size) == [10 * w for w in (1, 2, 4, 4, 4, 4)[:count]]


@pytest.mark.parametrize("settings", [RESNET, LIGHT, {**LIGHT, "norm": "none"}], ids=["resnet", "light", "none"])
@pytest.mark.parametrize("size", [8, 16, 28, 32])
def test_codes_decode_to_images_of_the_training_size_and_back(settings: dict[str, Any], size: int) -> None:
    net = factory(size, **settings)
    code = torch.randn(2, 5)
    features = net.decode_vector(5)(code)
    assert features.shape == (2, 4, size // 2, size // 2)
    image = net.render("X").eval()(features)
    assert image.shape == (2, 3, size, size) and image.abs().max() <= 1
    encoder = net.encode_vector("X", 7)
    assert encoder(image).shape == (2, 7) == encoder(torch.randn(2, 3, size + 4, 3 * size)).shape
    assert net.stride == 2 ** count_halvings(size) and size % net.stride == 0


def test_code_controls_channel_means_also_with_instance_norm() -> None:
    """Instance norm would map two grids that differ by a factor per channel to the same output."""
    role = factory(16, **RESNET).decode_vector(6)
    grid, rest = Role(*list(role)[:2]), Role(*list(role)[2:])
    x = torch.rand(1, 8, 4, 4) + 0.5
    assert grid(torch.zeros(1, 6)).shape == x.shape
    assert not torch.allclose(rest(x), rest(x * torch.linspace(1, 3, 8).view(1, 8, 1, 1)), atol=1e-3)


def test_resize_leaves_images_of_the_target_size_unchanged() -> None:
    x = torch.rand(2, 3, 8, 8)
    assert Resize(8)(x) is x
    wide = torch.rand(1, 1, 2, 16)
    expected = F.interpolate(wide, (4, 4), mode="bilinear", antialias=True)
    assert torch.equal(Resize(4)(wide), expected)


def test_sharing_layers_excludes_the_first_convolution() -> None:
    one, other = (nn.Sequential(nn.Identity(), nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 1)) for _ in range(2))
    own = other[1]
    share_layers(one, other)
    assert other[1] is own and other[1] is not one[1]
    assert other[2] is one[2] and other[3] is one[3]


@pytest.mark.parametrize("settings", [RESNET, LIGHT])
def test_coupled_discriminators_share_all_but_the_first_convolutions(settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    first, second = factory(**settings).coupled_discriminators("X", "Y")
    x = torch.randn(1, 3, 16, 16)
    assert not torch.allclose(first(x), second(x))
    mine, theirs = dict(first.named_parameters()), dict(second.named_parameters())
    with torch.no_grad():
        for name, parameter in mine.items():
            if parameter is not theirs[name]:
                theirs[name].copy_(parameter)
    assert torch.equal(first(x), second(x))
    assert sum(p is not theirs[name] for name, p in mine.items()) == (6 if settings is LIGHT else 2)


def test_clamp_in_eval_mode_passes_gradients() -> None:
    x = torch.tensor([-3.0, 0.5, 2.0], requires_grad=True)
    bounded = EvalClamp().eval()
    y = bounded(x)
    assert y.tolist() == [-1, 0.5, 1] == bounded(x.detach()).tolist()
    (slope,) = torch.autograd.grad((y * torch.tensor([1.0, 2.0, 3.0])).sum(), x)
    assert slope.tolist() == [1, 2, 3]
