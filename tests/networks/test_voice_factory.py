from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from unpaired.config.settings import NetworkSettings
from unpaired.errors import UsageError
from unpaired.media.voice.settings import PRESETS
from unpaired.networks.conditional import concat_label
from unpaired.networks.gated_convolutions import (
    FlattenFrequency,
    GatedConv,
    GatedResidualBlock,
    LabelConditioned,
    LocalDeviation,
    RepeatOverTime,
    UnflattenFrequency,
    pixel_shuffle,
)
from unpaired.networks.voice_factory import VoiceNetworkFactory
from unpaired.parameters import count_parameters


def networks(q: int = 24, frames: int = 128, form: str = "1", **settings: Any) -> VoiceNetworkFactory:
    return VoiceNetworkFactory(NetworkSettings.model_validate(settings), q, frames, form, ("X", "Y"))


def test_parameter_counts_of_the_presets() -> None:
    small = PRESETS["small"]
    settings = {**small["networks"], "residual": True}
    assert (
        4e5
        < count_parameters(networks(form=small["medium_settings"]["generator_dims"], **settings).generator("X", "Y"))
        < 7e5
    )
    paper = networks(36, form="2-1-2", **PRESETS["paper"]["networks"])
    assert 14e6 < count_parameters(paper.generator("X", "Y")) < 18e6


@pytest.mark.parametrize("form", ["1", "2-1-2"])
@pytest.mark.parametrize("q", [8, 10, 24])
def test_shapes_of_roles(form: str, q: int) -> None:
    net = networks(q, 32, form, width=4, blocks=2, discriminator_width=4, norm="instance-affine")
    x = torch.randn(2, 1, q, 32)
    code = net.encoder("X")(x)
    assert code.shape == (2, net.code_channels, 1, 8)
    assert net.decoder("Y")(code).shape == net.generator("X", "Y")(x).shape == x.shape
    with pytest.raises(UsageError, match="--feature-extractor none"):
        net.decoder("Y", nn.Identity())
    assert net.latent_discriminator(3)(code).shape == net.classifier(3)(x).shape == (2, 3)
    label = torch.eye(2)
    assert net.conditional_generator(2)(concat_label(x, label)).shape == x.shape
    trunk, scores, logits = net.discriminator_with_classifier(2)
    assert scores(trunk(x)).shape[:2] == (2, 1) and logits(trunk(x)).shape == (2, 2)
    assert net.discriminator("X", 3)(x).shape[:2] == (2, 3)
    assert net.pair_discriminator("X")(torch.cat((x, x), 1)).shape[:2] == (2, 1)
    _, decoder, _ = net.conditional_autoencoder(2, 0.0)
    residual = net.conditional_residual_decoder(2)
    conditioned = concat_label(code, label)
    assert residual(conditioned).equal(torch.zeros_like(x)) and count_parameters(residual) == count_parameters(decoder)
    decode_vector = net.decode_vector(5)
    assert net.encode_vector("X", 5)(x).shape == (2, 5, 1, 8)
    assert net.render("X")(decode_vector(torch.randn(2, 5))).shape == x.shape


def test_label_changes_the_output_also_with_instance_norm() -> None:
    torch.manual_seed(0)
    net = networks(8, 32, width=4, blocks=2, norm="instance")
    x = torch.randn(1, 1, 8, 32)
    generator = net.conditional_generator(2)
    one, other = (
        generator(concat_label(x, torch.tensor([[1.0, 0.0]]))),
        generator(concat_label(x, torch.tensor([[0.0, 1.0]]))),
    )
    assert (one - other).abs().mean() > 0.01


def test_residual_generator_starts_near_its_input() -> None:
    x = torch.randn(2, 1, 24, 64)
    y = networks(residual=True, width=16, blocks=1, norm="instance-affine").generator("X", "Y")(x)
    assert 0 < (y - x).abs().mean() < 0.1


def test_depth_is_rejected() -> None:
    with pytest.raises(UsageError, match="depth 4"):
        networks().generator("X", "Y", 4)


def test_pixel_shuffle_equals_torch_and_interleaves_time() -> None:
    x = torch.randn(2, 12, 3, 5)
    assert torch.equal(pixel_shuffle(x, 2, 2), F.pixel_shuffle(x, 2))
    time = pixel_shuffle(torch.tensor([[[[1.0, 2.0]], [[10.0, 20.0]]]]), 1, 2)
    assert time.tolist() == [[[[1, 10, 2, 20]]]]


def test_gated_conv_adds_the_label_bias_after_the_norm() -> None:
    torch.manual_seed(0)
    layer = GatedConv(3, 2, (1, 3), kind="instance", num_labels=2)
    x, label = torch.randn(1, 3, 1, 9), torch.tensor([[0.0, 1.0]])
    assert layer.label_bias is not None
    normed = F.instance_norm(layer.conv(x)) + layer.label_bias(label)[:, :, None, None]
    torch.testing.assert_close(layer(x, label), normed[:, :2] * torch.sigmoid(normed[:, 2:]))


def test_label_conditioned_takes_the_label_from_the_last_channels() -> None:
    torch.manual_seed(0)
    layer = GatedConv(3, 2, (1, 3), num_labels=2)
    x, label = torch.randn(2, 3, 1, 9), torch.eye(2)
    assert torch.equal(LabelConditioned([layer], 2)(concat_label(x, label)), layer(x, label))


def test_flatten_and_unflatten_frequency_are_inverse() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert FlattenFrequency(4)(x).shape == (2, 12, 1, 5) and torch.equal(
        UnflattenFrequency(4)(FlattenFrequency(4)(x)), x
    )
    assert torch.equal(UnflattenFrequency(6)(FlattenFrequency(6)(x))[:, :, 4:], torch.zeros(2, 3, 2, 5))
    assert RepeatOverTime(4)(torch.ones(2, 3)).shape == (2, 3, 1, 4) and RepeatOverTime(4)(x[:, :, :1]) is not None


def test_local_deviation_is_the_standard_deviation_over_surrounding_frames() -> None:
    x = torch.randn(1, 1, 2, 40, dtype=torch.float64)
    result = LocalDeviation(16)(x)
    assert torch.equal(result[:, :1], x)
    window = x[0, 0, 1, 20 - 8 : 20 + 8]
    torch.testing.assert_close(result[0, 1, 1, 20], (window.var(unbiased=False) + 1e-3).sqrt())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_local_deviation_of_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    """At a mean of 3, the rounding error of a bfloat16 square (up to 0.03) exceeds the variance (0.0025)."""
    x = (3 + 0.05 * torch.randn(2, 1, 4, 64, generator=torch.Generator().manual_seed(0))).to(dtype)
    result = LocalDeviation(16)(x)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, LocalDeviation(16)(x.double()).float(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("blocks", [3, 4])
def test_encoder_and_decoders_together_have_the_blocks_of_a_generator(blocks: int) -> None:
    net = VoiceNetworkFactory(NetworkSettings(width=4, blocks=blocks), 10, 16, "1", ("X", "Y"))
    decoders = [net.decoder("Y"), net.conditional_autoencoder(2, 0.0)[1], net.decode_vector(4)]
    counts = [sum(isinstance(m, GatedResidualBlock) for m in d.modules()) for d in (net.encoder("X"), *decoders)]
    assert counts == [blocks // 2] + [blocks - blocks // 2] * 3
