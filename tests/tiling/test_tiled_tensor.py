"""Networks evaluated by tiles against the same networks on the whole image."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.networks.blocks import norm
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.testing.tiny_methods import NETWORKS
from unpaired.tiling.nodes import create_tensor_leaf
from unpaired.tiling.tiled_tensor import TiledTensor, UntileableError
from unpaired.tiling.translation import TilingPlan, plan_tiles, translate_tiles

sys.path.insert(0, str(Path(__file__).parents[1] / "methods"))
from tiny_methods import IMAGE_METHODS, LIGHT, build

LEVEL = 2 / 255
"""One level of 8 bits in [-1, 1]."""
CPU = torch.device("cpu")


def tiled(net: Callable[[Tensor], Tensor], x: Tensor, tile: int, stride: int = 1) -> tuple[Tensor, TilingPlan, float]:
    """Return the result by tiles, the plan, and the fraction of the planned work that was reported last."""
    image = create_tensor_leaf(x)
    fractions = [0.0]
    with torch.no_grad():
        plan = plan_tiles(net, image, tile, stride, CPU)
        with translate_tiles(net, image, plan, tile, stride, CPU, fractions.append) as (passes, node):
            return TiledTensor(node, passes).evaluate_whole(), plan, fractions[-1]


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def enlarge_weights(net: nn.Module) -> Any:
    """Make weights as large as those of a trained network, so that every layer matters; return `net` in eval mode."""
    torch.manual_seed(1)
    for parameter in net.parameters():
        parameter.data = (
            torch.randn_like(parameter) / max(1, parameter[0].numel()) ** 0.5
            if parameter.dim() > 1
            else (torch.randn_like(parameter))
        )
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize("networks", [NETWORKS, LIGHT], ids=["resnet", "light"])
@pytest.mark.parametrize("name", IMAGE_METHODS)
def test_every_method_equals_the_whole_picture(name: str, networks: dict[str, Any]) -> None:
    method = enlarge_weights(build(name, networks).float())
    route, stride = method.routes[0], method.stride
    x = picture(-(-72 // stride) * stride, -(-100 // stride) * stride)

    def net(x: Tensor) -> Tensor:
        y: Tensor = method.translate(x, route.source, route.target)
        return y

    with torch.no_grad():
        whole = net(x)
    y, plan, fraction = tiled(net, x, 48, stride)
    assert whole.std() > 0.02
    assert (y - whole).abs().max() < LEVEL and plan.obstacle == ""
    assert fraction == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"antialias": True, "skips": "half"},
        {"antialias": "late", "skips": "raw"},
        {"antialias": "up", "padding": "zeros"},
        {"norm": "batch"},
        {"norm": "group"},
        {"norm": "none"},
        {"norm": "instance-affine", "residual": True},
        {"generator": "light", "norm": "batch", "residual": True},
    ],
    ids=str,
)
@pytest.mark.parametrize(("height", "width", "tile"), [(64, 96, 32), (100, 52, 40), (8, 200, 64), (68, 44, 1000)])
def test_every_form_of_network(settings: dict[str, Any], height: int, width: int, tile: int) -> None:
    networks = ImageNetworkSettings.model_validate({"width": 4, "blocks": 3, "residual": False, **settings})
    net = enlarge_weights(ImageNetworkFactory(networks, {"X": 3, "Y": 3}, 32).generator("X", "Y"))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean, module.running_var = torch.randn(len(module.weight)), torch.rand(len(module.weight))
    x = picture(height, width)
    y, plan, _ = tiled(net, x, tile)
    assert (y - net(x)).abs().max() < LEVEL / 10 and plan.obstacle == ""


def test_normalization_by_tile_would_show_seams() -> None:
    """The statistics of a picture with one bright half are those of the whole, not of each tile."""
    x = picture(64, 64)
    x[..., :32] *= 0.1
    layer = norm("instance", 3)
    y, _, _ = tiled(layer, x, 32)
    assert (y - layer(x)).abs().max() < 1e-5
    assert (layer(x[..., :32]) - layer(x)[..., :32]).abs().max() > 1


LAYERS: dict[str, nn.Module] = {
    "stride 3": nn.Conv2d(2, 3, 5, 3, 1),
    "dilation": nn.Conv2d(2, 4, 3, 1, 2, 2, groups=2),
    "one row": nn.Conv2d(2, 3, (1, 3), (1, 2), (0, 2)),
    "transposed": nn.ConvTranspose2d(2, 3, 4, 2, 1),
    "transposed with a remainder": nn.ConvTranspose2d(2, 3, 3, 2, 0, 1),
    "transposed by 3": nn.ConvTranspose2d(2, 4, 5, 3, 2, 2, groups=2),
    "transposed with gaps": nn.ConvTranspose2d(2, 3, 1, 2, 0, 1),
    "reflection": nn.ReflectionPad2d((3, 1, 2, 4)),
    "replication": nn.ReplicationPad2d((3, 1, 2, 4)),
    "constant": nn.ConstantPad2d((3, 40, 35, 4), 0.5),
    "bilinear by 3": nn.Upsample(scale_factor=3, mode="bilinear"),
    "nearest": nn.Upsample(scale_factor=2, mode="nearest"),
    "group norm": nn.GroupNorm(1, 2),
    "leaky": nn.LeakyReLU(0.2, inplace=True),
    "silu": nn.SiLU(),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str) -> None:
    layer = enlarge_weights(LAYERS[name])
    for height, width in ((48, 33), (35, 70)):
        x = picture(height, width, 2)
        y, plan, _ = tiled(layer, x.clone(), 32)
        assert plan.obstacle == "" and y.shape == layer(x.clone()).shape
        assert (y - layer(x.clone())).abs().max() < 1e-5


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "unshuffle": lambda x: F.pixel_unshuffle(x, 4),
    "squeeze-excite": lambda x: x * F.adaptive_avg_pool2d(x, 1).sigmoid(),
    "mean": lambda x: x - x.mean((2, 3), keepdim=True),
    "concatenation": lambda x: torch.cat((x, 2 * x, torch.ones(1, 2, 1, 1).expand(-1, -1, *x.shape[2:])), 1),
    "chunks": lambda x: torch.cat([part * i for i, part in enumerate(torch.cat((x, x), 1).chunk(2, 1))], 1),
    "crop": lambda x: x[:, :, 3:-5, 7:60],
    "flip": lambda x: x.index_select(3, torch.arange(x.shape[3] - 1, -1, -1)),
    "shrunk": lambda x: F.interpolate(x, (17, 23), mode="bilinear", antialias=True),
    "in place": lambda x: (x + 1).clamp_(0, 1).mul_(2).tanh_(),
    "corner": lambda x: x + x[:, :, 0, 0][:, :, None, None],
    "long sum": lambda x: sum((F.conv2d(x, torch.full((1, 1, 3, 3), 0.1 * i), padding=1) for i in range(5)), x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    x = picture(48, 72, 1)
    y, plan, _ = tiled(FUNCTIONS[name], x, 32)
    assert plan.obstacle == "" and (y - FUNCTIONS[name](x)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("net", "name"),
    [
        (lambda x: x.flatten(2).softmax(2).view(x.shape), "view"),
        (lambda x: x + F.adaptive_max_pool2d(x, 1), "adaptive_max_pool2d"),
        (lambda x: F.interpolate(x, scale_factor=1.5, mode="bilinear")[..., : x.shape[2], : x.shape[3]], "bilinear"),
    ],
)
def test_operations_on_the_whole_picture_are_named(net: Callable[[Tensor], Tensor], name: str) -> None:
    x = picture(64, 64)
    y, plan, fraction = tiled(net, x, 32, 4)
    assert name in plan.obstacle
    assert y.shape == x.shape and fraction == pytest.approx(1)


def test_cross_fades_of_a_local_network_are_close() -> None:
    layer = enlarge_weights(nn.Conv2d(3, 3, 3, padding=1))

    def net(x: Tensor) -> Tensor:
        if isinstance(x, TiledTensor):
            raise UntileableError("fake")
        y: Tensor = layer(x)
        return y

    x = picture(64, 160)
    y, _, _ = tiled(net, x, 64, 4)
    # Zero padding at the borders of tiles changes values there, where the weights are lowest.
    difference = (y - layer(x)).abs()
    assert difference.mean() < 0.05 and (difference < 1e-5).float().mean() > 0.5


def test_maps_that_are_costly_are_stored_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    calls = []
    layer = nn.Conv2d(3, 64, 7, padding=3)
    layers = nn.Sequential(layer, norm("instance", 64), nn.Conv2d(64, 64, 3, padding=1), norm("instance", 64))
    net = enlarge_weights(layers)
    image, x = create_tensor_leaf(picture(64, 64)), picture(64, 64)
    with torch.no_grad():
        plan = plan_tiles(net, image, 32, 1, CPU)
        assert plan.work.peak_bytes == 64 * 64 * 64 * 4  # the second convolution; the first is cheaper to repeat
        with translate_tiles(net, image, plan, 32, 1, CPU) as (passes, node):
            calls += [file for file in tmp_path.rglob("*") if file.is_file()]
            y = TiledTensor(node, passes).evaluate_whole()
    assert len(calls) == 1 and not list(tmp_path.iterdir())
    assert (y - net(x)).abs().max() < 1e-4


def test_a_tile_that_does_not_fit_is_halved() -> None:
    sizes = []

    def net(x: Tensor) -> Tensor:
        return x * 2 if not isinstance(x, TiledTensor) else TiledTensor(Hungry(x.node), x.passes)

    from unpaired.tiling.nodes import Node
    from unpaired.tiling.operations import Pointwise

    class Hungry(Pointwise):
        def __init__(self, node: Node) -> None:
            super().__init__(node.shape, self.double, [node])

        def double(self, x: Tensor) -> Tensor:
            sizes.append(x.shape[-1] * x.shape[-2])
            if sizes[-1] > 40 * 40:
                raise torch.OutOfMemoryError
            return x * 2

    x = picture(128, 128)
    y, _, fraction = tiled(net, x, 128)
    assert torch.equal(y, 2 * x) and fraction == pytest.approx(1)
    assert sizes[:3] == [128 * 128, 64 * 64, 32 * 32] and 128 * 128 not in sizes[1:]
