"""Hidden information of constructed translators that hide, show or lose their input, or have a fragile inverse."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from unpaired.media.jpeg import compress_jpeg
from unpaired.metrics import steganography
from unpaired.metrics.probes import PadToStride, train_probe

SIDE = 16
CHECKER = (-1.0) ** torch.arange(SIDE)[:, None] * (-1.0) ** torch.arange(SIDE)
AMPLITUDE = 0.015
LEVEL = 2 / 32


def pictures(count: int, seed: int) -> Tensor:
    """Return color gradients without any faint pattern."""
    level, across, down = torch.rand(3, count, 3, 1, 1, generator=torch.Generator().manual_seed(seed)) - 0.5
    ramp = torch.linspace(-0.5, 0.5, SIDE)
    images: Tensor = level + across * ramp + down * ramp[:, None]
    return images


def pattern(x: Tensor) -> Tensor:
    """Return other images; the input modulates a faint checkerboard in them."""
    return 0.9 * pictures(len(x), 99) + AMPLITUDE * CHECKER * x


def low_bits(x: Tensor) -> Tensor:
    """Return other images in 32 levels; the input is in the low bits."""
    return (pictures(len(x), 99) / LEVEL).round() * LEVEL + 0.3 * LEVEL * x


def contrast(x: Tensor) -> Tensor:
    return 0.6 * x - 0.2


def gray(x: Tensor) -> Tensor:
    return x.mean(1, keepdim=True).expand_as(x)


def same(x: Tensor) -> Tensor:
    return x


class Decoder(nn.Module):
    """Trainable linear mixture of a translation, its faint pattern and its low bits; `start`: initial weights."""

    def __init__(self, start: tuple[float, float, float], bias: float = 0.0) -> None:
        super().__init__()
        self.mix = nn.Conv2d(9, 3, 1)
        with torch.no_grad():
            self.mix.weight.zero_()
            self.mix.bias.fill_(bias)  # type: ignore[union-attr]
            for channel in range(3):
                for feature, weight in enumerate(start):
                    self.mix.weight[channel, 3 * feature + channel] = weight

    def forward(self, y: Tensor) -> Tensor:
        faint = functional.avg_pool2d(y * CHECKER, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
        bits = y - (y / LEVEL).round() * LEVEL
        out: Tensor = self.mix(torch.cat((y, faint / AMPLITUDE, bits / (0.3 * LEVEL)), 1))
        return out


def measure(
    translate: Callable[[Tensor], Tensor],
    probe: nn.Module,
    perturbation: steganography.Perturbation = steganography.noise_then_jpeg,
) -> tuple[steganography.FractionEstimate, float, float]:
    """Return hidden information, and the R^2 of the untrained probe without and with the perturbation."""
    train, test = pictures(96, 1), pictures(48, 2)
    torch.manual_seed(0)
    with torch.no_grad():
        train_y, y = translate(train), translate(test)
    baseline_errors = steganography.squared_error(train.mean(0).expand_as(test), test)
    clean_probe = train_probe(probe, train_y, train, steganography.identity, 150, lr=0.03)
    perturbed_probe = train_probe(probe, train_y, train, perturbation, 150, lr=0.03)
    real_change = steganography.real_image_change([y], train_y.mean(0), perturbation)
    with torch.no_grad():
        untrained_r2 = [
            steganography.r2(steganography.squared_error(probe(p(y)), test), baseline_errors)
            for p in (steganography.identity, perturbation)
        ]
        hidden = steganography.hidden_fraction(
            steganography.squared_error(clean_probe(y), test),
            steganography.squared_error(perturbed_probe(perturbation(y)), test),
            baseline_errors,
            real_change,
        )
    return hidden, untrained_r2[0], untrained_r2[1]


@pytest.mark.parametrize(("translate", "start"), [(pattern, (0.0, 1.0, 0.0)), (low_bits, (0.0, 0.0, 1.0))])
def test_detects_an_input_hidden_in_faint_signal(
    translate: Callable[[Tensor], Tensor], start: tuple[float, ...]
) -> None:
    hidden, r2_clean, _ = measure(translate, Decoder((start[0], start[1], start[2])))
    assert r2_clean > 0.9
    assert hidden.value > 0.75 and 0 < hidden.error < 0.1


@pytest.mark.parametrize(
    ("translate", "start", "bias"),
    [(contrast, (1 / 0.6, 0.0, 0.0), 0.2 / 0.6), (gray, (1.0, 0.0, 0.0), 0.0), (same, (1.0, 0.0, 0.0), 0.0)],
)
def test_visible_translations_have_no_hidden_information(
    translate: Callable[[Tensor], Tensor], start: tuple[float, float, float], bias: float
) -> None:
    hidden, r2_clean, _ = measure(translate, Decoder(start, bias))
    assert hidden.value < 0.03
    assert (r2_clean > 0.99) == (translate is not gray)


def test_a_fragile_inverse_is_not_hidden_information() -> None:
    hidden, r2_clean, r2_perturbed = measure(same, Decoder((1.0, 1.0, 0.0)), steganography.gaussian_noise(0.02))
    assert r2_clean > 0.9 and r2_perturbed < 0.3, "noise breaks the untrained inverse"
    assert hidden.value < 0.05, "but all information is visible"


def test_hidden_fraction_by_hand() -> None:
    baseline_errors = torch.tensor([2.0, 2.0])
    assert steganography.r2(torch.tensor([0.5, 0.5]), baseline_errors) == 0.75
    assert steganography.r2(torch.tensor([3.0, 3.0]), baseline_errors) == 0
    hidden = steganography.hidden_fraction(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]), baseline_errors, 0.1)
    # R^2 is .75 and .25, so .75 * .9 - .25; the items lose (1 - 0) / 2 and (2 - .9) / 2.
    assert hidden.value == pytest.approx(0.425)
    assert hidden.error == pytest.approx(0.05 / 2)
    assert steganography.hidden_fraction(baseline_errors, baseline_errors, baseline_errors, 0.0).value == 0
    assert steganography.hidden_fraction(torch.zeros(2), baseline_errors * 9, baseline_errors, 0.0).value == 1
    assert steganography.hidden_fraction(baseline_errors[:1], baseline_errors[:1], baseline_errors[:1], 0.0).error == 1
    with pytest.raises(ValueError, match="equal"):
        steganography.r2(torch.zeros(2), torch.zeros(2))


def test_real_image_change_by_hand() -> None:
    targets = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    assert steganography.real_image_change([targets], torch.zeros(1, 4, 4), lambda y: 0.9 * y) == pytest.approx(0.01)
    assert steganography.real_image_change([torch.zeros(1, 1, 4, 4)], torch.zeros(1, 4, 4), steganography.identity) == 0


def test_sensitivity_by_hand() -> None:
    y = torch.tensor([0.5, -0.5]).view(2, 1, 1, 1).expand(2, 1, 4, 4)
    assert steganography.sensitivity(lambda y: 2 * y, [y], lambda y: y + 0.1) == pytest.approx(0.04)
    assert steganography.sensitivity(torch.zeros_like, [y], steganography.gaussian_noise(0.1)) == 0


def test_perturbations_have_the_declared_strength() -> None:
    y = pictures(8, 3)
    torch.manual_seed(1)
    assert (steganography.gaussian_noise(0.05)(y) - y).std().item() == pytest.approx(0.05, rel=0.05)
    levels = (steganography.quantize_8bit(y) + 1) * 127.5
    assert (
        torch.allclose(levels, levels.round(), atol=1e-4)
        and (steganography.quantize_8bit(y) - y).abs().max() <= 1 / 255 + 1e-6
    )
    errors = [steganography.squared_error(steganography.jpeg(q)(y), y).mean().item() for q in (95, 75, 20)]
    assert errors == sorted(errors) and errors[0] > 0
    assert 35 < 10 * math.log10(4 / steganography.squared_error(steganography.noise_then_jpeg(y), y).mean().item()) < 48
    assert all(p(y).shape == y.shape and p(y).abs().max() <= 1 for p in steganography.PERTURBATIONS.values())


def test_jpeg_accepts_one_or_three_channels_only() -> None:
    flat = torch.full((2, 1, 9, 11), 0.5)
    assert compress_jpeg(flat, 90) == pytest.approx(torch.full_like(flat, 0.5), abs=0.01)
    red = torch.tensor([0.8, -0.6, -0.6]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    assert compress_jpeg(red, 95) == pytest.approx(red, abs=0.05)
    with pytest.raises(ValueError, match="2 channels"):
        compress_jpeg(torch.zeros(1, 2, 8, 8), 90)


def test_faint_signal_is_amplified_and_flat_areas_stay_gray() -> None:
    y = torch.full((1, 1, SIDE, SIDE), 0.3)
    assert steganography.amplify_faint_signal(y).abs().max() < 1e-5
    shown = steganography.amplify_faint_signal(y + 0.01 * CHECKER)
    assert shown.abs().mean() == pytest.approx(math.tanh(0.15), rel=0.1)


def test_train_probe_is_repeatable_and_does_not_change_its_argument() -> None:
    probe, x = Decoder((1.0, 0.0, 0.0)), pictures(12, 4)
    before = [p.clone() for p in probe.parameters()]
    calls: list[int] = []
    one = train_probe(probe, 0.5 * x, x, steganography.identity, 5, on_step=lambda: calls.append(1))
    two = train_probe(probe, 0.5 * x, x, steganography.identity, 5)
    assert len(calls) == 5
    assert all(torch.equal(a, b) for a, b in zip(probe.parameters(), before, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert steganography.squared_error(one(0.5 * x), x).mean() < steganography.squared_error(probe(0.5 * x), x).mean()


def test_inputs_are_padded_to_the_stride() -> None:
    assert PadToStride(nn.AvgPool2d(1), 4)(torch.rand(1, 3, 6, 9)).shape == (1, 3, 6, 9)
    x = torch.rand(1, 3, 6, 9)
    assert torch.equal(PadToStride(nn.Identity(), 4)(x), x)
