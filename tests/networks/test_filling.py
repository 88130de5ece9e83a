"""Hidden frames, and the generators that fill them in."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from unpaired.config.settings import NetworkSettings, VoiceSettings
from unpaired.errors import UsageError
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.masking import mask_frames
from unpaired.networks.voice_factory import VoiceNetworkFactory


def test_hidden_is_one_span_of_every_length_and_place() -> None:
    torch.manual_seed(0)
    x = torch.randn(2000, 1, 3, 8, dtype=torch.float64)
    hidden = mask_frames(x, 0.5)
    values, mask = hidden[:, :1], hidden[:, 1:]
    assert hidden.dtype == x.dtype and torch.equal(values, x * mask) and set(mask.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(mask, mask[:, :, :1].expand_as(mask)), "whole frames"
    spans = Counter("".join(str(int(seen)) for seen in row) for row in mask[:, 0, 0].tolist())
    assert {span.count("0") for span in spans} == {0, 1, 2, 3, 4}
    assert all("0" not in span.strip("1").strip("0") and "01" not in span.strip("1") for span in spans), "one span"
    assert len(spans) == 1 + 8 + 7 + 6 + 5, "every place"
    lengths = Counter[int]()
    for span, count in spans.items():
        lengths[span.count("0")] += count
    assert all(count == pytest.approx(400, abs=80) for count in lengths.values()), "lengths alike"


def test_nothing_is_hidden_where_nothing_is_asked() -> None:
    x = torch.randn(2, 1, 3, 8)
    assert mask_frames(x, 0.0) is x
    assert torch.equal(mask_frames(x, 0.01), torch.cat((x, torch.ones_like(x)), 1)), "less than a frame"


def test_what_a_mask_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match=r"mask 0\.5: hides frames of recordings; with pictures leave it out"):
        ImageNetworkFactory(NetworkSettings(), {"X": 3, "Y": 3}, 32).generator("X", "Y", max_mask_fraction=0.5)
    voices = VoiceNetworkFactory(NetworkSettings(), VoiceSettings(), 24, ("X", "Y"))
    for mask, words in ((1.5, r"mask 1\.5"), (-0.5, r"mask -0\.5")):
        with pytest.raises(UsageError, match=f"{words}: the largest share .* expected 0 to 1"):
            voices.generator("X", "Y", max_mask_fraction=mask)
