from __future__ import annotations

import pytest
import torch

from unpaired.metrics.color_transfer import ColorTransfer, fit_color_transfer, measure_colors


def pictures(seed: int, channels: int = 3) -> torch.Tensor:
    """Pictures whose channels correlate, well within [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(channels, channels, generator=generator)
    noise = torch.randn(5, channels, 16, 12, generator=generator)
    x = torch.einsum("dc,bchw->bdhw", mix, noise) + torch.randn(channels, 1, 1, generator=generator)
    return x / x.abs().max() * 0.3


def fit(sources: list[torch.Tensor], targets: list[torch.Tensor]) -> ColorTransfer:
    return fit_color_transfer(measure_colors(sources), measure_colors(targets))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_translations_have_the_targets_mean_and_covariance(channels: int) -> None:
    x, y = pictures(0, channels), pictures(1, channels)
    found, wanted = measure_colors([fit([x], [y])(x.double())]), measure_colors([y])
    torch.testing.assert_close(found.mean, wanted.mean)
    torch.testing.assert_close(found.covariance, wanted.covariance)


def test_equal_domains_are_left_as_they_are() -> None:
    x = pictures(0)
    torch.testing.assert_close(fit([x], [x])(x), x, atol=1e-5, rtol=0)


def test_the_map_is_symmetric_and_positive_so_no_colors_are_exchanged() -> None:
    matrix = fit([pictures(0)], [pictures(1)]).matrix
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_one_channel_is_scaled_by_the_ratio_of_the_deviations() -> None:
    x, y = pictures(0, 1), pictures(1, 1)
    ratio = y.double().std(correction=0) / x.double().std(correction=0)
    torch.testing.assert_close(fit([x], [y]).matrix, ratio.reshape(1, 1))


def test_statistics_do_not_depend_on_how_pictures_are_batched() -> None:
    x = pictures(0)
    one, other = measure_colors([x]), measure_colors([x[:2], x[2:]])
    torch.testing.assert_close((one.mean, one.covariance), (other.mean, other.covariance))


def test_a_gray_source_in_three_channels_stays_finite_and_in_range() -> None:
    gray = pictures(0, 1).expand(-1, 3, -1, -1)
    out = fit([gray], [pictures(1)])(gray)
    assert torch.isfinite(out).all() and out.abs().max() <= 1


def test_a_source_of_one_color_becomes_the_targets_mean() -> None:
    even, y = torch.full((2, 3, 8, 8), 0.5), pictures(1)
    out, mean = fit([even], [y])(even), measure_colors([y]).mean
    torch.testing.assert_close(out.double(), mean[None, :, None, None].expand(2, -1, 8, 8), atol=1e-4, rtol=0)


def test_domains_of_unequal_channels_are_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"3.*1"):
        fit([pictures(0, 3)], [pictures(1, 1)])


def test_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        fit([], [pictures(1)])


def test_pictures_of_another_number_of_channels_are_refused_with_their_shape() -> None:
    transfer = fit([pictures(0)], [pictures(1)])
    with pytest.raises(ValueError, match=r"1, 16, 12"):
        transfer(pictures(0, 1))
