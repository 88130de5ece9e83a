from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unpaired.config.settings import NetworkSettings
from unpaired.errors import UsageError
from unpaired.networks.blocks import Role, count_parameters
from unpaired.networks.conditional import concat_label
from unpaired.networks.discriminator import (
    FiniteDifferences,
    MultiViewDiscriminator,
    light_discriminator,
    patch_discriminator,
)
from unpaired.networks.generator import Blur
from unpaired.networks.identity_autoencoder import dct_kernels
from unpaired.networks.image_factory import ImageNetworkFactory


def networks(size: int = 32, channels: int = 3, **settings: object) -> ImageNetworkFactory:
    tiny: dict[str, object] = {"width": 4, "discriminator_width": 4, "blocks": 2}
    given = NetworkSettings.model_validate({**tiny, **settings})
    return ImageNetworkFactory(given, {"X": channels, "Y": channels}, size)


def convolutions(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize(
    ("size", "blocks", "generator", "critic"), [(256, 9, 11_378_179, 2_764_737), (128, 6, 7_837_699, 2_764_737)]
)
def test_the_papers_networks_have_the_references_number_of_parameters(
    size: int, blocks: int, generator: int, critic: int
) -> None:
    with torch.device("meta"):
        net = ImageNetworkFactory(NetworkSettings.model_validate({}), {"X": 3, "Y": 3}, size)
        assert net.blocks == blocks
        assert count_parameters(net.generator("X", "Y")) == generator
        assert count_parameters(net.discriminator("Y")) == critic


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
    settings = NetworkSettings.model_validate({"width": 4, "blocks": 1, "residual": True})
    net = ImageNetworkFactory(settings, {"X": channels, "Y": target}, 16)
    assert net.generator("X", "Y")(torch.zeros(1, channels, 16, 16)).shape == (1, target, 16, 16)


@pytest.mark.parametrize("antialias", [True, "down", "up"])
def test_an_antialiased_generator_keeps_the_shape_and_blurs_where_it_is_told(antialias: object) -> None:
    net = networks(antialias=antialias)
    for role, shape in ((net.generator("X", "Y"), (2, 3, 20, 36)), (net.encoder("X"), (2, 16, 5, 9))):
        assert role(torch.rand(2, 3, 20, 36) * 2 - 1).shape == shape
        assert sum(isinstance(m, Blur) for m in role.modules()) == (0 if antialias == "up" else 2)
    strides = [m.stride[0] for m in convolutions(net.generator("X", "Y")) if isinstance(m, nn.Conv2d)]
    assert strides.count(2) == (2 if antialias == "up" else 0)
    enlarging = [m for m in convolutions(net.decoder("Y")) if isinstance(m, nn.ConvTranspose2d)]
    assert len(enlarging) == (2 if antialias == "down" else 0)
    assert net.decoder("Y")(torch.zeros(1, 16, 5, 9)).shape == (1, 3, 20, 36)


def test_a_blur_weighs_each_pixel_with_its_neighbours() -> None:
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


def test_images_have_no_residual_of_a_decoder() -> None:
    with pytest.raises(UsageError, match="residual_from: for recordings only"):
        networks().conditional_residual_decoder(2)


def test_roles_with_batch_norm_say_that_their_items_are_not_apart() -> None:
    net = networks(norm="batch")
    assert not net.generator("X", "Y").is_batch_independent and not net.discriminator("Y").is_batch_independent
    norms = [m for m in net.generator("X", "Y").modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 9 and all(not torch.equal(m.weight, torch.ones_like(m.weight)) for m in norms)


@pytest.mark.parametrize("depth", range(2, 12))
def test_a_stack_has_exactly_its_depth_of_convolutions(depth: int) -> None:
    net = networks(size=32)
    generator = net.generator("X", "Y", depth)
    assert len(convolutions(generator)) == depth
    assert net.stride == 2 ** (depth // 2)
    x = torch.rand(2, 3, net.stride, 2 * net.stride) * 2 - 1
    assert generator(x).shape == x.shape


@pytest.mark.parametrize("depth", [0, 1, 12])
def test_a_depth_that_does_not_fit_the_size_is_refused(depth: int) -> None:
    with pytest.raises(UsageError, match="from 2 to 11 layers"):
        networks(size=32).generator("X", "Y", depth)


@pytest.mark.parametrize("kind", ["resnet", "light"])
@pytest.mark.parametrize("blocks", [2, 3])
def test_encoder_shared_and_decoder_fit(kind: str, blocks: int) -> None:
    net = networks(generator=kind, blocks=blocks)
    code = net.encoder("X")(torch.zeros(2, 3, 16, 24))
    assert code.shape == (2, 16 if kind == "resnet" else 8, 4, 6)
    assert net.shared_block()(code).shape == code.shape
    image = net.decoder("Y")(code)
    assert image.shape == (2, 3, 16, 24) and image.abs().max() <= 1


def test_critics_score_patches() -> None:
    x = torch.zeros(2, 3, 64, 64)
    assert networks(size=64).discriminator("X")(x).shape == (2, 1, 6, 6)
    assert networks(size=64, discriminator_layers=1).discriminator("X")(x).shape == (2, 1, 30, 30)
    assert networks(size=64, critic="light").discriminator("X")(x).shape == (2, 3, 8, 8)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_smallest_image_of_a_patch_critic_gives_one_score_and_smaller_ones_are_refused(layers: int) -> None:
    smallest = 3 * 2**layers
    critic = networks(size=smallest, discriminator_layers=layers).discriminator("X")
    assert critic(torch.zeros(1, 3, smallest, smallest)).shape == (1, 1, 1, 1)
    with pytest.raises(UsageError, match=f"at least {smallest} px"):
        networks(size=smallest - 1, discriminator_layers=layers).discriminator("X")


def receptive_field(critic: nn.Module, size: int = 128) -> int:
    """Height of the region of the input that the middle score depends on."""
    x = torch.zeros(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    scores = critic.double().eval()(x)
    middle = scores.shape[-1] // 2
    scores[0, 0, middle, middle].backward()
    assert x.grad is not None
    rows = x.grad.abs().sum((0, 1, 3)).nonzero()
    return int(rows.max() - rows.min()) + 1


def positive(layers: list[nn.Module]) -> nn.Module:
    """The critic with all weights positive, so that no path cancels another or dies in a rectifier."""
    net = nn.Sequential(*layers)
    for parameter in net.parameters():
        nn.init.uniform_(parameter, 0.01, 0.02)
    return net


@pytest.mark.parametrize(("layers", "field"), [(3, 70), (2, 34), (1, 16)])
def test_the_patch_critic_sees_what_it_says(layers: int, field: int) -> None:
    assert receptive_field(positive(patch_discriminator(3, 4, layers, "none"))) == field


def test_the_texture_view_of_the_light_critic_sees_what_it_says() -> None:
    assert receptive_field(positive([light_discriminator(3, 4).views[0]])) == 41


def test_the_pixels_view_judges_intensities_and_not_their_places() -> None:
    torch.manual_seed(0)
    pixels = light_discriminator(1, 8).views[2]
    x = torch.rand(2, 1, 16, 16)
    shuffled = x.flatten(2)[..., torch.randperm(256)].view_as(x)
    torch.testing.assert_close(pixels(shuffled), pixels(x))
    assert not torch.allclose(pixels(0.5 * x), pixels(x))


def test_views_have_the_same_say_whatever_the_number_of_their_scores() -> None:
    class Constant(nn.Module):
        def __init__(self, value: float, height: int, width: int) -> None:
            super().__init__()
            self.scores = torch.full((1, 1, height, width), value)

        def forward(self, x: Tensor) -> Tensor:
            return self.scores.expand(len(x), -1, -1, -1)

    scores = MultiViewDiscriminator(Constant(1.0, 6, 4), Constant(4.0, 1, 1))(torch.zeros(2, 1, 8, 8))
    assert scores.shape == (2, 2, 6, 4)
    assert scores.mean() == 2.5


def test_weights_start_as_the_papers() -> None:
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


def test_a_light_generator_starts_without_a_grid() -> None:
    torch.manual_seed(0)
    net = networks(generator="light", norm="group")
    for image in (net.generator("X", "Y")(torch.rand(2, 3, 16, 16)), net.decoder("Y")(torch.rand(2, 8, 4, 4))):
        blocks = image.unfold(2, 2, 2).unfold(3, 2, 2)
        torch.testing.assert_close(blocks, blocks[..., :1, :1].expand_as(blocks))
        assert image.std() > 0


def test_critics_augment_only_while_they_train() -> None:
    torch.manual_seed(0)
    critic = networks(size=64, augment=("color", "translation", "cutout")).discriminator("X")
    x = torch.rand(1, 3, 64, 64)
    assert not torch.equal(critic(x), critic(x))
    critic.eval()
    assert torch.equal(critic(x), critic(x))


@pytest.mark.parametrize("kind", ["patch", "light"])
def test_the_outputs_of_a_view_lie_side_by_side(kind: str) -> None:
    critic = networks(critic=kind, discriminator_layers=1, discriminator_width=4).discriminator("X", outputs=3)
    x = torch.rand(2, 3, 32, 32)
    (last, *_) = [layer for layer in critic.modules() if isinstance(layer, nn.Conv2d) and layer.out_channels == 3]
    before = critic(x).unflatten(1, (-1, 3))
    with torch.no_grad():
        last.bias[1] += 1.0  # type: ignore[index]
    change = critic(x).unflatten(1, (-1, 3)) - before
    expected = torch.zeros_like(change)
    expected[:, 0, 1] = 1
    torch.testing.assert_close(change, expected)


@pytest.mark.parametrize("kind", ["resnet", "light"])
def test_a_code_critic_judges_whole_codes_of_any_size(kind: str) -> None:
    net = networks(generator=kind, width=4, discriminator_width=6)
    critic = net.latent_discriminator(2).eval()
    for size in (16, 32):
        assert critic(net.encoder("X")(torch.rand(3, 3, size, size))).shape == (3, 2)
    code = torch.rand(1, net.code_channels, 8, 8)
    assert not torch.allclose(critic(code), critic(2 * code))
    torch.testing.assert_close(critic(code.repeat(3, 1, 1, 1)), critic(code).expand(3, -1))


def test_a_code_critic_drops_features_only_while_it_trains() -> None:
    critic = networks(width=4, discriminator_width=16).latent_discriminator(1, dropout=0.5)
    code = torch.rand(1, 16, 8, 8)
    assert not torch.equal(critic.train()(code), critic(code))
    assert torch.equal(critic.eval()(code), critic(code))


def test_a_role_knows_whether_its_items_are_independent() -> None:
    assert Role(nn.Conv2d(1, 1, 3), nn.GroupNorm(1, 1)).is_batch_independent
    assert not Role(nn.Sequential(nn.Conv2d(1, 1, 3), nn.BatchNorm2d(1))).is_batch_independent


def test_steps_are_enlarged_differences_to_the_next_pixel() -> None:
    x = torch.tensor([[0.0, 0.01], [0.2, 0.01]]).view(1, 1, 2, 2)
    values, right, down = FiniteDifferences(10.0)(x).unbind(1)
    assert torch.equal(values, x[:, 0])
    assert torch.allclose(right, torch.tanh(torch.tensor([[[0.1, 0.0], [-1.9, 0.0]]])))
    assert torch.allclose(down, torch.tanh(torch.tensor([[[2.0, 0.0], [0.0, 0.0]]])))


def test_the_light_generator_starts_lively_where_nothing_normalises() -> None:
    torch.manual_seed(0)
    net = networks(generator="light", norm="group", width=16).generator("X", "Y")
    join = [m for m in net.modules() if isinstance(m, nn.Conv2d)][-2]
    assert float(join.weight.detach().std()) == pytest.approx((2 / (9 * join.in_channels)) ** 0.5, rel=0.1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", ["instance", "group", "batch", "none"])
def test_light_coders_that_add_begin_at_the_identity(channels: int, norm: str) -> None:
    net = networks(generator="light", residual=True, width=24, channels=channels, norm=norm)
    x = torch.rand(2, channels, 16, 24) * 2 - 1
    code = net.shared_block()(net.encoder("X")(x))
    assert code.shape == (2, 48, 4, 6)
    torch.testing.assert_close(net.decoder("Y")(net.shared_block()(code)), x, atol=1e-5, rtol=0)
    encoder, decoder, _ = net.conditional_autoencoder(2, 0.0)
    told = concat_label(encoder(x), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(decoder(told), x, atol=1e-5, rtol=0)


def test_cosines_are_orthonormal_and_slow_ones_come_first() -> None:
    taps = dct_kernels(3, 48).flatten(1)
    torch.testing.assert_close(taps @ taps.T, torch.eye(48), atol=1e-6, rtol=0)
    even = torch.full((3, 4, 4), 0.25)
    torch.testing.assert_close(dct_kernels(3, 3).sum(0), even)
    assert dct_kernels(3, 8).shape == (8, 3, 4, 4)


def test_a_change_of_light_coders_has_no_stripes_of_two_pixels() -> None:
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    torch.testing.assert_close(Blur()(stripes), torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize("critic", ["patch", "light"])
def test_a_critic_tells_one_set_of_labels_whatever_the_size(critic: str) -> None:
    shared, _, logits = networks(critic=critic).discriminator_with_classifier(3)
    for height, width in ((32, 32), (32, 48), (64, 64)):
        assert logits(shared(torch.rand(2, 3, height, width))).shape == (2, 3)
