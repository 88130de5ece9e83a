from __future__ import annotations

import copy
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from unpaired.media.voice.content.consistency import MAX_ITEMS, ContentLoss, content_distance
from unpaired.media.voice.content.differentiable_log_mel import LogMelDecoder
from unpaired.media.voice.content.energy import fit_energy, predict_energy
from unpaired.media.voice.features import VoiceFeatures
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.world import World
from unpaired.methods.base import BatchTranslation
from unpaired.networks.whisper import WhisperNetwork

ORDER = 8


def statistics(mean: float, scale: float, **more: Any) -> SpeakerStatistics:
    values = dict.fromkeys(("mean",), (mean,) * ORDER) | dict.fromkeys(("std", "scale"), (scale,) * ORDER)
    other = {"log_f0_mean": None, "log_f0_std": None, "voiced_fraction": None, "lufs": -23.0, "frames": 9}
    return SpeakerStatistics.model_validate(values | other | {"energy": (0.0,) * (ORDER + 1)} | more)


def build_loss(**more: Any) -> ContentLoss:
    torch.manual_seed(0)
    speakers = {"X": statistics(0.1, 0.3, **more), "Y": statistics(-0.2, 0.15, **more)}
    encoder = WhisperNetwork(80, 16, 1, 2)
    return ContentLoss(encoder, {"fake": "0" * 64}, 2.0, LogMelDecoder(World(order=ORDER)), speakers)


def make_translation(y: Tensor, x: Tensor, **more: Any) -> BatchTranslation:
    return BatchTranslation(("X", "Y"), ("G",), x, lambda items: y[: len(items)], **more)


def test_distance_is_zero_at_equality_and_one_for_orthogonal_features() -> None:
    reference = torch.tensor([[[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]]])
    assert content_distance(reference, reference).item() == pytest.approx(0, abs=1e-6)
    rotated = torch.tensor([[[0.0, 1.0], [0.0, -1.0], [3.0, 0.0], [-3.0, 0.0]]])
    assert content_distance(reference, rotated).item() == pytest.approx(1)
    assert content_distance(reference, -reference).item() == pytest.approx(2)


def test_the_gradient_moves_features_towards_the_reference_and_does_not_reach_it() -> None:
    torch.manual_seed(0)
    reference, features = torch.randn(1, 9, 4, requires_grad=True), torch.randn(1, 9, 4, requires_grad=True)
    loss = content_distance(reference, features)
    loss.backward()
    assert reference.grad is None and features.grad is not None
    assert content_distance(reference, features.detach() - 0.1 * features.grad) < loss


def test_same_spectra_in_other_statistics_have_no_distance() -> None:
    """Values that are normalized by each domain's statistics are compared after denormalization."""
    loss, frames = build_loss(), 0.3 * torch.randn(3, 1, ORDER, 32)
    x, y = (frames - 0.1) / 0.3, (frames + 0.2) / 0.15
    assert loss(make_translation(y, x)).item() == pytest.approx(0, abs=1e-4)
    assert loss(make_translation(x, x)).item() > 0.01
    labels = (torch.tensor([[1.0, 0.0]] * 3), torch.tensor([[0.0, 1.0]] * 3))
    labelled = BatchTranslation(("x",), ("G",), x, lambda items: y[: len(items)], labels)
    assert loss(labelled).item() == pytest.approx(0, abs=1e-4)


def test_rows_of_conditions_and_items_beyond_the_limit_are_ignored() -> None:
    loss = build_loss()
    x, y = torch.randn(MAX_ITEMS + 2, 1, ORDER, 32), torch.randn(MAX_ITEMS + 2, 1, ORDER, 32)
    expected = loss(make_translation(y, x))
    more = [torch.cat((values, torch.randn(MAX_ITEMS + 2, 1, 3, 32)), 2) for values in (y, x)]
    assert torch.equal(loss(make_translation(*more)), expected)
    changed = torch.cat((y[:MAX_ITEMS], -y[MAX_ITEMS:]))
    assert torch.equal(loss(make_translation(changed, x)), expected)


def test_only_the_compared_items_are_translated() -> None:
    loss, x, counts = build_loss(), torch.randn(MAX_ITEMS + 2, 1, ORDER, 32), list[int]()

    def translate(items: Tensor) -> Tensor:
        counts.append(len(items))
        return items

    loss(BatchTranslation(("X", "Y"), ("G",), x, translate))
    assert counts == [MAX_ITEMS]


def test_energy_of_the_output_is_predicted_from_the_input() -> None:
    """A louder frame of the input is louder in the output too, so that equal content stays without distance."""
    weights = (0.5, *np.linspace(-1, 1, ORDER).tolist())
    loss, frames = build_loss(energy=weights), 0.3 * torch.randn(2, 1, ORDER, 32)
    assert loss(make_translation((frames + 0.2) / 0.15, (frames - 0.1) / 0.3)).item() == pytest.approx(0, abs=1e-4)


def test_copies_of_a_method_share_the_loss() -> None:
    loss = build_loss()
    assert copy.deepcopy(loss) is loss and not any(p.requires_grad for p in loss._encoder.parameters())


def test_a_linear_energy_is_found_and_predicted() -> None:
    draws, layout = np.random.default_rng(0), (("values", 3), ("energy", 1))
    make = partial(VoiceFeatures.from_groups, layout)
    recordings = []
    for _ in range(2):
        values = (draws.normal(size=(3, 500)) * np.array([[1], [0.5], [0.2]])).astype(np.float32)
        energy = -4 + 2 * values[:1] - values[1:2]
        mask = np.ones(500, bool)
        mask[:50], energy[:, :50] = False, 100
        recordings.append((make(values=values, energy=energy), mask))
    weights = fit_energy(recordings)
    assert weights == pytest.approx((-4, 2, -1, 0), abs=0.02)
    features, _ = recordings[0]
    predicted = predict_energy(torch.from_numpy(features.values[None].copy()), torch.tensor([weights]))
    assert np.abs(predicted[0].numpy() - features["energy"])[:, 50:].max() < 0.1
