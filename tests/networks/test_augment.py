from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from unpaired.networks.augment import POLICIES, Augment, random_color, random_cutout, random_translation

NAMES = ("color", "translation", "cutout")


def shifted(x: Tensor, down: int, right: int) -> Tensor:
    """Shift `x` (C, H, W) and fill with zeros, in a loop."""
    out = torch.zeros_like(x)
    _, height, width = x.shape
    for i in range(height):
        for j in range(width):
            if 0 <= i + down < height and 0 <= j + right < width:
                out[:, i, j] = x[:, i + down, j + right]
    return out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (3, 3, 9, 12)])
def test_policies_keep_shape_and_dtype(name: str, shape: tuple[int, ...]) -> None:
    x = torch.rand(shape)
    y = POLICIES[name](x)
    assert y.shape == x.shape and y.dtype == x.dtype and y.isfinite().all()
    assert POLICIES[name](x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("policy", [lambda x: random_translation(x, 0), lambda x: random_cutout(x, 0)])
def test_zero_shift_or_cutout_is_the_identity(policy: Callable[[Tensor], Tensor]) -> None:
    x = torch.rand(2, 3, 8, 6)
    assert torch.equal(policy(x), x)


def test_translation_shifts_each_item_by_up_to_an_eighth_in_every_direction() -> None:
    torch.manual_seed(0)
    one = torch.rand(2, 8, 16) + 0.1
    shifts = {(down, right): shifted(one, down, right) for down in range(-1, 2) for right in range(-2, 3)}
    counts = dict.fromkeys(shifts, 0)
    for item in random_translation(one.expand(1500, 2, 8, 16)):
        (found,) = (shift for shift, image in shifts.items() if torch.equal(image, item))
        counts[found] += 1
    assert min(counts.values()) > 60 and max(counts.values()) < 145  # 100 expected of each of the 15


def test_cutout_cuts_a_square_of_half_the_size_whose_centre_is_anywhere() -> None:
    torch.manual_seed(0)
    x = torch.ones(4000, 1, 8, 8)
    y = random_cutout(x)
    assert set(y.unique().tolist()) == {0, 1}
    holes = (y == 0).squeeze(1)
    heights, widths = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(holes.sum((1, 2)), heights * widths)  # one filled rectangle
    assert heights.max() == 4 and heights.min() == 2  # 9 centres; at the border half of it is outside
    # Each row of pixels lies within as many of the nine placements as windows of four reach it.
    reach = torch.tensor([sum(c - 2 <= i < c + 2 for c in range(9)) for i in range(8)]) / 9
    torch.testing.assert_close(holes.any(2).float().mean(0), reach, rtol=0, atol=0.03)


def test_color_changes_brightness_saturation_and_contrast_per_item() -> None:
    x = torch.rand(5, 3, 4, 4, dtype=torch.float64) * 2 - 1
    torch.manual_seed(3)
    got = random_color(x)
    torch.manual_seed(3)
    draws = torch.rand(3, 5, 1, 1, 1, dtype=torch.float64).flatten(1)
    for i, item in enumerate(x):
        bright = item + draws[0, i] - 0.5
        gray = bright.mean(0)
        saturated = torch.stack([(channel - gray) * 2 * draws[1, i] + gray for channel in bright])
        mean = saturated.mean()
        torch.testing.assert_close(got[i], (saturated - mean) * (0.5 + draws[2, i]) + mean, rtol=0, atol=1e-12)


def test_color_covers_the_whole_range() -> None:
    torch.manual_seed(0)
    flat = torch.zeros(3000, 3, 1, 1)
    moved = random_color(flat)[:, 0, 0, 0]
    assert moved.min() < -0.49 and moved.max() > 0.49 and moved.mean().abs() < 0.03
    pair = torch.zeros(3000, 1, 1, 2)
    pair[..., 1] = 1
    contrast = random_color(pair).diff(dim=-1).flatten()
    assert 0.5 <= contrast.min() < 0.51 and 1.49 < contrast.max() <= 1.5
    hue = torch.zeros(3000, 3, 1, 1)
    hue[:, 0] = 1
    colored = random_color(hue)
    spread = colored[:, 0] - colored[:, 1]  # saturation x contrast
    assert -1e-6 < spread.min() < 0.01 and 2.8 < spread.max() <= 3


def test_saturation_does_nothing_to_gray() -> None:
    torch.manual_seed(0)
    gray = random_color(torch.rand(4, 1, 4, 4).expand(4, 3, 4, 4))
    torch.testing.assert_close(gray, gray.mean(1, keepdim=True).expand_as(gray))


@pytest.mark.parametrize("name", NAMES)
def test_policies_are_differentiable(name: str) -> None:
    def policy(x: Tensor) -> Tensor:
        torch.manual_seed(1)
        return POLICIES[name](x)

    x = torch.rand(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(policy, (x,))


@pytest.mark.parametrize("name", NAMES)
def test_items_of_a_batch_get_different_draws(name: str) -> None:
    torch.manual_seed(0)
    y = POLICIES[name](torch.rand(1, 3, 16, 16).expand(6, 3, 16, 16) + 0.1)
    assert len({item.numpy().tobytes() for item in y}) > 3


@pytest.mark.parametrize("name", NAMES)
def test_an_item_is_augmented_without_seeing_the_others(name: str) -> None:
    x = torch.rand(3, 3, 8, 8)
    other = torch.cat([x[:1], torch.rand(2, 3, 8, 8)])
    torch.manual_seed(5)
    alone = POLICIES[name](x)[0]
    torch.manual_seed(5)
    assert torch.equal(POLICIES[name](other)[0], alone)


def test_augment_applies_the_policies_in_order_in_training_mode_only() -> None:
    augment = Augment(NAMES)  # type: ignore[arg-type]
    x = torch.rand(2, 3, 8, 8)
    torch.manual_seed(2)
    got = augment(x)
    torch.manual_seed(2)
    assert torch.equal(got, random_cutout(random_translation(random_color(x))))
    assert augment.eval()(x) is x
