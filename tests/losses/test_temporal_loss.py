"""Temporal consistency: motions, moved images, the loss of equivariant and of other translations."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.temporal import (
    MAX_ROTATION,
    MAX_SHIFT,
    MAX_ZOOM,
    compute_flow_grid,
    compute_grid,
    find_inside,
    sample_motions,
    temporal_consistency,
    warp_images,
)
from unpaired.methods.base import BatchTranslation
from unpaired.methods.temporal import TemporalLoss


def images(height: int = 20, width: int = 28) -> Tensor:
    draws = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, height, width, generator=draws, dtype=torch.float64) * 2 - 1


def move_images(x: Tensor, motions: Tensor) -> tuple[Tensor, Tensor]:
    """Return images that `motions` moved, and where they show the inside."""
    grid = compute_grid(motions, x.shape[2], x.shape[3])
    return warp_images(x, grid), find_inside(grid)


def shift(x: float, y: float, height: int, width: int) -> Tensor:
    """Return the motion that shows at each position what is `x` pixels right and `y` pixels below."""
    motion = torch.tensor([[1, 0, 2 * x / width], [0, 1, 2 * y / height]], dtype=torch.float64)
    return motion.expand(2, 2, 3)


def test_grid_equals_that_of_pytorch() -> None:
    torch.manual_seed(0)
    motions = sample_motions(2, 20, 28)
    assert torch.allclose(compute_grid(motions, 20, 28), F.affine_grid(motions, [2, 3, 20, 28], align_corners=False))


def test_whole_shift_moves_pixels_exactly() -> None:
    x = images()
    moved, mask = move_images(x, shift(3, -2, 20, 28))
    assert torch.allclose(moved[:, :, 2:, :-3], x[:, :, :-2, 3:], atol=1e-12)
    assert mask.sum() == 2 * 18 * 25 and mask[:, :, 2:, :-3].all()


def test_random_motions_stay_within_their_limits() -> None:
    torch.manual_seed(0)
    height, width = 40, 60
    motions = sample_motions(500, height, width)
    center = motions[:, :, 2] * torch.tensor([width, height]) / 2
    assert center.abs().max() <= MAX_SHIFT and center.abs().max() > 0.95 * MAX_SHIFT
    # In pixels the linear part is a rotation times a zoom: its columns have equal lengths and are orthogonal.
    sides = torch.tensor([width, height], dtype=torch.float64)
    linear = motions[:, :, :2] * sides[:, None] / sides
    zoom = linear.det().sqrt()
    assert (zoom - 1).abs().max() <= MAX_ZOOM
    assert torch.allclose(linear.mT @ linear, zoom[:, None, None].square() * torch.eye(2, dtype=torch.float64))
    angle = torch.atan2(linear[:, 1, 0], linear[:, 0, 0])
    assert angle.abs().max() <= MAX_ROTATION and angle.std() == pytest.approx(MAX_ROTATION / math.sqrt(3), rel=0.1)


def test_motions_depend_on_the_seed_alone() -> None:
    torch.manual_seed(3)
    first = sample_motions(2, 8, 8)
    torch.manual_seed(3)
    assert torch.equal(sample_motions(2, 8, 8), first)
    assert not torch.equal(sample_motions(2, 8, 8), first)


def test_loss_equals_value_worked_out_by_hand() -> None:
    x, y = torch.zeros(1, 2, 1, 3), torch.tensor([[[[1.0, 2, 90]], [[3, 4, 90]]]])
    mask = torch.tensor([[[[1.0, 1, 0]]]])
    assert temporal_consistency(x, y, mask).item() == pytest.approx((1 + 2 + 3 + 4) / 4)
    assert temporal_consistency(x, y, torch.zeros_like(mask)).item() == 0


def test_equivariant_translation_has_no_loss_and_another_has() -> None:
    torch.manual_seed(0)
    x = images()
    motions = sample_motions(2, 20, 28)
    moved, mask = move_images(x, motions)

    def invert(z: Tensor) -> Tensor:
        return 0.3 - 0.7 * z  # of single pixels, so it commutes with motions whose weights sum to one

    def shade(z: Tensor) -> Tensor:
        return z * torch.linspace(0, 1, 28, dtype=torch.float64)  # depends on the position

    assert temporal_consistency(move_images(invert(x), motions)[0], invert(moved), mask).item() < 1e-12
    assert temporal_consistency(move_images(shade(x), motions)[0], shade(moved), mask).item() > 0.005


def test_gradient_lowers_the_loss() -> None:
    torch.manual_seed(0)
    x = images()
    motions = sample_motions(2, 20, 28)
    moved, mask = move_images(x, motions)
    slope = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)

    def shade(z: Tensor) -> Tensor:
        return z * (1 + slope * torch.linspace(0, 1, 28, dtype=torch.float64))

    loss = temporal_consistency(move_images(shade(x), motions)[0], shade(moved), mask)
    (gradient,) = torch.autograd.grad(loss, slope)
    assert gradient > 0, "a smaller slope is more consistent"
    step = slope.detach() - 0.1 * gradient.sign()
    slope = step.requires_grad_()
    assert temporal_consistency(move_images(shade(x), motions)[0], shade(moved), mask) < loss


def test_flow_in_pixels_equals_a_shift() -> None:
    flow = torch.tensor([3.0, -2.0], dtype=torch.float64)[None, :, None, None].expand(2, 2, 20, 28)
    expected = compute_grid(shift(3, -2, 20, 28), 20, 28)
    assert torch.allclose(compute_flow_grid(flow), expected, atol=1e-12)


def make_context(x: Tensor, flow_x: float) -> tuple[Tensor, Tensor]:
    """Return previous frames that equal `x` moved by whole pixels, and the context with the flow to them."""
    previous = x.roll(int(flow_x), dims=3)
    flow = torch.zeros(len(x), 2, *x.shape[2:], dtype=x.dtype)
    flow[:, 0] = flow_x
    visible = torch.ones(len(x), 1, *x.shape[2:], dtype=x.dtype)
    return previous, torch.cat([previous, flow, visible], dim=1)


def measure(x: Tensor, context: Tensor | None, translate: Callable[[Tensor], Tensor]) -> float:
    torch.manual_seed(0)
    return TemporalLoss(1.0)(BatchTranslation(("X", "Y"), ("G",), x, translate, context=context)).item()


def test_neighbor_frames_are_compared_along_their_flow() -> None:
    x = images()
    _, context = make_context(x, 3)
    assert measure(x, context, lambda z: -z) < 1e-12
    wrong = context.clone()
    wrong[:, 3] = -3
    assert measure(x, wrong, lambda z: -z) > 0.2
    hidden = wrong.clone()
    hidden[:, -1] = 0
    hidden[:, -1, 0, 0] = 1  # the flow of the only visible pixel leaves the image
    assert measure(x, hidden, lambda z: -z) == 0


def test_a_flickering_translation_costs_its_change() -> None:
    """A translation that is 0.25 brighter for one of the two frames differs by 0.25 at every pixel."""
    x = images()
    _, context = make_context(x, 0)

    levels = iter((0.0, 0.25))
    assert measure(x, context, lambda z: torch.full_like(z, next(levels))) == pytest.approx(0.25)


def test_pictures_beside_frames_keep_the_random_motion() -> None:
    x = images()
    _, context = make_context(x, 3)
    context[1] = 0
    shade = torch.linspace(0, 1, x.shape[3], dtype=x.dtype)

    def translate(z: Tensor) -> Tensor:
        return z + shade

    alone = measure(x[1:], None, translate)
    assert alone > 0.005
    both = measure(x, context, translate)
    assert both > 0.005 and both != pytest.approx(alone)
