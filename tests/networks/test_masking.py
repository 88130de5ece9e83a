"""Masking of frames, and generators that fill masked frames in."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import torch

from unpaired.config.settings import NetworkSettings
from unpaired.errors import UsageError
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.networks.masking import mask_frames
from unpaired.networks.voice_factory import VoiceNetworkFactory


def test_mask_is_one_span_of_any_length_and_position() -> None:
    torch.manual_seed(0)
    x = torch.randn(2000, 1, 3, 8, dtype=torch.float64)
    masked = mask_frames(x, 0.5)
    values, mask = masked[:, :1], masked[:, 1:]
    assert masked.dtype == x.dtype and torch.equal(values, x * mask) and set(mask.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(mask, mask[:, :, :1].expand_as(mask)), "all coefficients of a frame"
    spans = Counter("".join(str(int(visible)) for visible in row) for row in mask[:, 0, 0].tolist())
    assert {span.count("0") for span in spans} == {0, 1, 2, 3, 4}
    assert all("0" not in span.strip("1").strip("0") and "01" not in span.strip("1") for span in spans), "one span"
    assert len(spans) == 1 + 8 + 7 + 6 + 5, "every position"
    lengths = Counter[int]()
    for span, count in spans.items():
        lengths[span.count("0")] += count
    assert all(count == pytest.approx(400, abs=80) for count in lengths.values()), "uniform lengths"


def test_zero_fraction_masks_nothing() -> None:
    x = torch.randn(2, 1, 3, 8)
    assert mask_frames(x, 0.0) is x
    assert torch.equal(mask_frames(x, 0.01), torch.cat((x, torch.ones_like(x)), 1)), "less than a frame"


def test_invalid_mask_fractions_are_rejected() -> None:
    with pytest.raises(UsageError, match=r"max_mask_fraction 0\.5.*--max-mask-fraction 0"):
        ImageNetworkFactory(ImageNetworkSettings(), {"X": 3, "Y": 3}, 32).generator("X", "Y", max_mask_fraction=0.5)
    voices = VoiceNetworkFactory(NetworkSettings(), 24, 128, "2-1-2", ("X", "Y"))
    for fraction in (1.5, -0.5):
        with pytest.raises(UsageError, match=re.escape(f"max_mask_fraction {fraction:g}") + ".* 0 to 1"):
            voices.generator("X", "Y", max_mask_fraction=fraction)
