from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unpaired.networks.blocks import ResidualBlock
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.networks.projector import Projector


def networks(**settings: object) -> ImageNetworkFactory:
    given = ImageNetworkSettings.model_validate({"width": 4, "discriminator_width": 4, **settings})
    return ImageNetworkFactory(given, {"X": 3, "Y": 3}, 32)


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({"blocks": 6}, {0: 32, 2: 16, 3: 8, 4: 8, 8: 8}),
        ({"blocks": 9, "residual": True}, {0: 32, 2: 16, 3: 8, 4: 8, 8: 8}),
        ({"blocks": 6, "antialias": True}, {0: 32, 2: 32, 3: 16, 4: 8, 8: 8}),
        ({"blocks": 2}, {0: 32, 2: 16, 3: 8, 4: 8, 5: 8}),
        ({"blocks": 1}, {0: 32, 2: 16, 3: 8, 4: 8}),
        ({"blocks": 0}, {0: 32, 2: 16, 3: 8}),
        ({"blocks": 6, "generator": "light"}, {0: 32, 1: 16, 2: 8, 3: 8, 7: 8}),
        ({"blocks": 4, "generator": "light", "residual": True}, {0: 32, 1: 16, 2: 8, 3: 8, 6: 8}),
    ],
)
def test_selected_layers_are_the_image_halvings_and_blocks_one_and_five(
    settings: dict[str, object], sizes: dict[int, int]
) -> None:
    net = networks(**settings)
    generator, head = net.generator("X", "Y"), net.projector("X")
    x = torch.rand(1, 3, 32, 32)
    layers = [x, *generator.extract_features(x, head.num_features)]
    assert head.layers == tuple(sizes) and len(layers) == head.num_features + 1
    assert {i: layers[i].shape[-1] for i in head.layers} == sizes
    codes = head(layers, head.sample_positions(layers))
    assert [code.shape for code in codes] == [(1, min(256, size**2), 256) for size in sizes.values()]


def test_without_pixels_the_image_is_not_selected() -> None:
    assert networks(blocks=2).projector("X", 256, with_pixels=False).layers == (2, 3, 4, 5)


def test_selected_layers_are_those_of_the_paper() -> None:
    net = networks(blocks=6)
    generator, head = net.generator("X", "Y"), net.projector("X")
    seen: list[Tensor] = []
    modules = [m for m in generator.modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    blocks = [m for m in generator.modules() if isinstance(m, ResidualBlock)]
    for module in (*modules, blocks[0], blocks[4]):
        module.register_forward_hook(lambda *given: seen.append(given[2].clone()))
    x = torch.rand(1, 3, 32, 32)
    layers = [x, *generator.extract_features(x, head.num_features)]
    for i, raw in zip(head.layers[1:3], seen[:2], strict=True):
        torch.testing.assert_close(layers[i], torch.relu(nn.functional.instance_norm(raw)))
    for i, raw in zip(head.layers[3:], seen[2:], strict=True):
        assert torch.equal(layers[i], raw)


def test_positions_are_distinct_and_depend_on_the_seed_only() -> None:
    head = Projector({0: 3, 2: 4}, num_patches=10)
    layers = [torch.zeros(2, 3, 8, 8), torch.zeros(0), torch.zeros(2, 4, 3, 3)]
    torch.manual_seed(0)
    wide, small = head.sample_positions(layers)
    assert len(wide) == len(set(wide.tolist())) == 10 and wide.min() >= 0 and wide.max() < 64
    assert sorted(small.tolist()) == list(range(9))
    torch.manual_seed(0)
    again = head.sample_positions(layers)
    assert torch.equal(again[0], wide) and torch.equal(again[1], small)
    assert not torch.equal(head.sample_positions(layers)[0], wide)


def test_code_is_that_of_the_patch_at_its_position() -> None:
    torch.manual_seed(0)
    head, layer = Projector({0: 3}, code_dim=5), torch.randn(2, 3, 4, 6)
    (codes,) = head([layer], [torch.tensor([13, 0])])
    for item in range(2):
        torch.testing.assert_close(codes[item, 0], head.heads[0](layer[item, :, 2, 1]))
        torch.testing.assert_close(codes[item, 1], head.heads[0](layer[item, :, 0, 0]))
