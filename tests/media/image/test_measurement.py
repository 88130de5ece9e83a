"""Measurement of routes with known results: identity, true translations, random and failing translators."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unpaired.errors import DivergenceError
from unpaired.media.image.measurement import RouteEvaluator, Translate
from unpaired.media.image.metrics import IMAGE_METRICS, LINEAR, REAL
from unpaired.metrics.base import DOING_NOTHING, RouteEvaluation
from unpaired.metrics.color_transfer import fit_color_transfer, measure_colors
from unpaired.metrics.features import EfficientNetFeatures
from unpaired.metrics.memorization import NEAREST_RATIO


class PooledPixels(EfficientNetFeatures):
    """Feature extractor for tests: 4 x 4 means, and the number of processed pictures."""

    name = "pooled pixels"
    dimensions = 16

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        self.seen += len(pictures)
        return nn.functional.adaptive_avg_pool2d(pictures.mean(1, keepdim=True), 4).flatten(1)


def batches(shift: float, seed: int, channels: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [(torch.rand(n, channels, 12, 12, generator=generator) - 0.5) * 0.5 + shift for n in (6, 6, 3)]


SOURCES, TARGETS = batches(-0.5, 0), batches(0.5, 1)
PAIRS = [(x, x + 1) for x in SOURCES[:2]]


def brighten(x: Tensor) -> Tensor:
    return x + 1


def darken(x: Tensor) -> Tensor:
    return x - 1


def identity(x: Tensor) -> Tensor:
    return x


def measure_route(translate: Translate, back: Translate | None, *items: Any, **options: Any) -> RouteEvaluation:
    return RouteEvaluator(*items, **options).measure(translate, back)


def test_true_translations_have_ideal_metrics() -> None:
    m = measure_route(
        brighten, darken, SOURCES, TARGETS, PAIRS, PooledPixels(), route="dark -> bright", with_fid=True, available=20
    )
    assert (m.route, m.sources, m.targets, m.pairs, m.available) == ("dark -> bright", 15, 15, 12, 20)
    assert m.networks == {"features": "pooled pixels"}
    values, nothing, real = m.values, m.baselines[DOING_NOTHING], m.baselines[REAL]
    assert (values["l1"], values["psnr"], values["ssim"]) == pytest.approx((0, 100, 1))
    assert (nothing["l1"], nothing["psnr"]) == pytest.approx((0.5, 6.0206), abs=1e-4)
    assert values["cycle"] == pytest.approx(0, abs=1e-6)
    assert values["change"] == pytest.approx(0.5, abs=1e-6)
    assert (values["edge_similarity"], values["feature_similarity"]) == pytest.approx((1, 1), abs=1e-4)
    assert abs(values["kid"]) < 3 * m.errors["kid"] + real["kid"] < 0.1 * nothing["kid"]
    assert values["fid"] < 0.2 * nothing["fid"] and "fid" in real
    assert any("FID of 15 items" in note for note in m.notes)


class SquareDistance:
    """Perceptual distance for tests: the mean square."""

    name, digest = "squares", "abc"

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        return (x - y).square().mean((1, 2, 3))


EVERYTHING: dict[str, Any] = {
    "second_features": PooledPixels(),
    "perceptual": SquareDistance(),
    "transfer": brighten,
    "with_fid": True,
}


def test_every_measured_metric_is_declared() -> None:
    m = measure_route(brighten, darken, SOURCES, TARGETS, PAIRS, PooledPixels(), **EVERYTHING)
    assert m.values.keys() == {metric.name for metric in IMAGE_METRICS if metric is not NEAREST_RATIO}


def test_identity_has_the_metrics_of_its_baselines() -> None:
    m = measure_route(identity, identity, SOURCES, TARGETS, PAIRS, PooledPixels(), **EVERYTHING)
    for metric in IMAGE_METRICS:
        if metric is NEAREST_RATIO:  # measured apart, in `nearest_images`
            continue
        assert m.values[metric.name] == pytest.approx(m.baseline(DOING_NOTHING, metric), rel=1e-6), metric.name


def test_the_color_transfer_has_every_metric_of_a_translation_but_the_cycle() -> None:
    m = measure_route(brighten, darken, SOURCES, TARGETS, PAIRS, PooledPixels(), **EVERYTHING)
    assert m.baselines[LINEAR] == pytest.approx({name: v for name, v in m.values.items() if name != "cycle"})
    assert m.baselines.keys() == {DOING_NOTHING, LINEAR, REAL}
    assert m.baselines[DOING_NOTHING].keys() <= m.baselines[LINEAR].keys()
    assert m.networks["second features"] == "pooled pixels" and m.digests == {"ST-LPIPS": "abc"}
    assert m.values["kid_alexnet"] == m.values["kid"] and m.errors["kid_alexnet"] == m.errors["kid"]
    assert m.values["st_lpips"] == pytest.approx(0) and m.baselines[DOING_NOTHING]["st_lpips"] == pytest.approx(1)


def test_the_color_transfer_can_be_brief_or_known() -> None:
    features = PooledPixels()
    evaluator = RouteEvaluator(SOURCES, TARGETS, features=features, transfer=brighten, is_brief=True)
    assert features.seen == 30
    assert evaluator.measure(identity).baselines[LINEAR] == pytest.approx({"change": 0.5})
    known = {"kid": 3.0}
    m = measure_route(identity, None, SOURCES, TARGETS, transfer=brighten, known_linear=known)
    assert m.baselines[LINEAR] == known


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_other_numbers_of_channels_have_the_baseline(channels: int) -> None:
    sources, targets = batches(-0.5, 0, channels), batches(0.5, 1, channels)
    transfer = fit_color_transfer(measure_colors(sources), measure_colors(targets))
    m = measure_route(identity, None, sources, targets, [(x, x + 1) for x in sources], transfer=transfer)
    assert m.baselines[LINEAR]["l1"] < 0.1 * m.baselines[DOING_NOTHING]["l1"]


def test_translations_of_other_items_have_low_similarity() -> None:
    m = measure_route(lambda x: x.flip(0).flip(-1), None, SOURCES, TARGETS, None, PooledPixels())
    assert abs(m.values["feature_similarity"]) < 0.5
    assert abs(m.values["edge_similarity"]) < 0.3


def test_metrics_that_cannot_be_measured_are_missing() -> None:
    m = measure_route(brighten, None, SOURCES, TARGETS)
    assert m.values.keys() == {"change", "edge_similarity"}
    assert not m.baselines and not m.errors and not m.networks and "unpaired[features]" in m.notes[0]
    one = measure_route(brighten, None, [SOURCES[0][:1]], [TARGETS[0][:1]], None, PooledPixels())
    assert not one.values.keys() & {"kid", "feature_similarity"}
    two = measure_route(brighten, None, [SOURCES[0][:2]], [TARGETS[0][:2]], None, PooledPixels())
    assert "kid" in two.values and "kid" not in two.errors
    none = measure_route(brighten, None, [], [], None, PooledPixels())
    assert none.sources == 0 and not none.values


def test_features_of_real_images_are_computed_once() -> None:
    features = PooledPixels()
    evaluator = RouteEvaluator(SOURCES, TARGETS, features=features)
    assert features.seen == 30
    evaluator.measure(brighten)
    assert features.seen == 45
    with pytest.raises(TypeError, match="generator"):
        RouteEvaluator((x for x in SOURCES), TARGETS)


def test_gray_sources_and_color_translations_are_compared() -> None:
    m = measure_route(
        lambda x: x.repeat(1, 3, 1, 1), lambda y: y[:, :1], batches(0, 0, 1), TARGETS, None, PooledPixels()
    )
    assert (m.values["change"], m.values["cycle"]) == (0, 0)


def test_measure_does_not_change_networks_gradients_and_random_state() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Dropout(0.5)).train()
    net[1].eval()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    before = torch.get_rng_state()
    evaluator = RouteEvaluator(SOURCES, TARGETS, PAIRS, PooledPixels())
    first, second = evaluator.measure(net, net), evaluator.measure(net, net)
    assert torch.equal(before, torch.get_rng_state())
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in state.items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert first.model_copy(update={"seconds": 0}) == second.model_copy(update={"seconds": 0})


def test_a_translation_that_is_not_finite_raises_divergence_error() -> None:
    with pytest.raises(DivergenceError, match="not finite"):
        measure_route(lambda x: x / 0, None, SOURCES, TARGETS)


def test_route_evaluation_survives_json() -> None:
    m = measure_route(brighten, darken, SOURCES, TARGETS, PAIRS, PooledPixels())
    assert RouteEvaluation.model_validate(json.loads(m.model_dump_json())) == m
