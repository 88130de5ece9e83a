"""Routes that are known beforehand: doing nothing, the truth, noise, and translators that draw, train or fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from unpaired.errors import DivergenceError
from unpaired.media.image.measurement import RouteEvaluator, RouteMeasures, Translate, mean_kid
from unpaired.media.image.text_table import format_definitions, format_table
from unpaired.metrics.features import EfficientNetFeatures


class Pooled(EfficientNetFeatures):
    """In place of the network: 4 x 4 means, and a count of the pictures seen."""

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


def brighter(x: Tensor) -> Tensor:
    return x + 1


def darker(x: Tensor) -> Tensor:
    return x - 1


def unchanged(x: Tensor) -> Tensor:
    return x


def measure_route(translate: Translate, back: Translate | None, *items: Any, **how: Any) -> RouteMeasures:
    return RouteEvaluator(*items, **how).measure(translate, back)


def test_the_truth_measures_as_the_truth() -> None:
    m = measure_route(brighter, darker, SOURCES, TARGETS, PAIRS, Pooled(), route="dark -> bright", with_fid=True)
    assert (m.route, m.features, m.sources, m.targets, m.pairs) == ("dark -> bright", "pooled pixels", 15, 15, 12)
    assert (m.l1, m.psnr, m.ssim) == pytest.approx((0, 100, 1))
    assert (m.l1_baseline, m.psnr_baseline) == pytest.approx((0.5, 6.0206), abs=1e-4)
    assert m.cycle == pytest.approx(0, abs=1e-6)
    assert m.change == pytest.approx(0.5, abs=1e-6)
    assert (m.edge_similarity, m.feature_similarity) == pytest.approx((1, 1), abs=1e-4)
    assert m.kid is not None and m.kid_baseline is not None and m.kid_real is not None and m.kid_error is not None
    assert abs(m.kid) < 3 * m.kid_error + m.kid_real < 0.1 * m.kid_baseline
    assert m.fid is not None and m.fid_baseline is not None and m.fid_real is not None
    assert m.fid < 0.2 * m.fid_baseline
    assert m.fid_warning is not None


def test_doing_nothing_measures_as_its_baselines() -> None:
    m = measure_route(unchanged, unchanged, SOURCES, TARGETS, PAIRS, Pooled(), with_fid=True)
    for name in ("kid", "fid", "l1", "psnr", "ssim"):
        assert getattr(m, name) == pytest.approx(getattr(m, f"{name}_baseline"), rel=1e-6), name
    assert (m.cycle, m.change) == (0, 0)
    assert (m.feature_similarity, m.edge_similarity) == pytest.approx((1, 1))


def test_content_of_other_items_is_not_kept() -> None:
    m = measure_route(lambda x: x.flip(0).flip(-1), None, SOURCES, TARGETS, None, Pooled())
    assert m.feature_similarity is not None and abs(m.feature_similarity) < 0.5
    assert m.edge_similarity is not None and abs(m.edge_similarity) < 0.3


def test_what_cannot_be_measured_is_none() -> None:
    m = measure_route(brighter, None, SOURCES, TARGETS)
    missing = (
        "features",
        "kid",
        "kid_baseline",
        "kid_real",
        "fid",
        "feature_similarity",
        "l1",
        "psnr",
        "ssim",
        "cycle",
    )
    assert all(getattr(m, name) is None for name in missing)
    assert m.change is not None and m.edge_similarity is not None
    one = measure_route(brighter, None, [SOURCES[0][:1]], [TARGETS[0][:1]], None, Pooled())
    assert one.kid is None and one.feature_similarity is None
    none = measure_route(brighter, None, [], [], None, Pooled())
    assert none.sources == 0 and none.change is None and none.kid is None


def test_references_are_computed_once() -> None:
    features = Pooled()
    evaluator = RouteEvaluator(SOURCES, TARGETS, features=features)
    assert features.seen == 30
    evaluator.measure(brighter)
    assert features.seen == 45
    with pytest.raises(TypeError, match="generator"):
        RouteEvaluator((x for x in SOURCES), TARGETS)


def test_gray_becomes_coloured() -> None:
    m = measure_route(lambda x: x.repeat(1, 3, 1, 1), lambda y: y[:, :1], batches(0, 0, 1), TARGETS, None, Pooled())
    assert (m.change, m.cycle) == (0, 0)


def test_networks_gradients_and_random_numbers_are_left_alone() -> None:
    net = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Dropout(0.5)).train()
    net[1].eval()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    before = torch.get_rng_state()
    evaluator = RouteEvaluator(SOURCES, TARGETS, PAIRS, Pooled())
    first, second = evaluator.measure(net, net), evaluator.measure(net, net)
    assert torch.equal(before, torch.get_rng_state())
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in state.items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert first.model_copy(update={"seconds": 0}) == second.model_copy(update={"seconds": 0})


def test_a_translation_that_is_not_finite_is_divergence() -> None:
    with pytest.raises(DivergenceError, match="not finite"):
        measure_route(lambda x: x / 0, None, SOURCES, TARGETS)


def test_measures_go_through_json() -> None:
    m = measure_route(brighter, darker, SOURCES, TARGETS, PAIRS, Pooled())
    assert RouteMeasures.model_validate(json.loads(m.model_dump_json())) == m


def test_mean_kid_needs_every_route() -> None:
    a, b, c = (RouteMeasures(route="r", sources=2, targets=2, kid=k) for k in (10.0, 30.0, None))
    assert mean_kid([a, b]) == 20
    assert mean_kid([a, c]) is None
    assert mean_kid([]) is None


def test_table_sets_baselines_beside_and_names_the_features() -> None:
    m = RouteMeasures(
        route="a -> b",
        features="net",
        sources=5,
        targets=6,
        kid=30.25,
        kid_error=2,
        kid_baseline=44,
        kid_real=0.5,
        l1=0.05,
    )
    lines = format_table([m, m.model_copy(update={"route": "b -> a"})]).splitlines()
    assert lines[0] == "a -> b (5 items against 6 real ones; features: net)"
    assert lines[2].split() == ["KID", "x1000", "30.2", "+-", "2.0", "44.0", "0.5", "lower"]
    assert lines[3].split() == ["L1", "to", "the", "truth", "0.050", "-", "-", "lower"]
    assert "b -> a (5 items" in "\n".join(lines)
    assert len({len(line) for line in lines[1:4]}) == 1
    assert "of net; not comparable" in format_definitions([m])
    bare = RouteMeasures(route="a -> b", sources=5, targets=6, change=0.1)
    assert "not installed" in format_definitions([bare]) and "KID x1000" not in format_table([bare])
