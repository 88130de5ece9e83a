from __future__ import annotations

import numpy as np
import pytest

from unpaired.media.image.decoded_image import FloatArray
from unpaired.media.image.value_range import ValueRange, measure_quantiles


def collect(*images: FloatArray) -> ValueRange:
    value_range = ValueRange()
    for i, image in enumerate(images):
        quantiles = measure_quantiles(image)
        assert quantiles is not None
        value_range.add(quantiles, f"{i}.tif")
    return value_range


def scans(count: int = 6) -> list[FloatArray]:
    noise = np.random.default_rng(0)
    return [noise.normal(1000, 200, (32, 32, 1)).clip(0, 4095).astype(np.float32) for _ in range(count)]


def test_values_without_outliers_keep_their_range() -> None:
    images = scans()
    value_range = collect(*images)
    assert value_range.find_bulk() == (min(i.min() for i in images), max(i.max() for i in images))
    assert value_range.describe_outliers() == ""


@pytest.mark.parametrize("outlier", [65535.0, -9999.0, 1e20, -3.4e38])
@pytest.mark.parametrize("fraction", [1 / 1024, 0.05, 0.6])
def test_outliers_do_not_affect_the_range(outlier: float, fraction: float) -> None:
    images = scans()
    images[3].reshape(-1)[: max(1, int(fraction * 1024))] = outlier
    value_range = collect(*images)
    low, high = value_range.find_bulk()
    assert low > 0 and high < 2500
    text = value_range.describe_outliers()
    assert "3.tif" in text and f"{outlier:g}" in text and "--value-range" in text


def test_no_data_markers_in_every_file_do_not_affect_the_range() -> None:
    images = [image.copy() for image in scans()]
    for image in images:
        image[:20] = -9999
    low, high = collect(*images).find_bulk()
    assert low > 0 and high < 2500


def test_few_values_long_tails_and_a_dark_background_are_not_outliers() -> None:
    mask = np.zeros((32, 32, 1), np.float32)
    mask[8:16] = 65535
    assert collect(mask, mask).find_bulk() == (0, 65535)
    tail = np.random.default_rng(1).exponential(1, (64, 64, 1)).astype(np.float32) ** 3 * 100
    assert collect(tail).find_bulk()[1] == tail.max()
    body = np.random.default_rng(2).uniform(20000, 30000, (32, 32, 1)).astype(np.float32)
    body[:10] = 0
    assert collect(body).find_bulk()[0] == 0


def test_nan_is_ignored() -> None:
    image = scans(1)[0]
    image[0, 0] = np.nan
    assert np.isfinite(collect(image).find_bulk()).all()
    assert measure_quantiles(np.full((4, 4, 1), np.nan, np.float32)) is None
