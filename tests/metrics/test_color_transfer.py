from __future__ import annotations

import pytest
import torch

from unpaired.metrics.color_transfer import fit_color_transfer, pixel_statistics


def pictures(seed: int, channels: int = 3) -> torch.Tensor:
    """Pictures whose channels correlate, well within [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(channels, channels, generator=generator)
    noise = torch.randn(5, channels, 16, 12, generator=generator)
    x = torch.einsum("dc,bchw->bdhw", mix, noise) + torch.randn(channels, 1, 1, generator=generator)
    return x / x.abs().max() * 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_translations_have_the_targets_mean_and_covariance(channels: int) -> None:
    x, y = pictures(0, channels), pictures(1, channels)
    mean, covariance = pixel_statistics([fit_color_transfer([x], [y])(x.double())])
    wanted_mean, wanted_covariance = pixel_statistics([y])
    torch.testing.assert_close(mean, wanted_mean)
    torch.testing.assert_close(covariance, wanted_covariance)


def test_equal_domains_are_left_as_they_are() -> None:
    x = pictures(0)
    torch.testing.assert_close(fit_color_transfer([x], [x])(x), x, atol=1e-5, rtol=0)


def test_the_map_is_symmetric_and_positive_so_no_colours_are_exchanged() -> None:
    matrix = fit_color_transfer([pictures(0)], [pictures(1)]).matrix
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_one_channel_is_scaled_by_the_ratio_of_the_deviations() -> None:
    x, y = pictures(0, 1), pictures(1, 1)
    ratio = y.double().std(correction=0) / x.double().std(correction=0)
    torch.testing.assert_close(fit_color_transfer([x], [y]).matrix, ratio.reshape(1, 1))


def test_statistics_do_not_depend_on_how_pictures_are_batched() -> None:
    x = pictures(0)
    for one, other in zip(pixel_statistics([x]), pixel_statistics([x[:2], x[2:]]), strict=True):
        torch.testing.assert_close(one, other)


def test_a_gray_source_in_three_channels_stays_finite_and_in_range() -> None:
    gray = pictures(0, 1).expand(-1, 3, -1, -1)
    out = fit_color_transfer([gray], [pictures(1)])(gray)
    assert torch.isfinite(out).all() and out.abs().max() <= 1


def test_a_source_of_one_colour_becomes_the_targets_mean() -> None:
    even, y = torch.full((2, 3, 8, 8), 0.5), pictures(1)
    mean, _ = pixel_statistics([y])
    out = fit_color_transfer([even], [y])(even)
    torch.testing.assert_close(out.double(), mean[None, :, None, None].expand(2, -1, 8, 8), atol=1e-4, rtol=0)


def test_domains_of_unequal_channels_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"3.*1"):
        fit_color_transfer([pictures(0, 3)], [pictures(1, 1)])


def test_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        fit_color_transfer([], [pictures(1)])


def test_pictures_of_another_number_of_channels_are_refused_with_their_shape() -> None:
    transfer = fit_color_transfer([pictures(0)], [pictures(1)])
    with pytest.raises(ValueError, match=r"1, 16, 12"):
        transfer(pictures(0, 1))
