from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unpaired.errors import UsageError
from unpaired.networks.blocks import Blur, ResidualBlock, Role
from unpaired.networks.conditional import concat_label
from unpaired.networks.discriminator import (
    FiniteDifferences,
    MultiViewDiscriminator,
    light_discriminator,
    patch_discriminator,
)
from unpaired.networks.identity_autoencoder import dct_kernels
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.parameters import count_parameters


def networks(size: int = 32, channels: int = 3, **settings: object) -> ImageNetworkFactory:
    tiny: dict[str, object] = {"width": 4, "discriminator_width": 4, "blocks": 2}
    given = ImageNetworkSettings.model_validate({**tiny, **settings})
    return ImageNetworkFactory(given, {"X": channels, "Y": channels}, size)


def convolutions(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize(
    ("size", "blocks", "generator", "discriminator"), [(256, 9, 11_378_179, 2_764_737), (128, 6, 7_837_699, 2_764_737)]
)
def test_parameter_counts_equal_those_of_the_reference_code(
    size: int, blocks: int, generator: int, discriminator: int
) -> None:
    with torch.device("meta"):
        net = ImageNetworkFactory(ImageNetworkSettings.model_validate({}), {"X": 3, "Y": 3}, size)
        assert net.blocks == blocks
        assert count_parameters(net.generator("X", "Y")) == generator
        assert count_parameters(net.discriminator("Y")) == discriminator


@pytest.mark.parametrize("kind", ["resnet", "light"])
@pytest.mark.parametrize("blocks", [3, 4])
def test_encoder_and_decoder_together_have_the_blocks_of_a_generator(kind: str, blocks: int) -> None:
    net = networks(generator=kind, blocks=blocks, residual=True)
    pairs = [(net.encoder("X"), net.decoder("Y"))]
    if kind == "light":
        pairs.append(net.conditional_autoencoder(2, 0.0)[:2])
    for pair in pairs:
        counts = [sum(isinstance(m, ResidualBlock) for m in half.modules()) for half in pair]
        assert counts == [blocks // 2, blocks - blocks // 2]


@pytest.mark.parametrize("kind", ["resnet", "light"])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_generators_keep_the_shape_and_stay_in_range(kind: str, residual: bool, channels: int) -> None:
    net = networks(generator=kind, residual=residual, channels=channels)
    generator = net.generator("X", "Y").eval()
    assert net.stride == 4
    x = torch.rand(2, channels, 20, 36) * 2 - 1
    y = generator(x)
    assert y.shape == x.shape and y.abs().max() <= 1


def test_a_residual_generator_starts_near_its_input_and_is_clamped_only_in_eval() -> None:
    generator = networks(residual=True).generator("X", "Y")
    x = torch.full((1, 3, 16, 16), 1.0)
    assert (generator.eval()(x) - x).abs().max() < 0.5
    nn.init.constant_(convolutions(generator)[-1].bias, 2.0)  # type: ignore[arg-type]
    assert generator.train()(x).max() > 1.5
    assert generator.eval()(x).max() == 1


@pytest.mark.parametrize(("channels", "target"), [(1, 3), (3, 1)])
def test_a_generator_may_change_the_channels(channels: int, target: int) -> None:
    settings = ImageNetworkSettings.model_validate({"width": 4, "blocks": 1, "residual": True})
    net = ImageNetworkFactory(settings, {"X": channels, "Y": target}, 16)
    assert net.generator("X", "Y")(torch.zeros(1, channels, 16, 16)).shape == (1, target, 16, 16)


@pytest.mark.parametrize("antialias", [True, "down", "up"])
def test_antialiased_generator_keeps_the_shape_and_blurs_in_the_selected_half(antialias: object) -> None:
    net = networks(antialias=antialias)
    for role, shape in ((net.generator("X", "Y"), (2, 3, 20, 36)), (net.encoder("X"), (2, 16, 5, 9))):
        assert role(torch.rand(2, 3, 20, 36) * 2 - 1).shape == shape
        assert sum(isinstance(m, Blur) for m in role.modules()) == (0 if antialias == "up" else 2)
    strides = [m.stride[0] for m in convolutions(net.generator("X", "Y")) if isinstance(m, nn.Conv2d)]
    assert strides.count(2) == (2 if antialias == "up" else 0)
    enlarging = [m for m in convolutions(net.decoder("Y")) if isinstance(m, nn.ConvTranspose2d)]
    assert len(enlarging) == (2 if antialias == "down" else 0)
    assert net.decoder("Y")(torch.zeros(1, 16, 5, 9)).shape == (1, 3, 20, 36)


def test_blur_averages_neighboring_pixels() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4) ** 2
    row = [0.25, 0.5, 0.25]
    expected = torch.zeros(2, 2)
    for i in range(2):
        for j in range(2):
            for a in range(3):
                for b in range(3):  # -1 is mirrored to 1
                    expected[i, j] += row[a] * row[b] * x[0, 0, abs(2 * i + a - 1), abs(2 * j + b - 1)]
    torch.testing.assert_close(Blur(2)(x)[0, 0], expected)
    assert not Blur(2).state_dict()


def test_residual_decoder_is_rejected_for_images() -> None:
    with pytest.raises(UsageError, match="--residual-decoder-start 1"):
        networks().conditional_residual_decoder(2)


def test_roles_with_batch_norm_are_not_batch_independent() -> None:
    net = networks(norm="batch")
    assert not net.generator("X", "Y").is_batch_independent and not net.discriminator("Y").is_batch_independent
    norms = [m for m in net.generator("X", "Y").modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 9 and all(not torch.equal(m.weight, torch.ones_like(m.weight)) for m in norms)


@pytest.mark.parametrize("depth", range(2, 12))
def test_fixed_depth_generator_has_exactly_depth_convolutions(depth: int) -> None:
    net = networks(size=32)
    generator = net.generator("X", "Y", depth)
    assert len(convolutions(generator)) == depth
    assert net.stride == 2 ** (depth // 2)
    x = torch.rand(2, 3, net.stride, 2 * net.stride) * 2 - 1
    assert generator(x).shape == x.shape


@pytest.mark.parametrize("depth", [0, 1, 12])
def test_invalid_depth_is_rejected(depth: int) -> None:
    with pytest.raises(UsageError, match="from 2 to 11 layers"):
        networks(size=32).generator("X", "Y", depth)


@pytest.mark.parametrize("kind", ["resnet", "light"])
@pytest.mark.parametrize("blocks", [2, 3])
def test_encoder_shared_block_and_decoder_have_matching_shapes(kind: str, blocks: int) -> None:
    net = networks(generator=kind, blocks=blocks)
    code = net.encoder("X")(torch.zeros(2, 3, 16, 24))
    assert code.shape == (2, 16 if kind == "resnet" else 8, 4, 6)
    assert net.shared_block()(code).shape == code.shape
    image = net.decoder("Y")(code)
    assert image.shape == (2, 3, 16, 24) and image.abs().max() <= 1


def test_discriminators_score_patches() -> None:
    x = torch.zeros(2, 3, 64, 64)
    assert networks(size=64).discriminator("X")(x).shape == (2, 1, 6, 6)
    assert networks(size=64, discriminator_layers=1).discriminator("X")(x).shape == (2, 1, 30, 30)
    assert networks(size=64, discriminator="light").discriminator("X")(x).shape == (2, 3, 8, 8)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_patch_discriminator_rejects_images_below_its_smallest_size(layers: int) -> None:
    smallest = 3 * 2**layers
    discriminator = networks(size=smallest, discriminator_layers=layers).discriminator("X")
    assert discriminator(torch.zeros(1, 3, smallest, smallest)).shape == (1, 1, 1, 1)
    with pytest.raises(UsageError, match=f"at least {smallest} px"):
        networks(size=smallest - 1, discriminator_layers=layers).discriminator("X")


def receptive_field(discriminator: nn.Module, size: int = 128) -> int:
    """Return the height, in pixels, of the input region that the middle score depends on."""
    x = torch.zeros(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    scores = discriminator.double().eval()(x)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero()
    return int(rows.max() - rows.min()) + 1


def with_positive_weights(layers: list[nn.Module]) -> nn.Module:
    """Return the network with positive weights, so that no contribution cancels out or is cut off by a ReLU."""
    net = nn.Sequential(*layers)
    for parameter in net.parameters():
        nn.init.uniform_(parameter, 0.01, 0.02)
    return net


@pytest.mark.parametrize(("layers", "field"), [(3, 70), (2, 34), (1, 16)])
def test_receptive_field_of_the_patch_discriminator(layers: int, field: int) -> None:
    assert receptive_field(with_positive_weights(patch_discriminator(3, 4, layers, "none"))) == field


def test_receptive_field_of_the_texture_view() -> None:
    assert receptive_field(with_positive_weights([light_discriminator(3, 4).views[0]])) == 41


def test_histogram_view_ignores_pixel_positions() -> None:
    torch.manual_seed(0)
    histogram = light_discriminator(1, 8).views[2]
    x = torch.rand(2, 1, 16, 16)
    shuffled = x.flatten(2)[..., torch.randperm(256)].view_as(x)
    torch.testing.assert_close(histogram(shuffled), histogram(x))
    assert not torch.allclose(histogram(0.5 * x), histogram(x))


def test_views_have_equal_weight_in_the_mean_score() -> None:
    class Constant(nn.Module):
        def __init__(self, value: float, height: int, width: int) -> None:
            super().__init__()
            self.scores = torch.full((1, 1, height, width), value)

        def forward(self, x: Tensor) -> Tensor:
            return self.scores.expand(len(x), -1, -1, -1)

    scores = MultiViewDiscriminator(Constant(1.0, 6, 4), Constant(4.0, 1, 1))(torch.zeros(2, 1, 8, 8))
    assert scores.shape == (2, 2, 6, 4)
    assert scores.mean() == 2.5


def test_initial_weights_have_the_papers_distribution() -> None:
    torch.manual_seed(0)
    net = networks(size=64, width=32, discriminator_width=32)
    for role in (
        net.generator("X", "Y"),
        net.generator("X", "Y", 6),
        net.discriminator("X"),
        net.encoder("X"),
        net.shared_block(),
    ):
        weights = torch.cat([m.weight.flatten() for m in convolutions(role)])  # type: ignore[operator]
        assert weights.mean().item() == pytest.approx(0, abs=1e-3)
        assert weights.std().item() == pytest.approx(0.02, rel=0.02)
        assert all((m.bias == 0).all() for m in convolutions(role))  # type: ignore[union-attr]


def test_light_generator_starts_without_checkerboard() -> None:
    torch.manual_seed(0)
    net = networks(generator="light", norm="group")
    for image in (net.generator("X", "Y")(torch.rand(2, 3, 16, 16)), net.decoder("Y")(torch.rand(2, 8, 4, 4))):
        blocks = image.unfold(2, 2, 2).unfold(3, 2, 2)
        torch.testing.assert_close(blocks, blocks[..., :1, :1].expand_as(blocks))
        assert image.std() > 0


def test_discriminators_augment_only_in_training_mode() -> None:
    torch.manual_seed(0)
    discriminator = networks(size=64, augment=("color", "translation", "cutout")).discriminator("X")
    x = torch.rand(1, 3, 64, 64)
    assert not torch.equal(discriminator(x), discriminator(x))
    discriminator.eval()
    assert torch.equal(discriminator(x), discriminator(x))


@pytest.mark.parametrize("kind", ["patch", "light"])
def test_outputs_of_a_view_are_adjacent_channels(kind: str) -> None:
    discriminator = networks(discriminator=kind, discriminator_layers=1, discriminator_width=4).discriminator(
        "X", outputs=3
    )
    x = torch.rand(2, 3, 32, 32)
    (last, *_) = [
        layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d) and layer.out_channels == 3
    ]
    before = discriminator(x).unflatten(1, (-1, 3))
    with torch.no_grad():
        last.bias[1] += 1.0  # type: ignore[index]
    change = discriminator(x).unflatten(1, (-1, 3)) - before
    expected = torch.zeros_like(change)
    expected[:, 0, 1] = 1
    torch.testing.assert_close(change, expected)


@pytest.mark.parametrize("kind", ["resnet", "light"])
def test_latent_discriminator_accepts_codes_of_any_size(kind: str) -> None:
    net = networks(generator=kind, width=4, discriminator_width=6)
    discriminator = net.latent_discriminator(2).eval()
    for size in (16, 32):
        assert discriminator(net.encoder("X")(torch.rand(3, 3, size, size))).shape == (3, 2)
    code = torch.rand(1, net.code_channels, 8, 8)
    assert not torch.allclose(discriminator(code), discriminator(2 * code))
    torch.testing.assert_close(discriminator(code.repeat(3, 1, 1, 1)), discriminator(code).expand(3, -1))


def test_latent_discriminator_uses_dropout_only_in_training_mode() -> None:
    discriminator = networks(width=4, discriminator_width=16).latent_discriminator(1, dropout=0.5)
    code = torch.rand(1, 16, 8, 8)
    assert not torch.equal(discriminator.train()(code), discriminator(code))
    assert torch.equal(discriminator.eval()(code), discriminator(code))


def test_a_role_knows_whether_its_items_are_independent() -> None:
    assert Role(nn.Conv2d(1, 1, 3), nn.GroupNorm(1, 1)).is_batch_independent
    assert not Role(nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1))).is_batch_independent


def test_finite_differences_are_scaled_differences_of_neighbors() -> None:
    x = torch.tensor([[0.0, 0.01], [0.2, 0.01]]).view(1, 1, 2, 2)
    values, right, down = FiniteDifferences(10.0)(x).unbind(1)
    assert torch.equal(values, x[:, 0])
    assert torch.allclose(right, torch.tanh(torch.tensor([[[0.1, 0.0], [-1.9, 0.0]]])))
    assert torch.allclose(down, torch.tanh(torch.tensor([[[2.0, 0.0], [0.0, 0.0]]])))


def test_light_generator_has_kaiming_weights_where_it_has_no_norm() -> None:
    torch.manual_seed(0)
    net = networks(generator="light", norm="group", width=16).generator("X", "Y")
    join = [m for m in net.modules() if isinstance(m, nn.Conv2d)][-2]
    assert float(join.weight.detach().std()) == pytest.approx((2 / (9 * join.in_channels)) ** 0.5, rel=0.1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", ["instance", "group", "batch", "none"])
def test_light_residual_autoencoders_start_as_the_identity(channels: int, norm: str) -> None:
    net = networks(generator="light", residual=True, width=24, channels=channels, norm=norm)
    x = torch.rand(2, channels, 16, 24) * 2 - 1
    code = net.shared_block()(net.encoder("X")(x))
    assert code.shape == (2, 48, 4, 6)
    torch.testing.assert_close(net.decoder("Y")(net.shared_block()(code)), x, atol=1e-5, rtol=0)
    encoder, decoder, _ = net.conditional_autoencoder(2, 0.0)
    told = concat_label(encoder(x), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(decoder(told), x, atol=1e-5, rtol=0)


def test_dct_kernels_are_orthonormal_with_low_frequencies_first() -> None:
    taps = dct_kernels(3, 48).flatten(1)
    torch.testing.assert_close(taps @ taps.T, torch.eye(48), atol=1e-6, rtol=0)
    even = torch.full((3, 4, 4), 0.25)
    torch.testing.assert_close(dct_kernels(3, 3).sum(0), even)
    assert dct_kernels(3, 8).shape == (8, 3, 4, 4)


def test_blur_removes_stripes_of_period_two() -> None:
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    torch.testing.assert_close(Blur()(stripes), torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize("discriminator", ["patch", "light"])
def test_discriminator_gives_one_logit_vector_for_any_image_size(discriminator: str) -> None:
    shared, _, logits = networks(discriminator=discriminator).discriminator_with_classifier(3)
    for height, width in ((32, 32), (32, 48), (64, 64)):
        assert logits(shared(torch.rand(2, 3, height, width))).shape == (2, 3)
