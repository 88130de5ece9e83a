"""Choice of the feature network that evaluates a run, and the messages about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import TINY
from torch import Tensor, nn

from unpaired import evaluate, train
from unpaired.media.image.judges import (
    choose_validation_metric,
    describe_biased_validation,
    explain_missing,
    has_installed_networks,
    load_judges,
    load_validation_judges,
)
from unpaired.media.image.metrics import KID, KID_ALEXNET, LINEAR
from unpaired.metrics import features
from unpaired.metrics.base import RouteEvaluation
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.runs.summary import read_run_summary
from unpaired.training.train import resume

Install = Callable[[bool, bool], None]


class Pixels:
    """Feature network and perceptual distance for tests: 2 x 2 means."""

    name, dimensions, digest = "pixels", 12, "d1"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        pass

    def __call__(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        means = nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)
        return means if y is None else (x - y).abs().mean((1, 2, 3))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that simulates which extras are installed, with fast networks."""

    def simulate(first: bool, second: bool) -> None:
        monkeypatch.setattr(features, "is_available", lambda: first)
        monkeypatch.setattr(features, "has_judges", lambda: second)
        for name in ("EfficientNetFeatures", "AlexNetFeatures", "PerceptualMetric"):
            monkeypatch.setattr(features, name, Pixels)

    return simulate


@pytest.mark.parametrize(
    ("first", "second", "pretrained", "expected"),
    [
        (True, True, (), KID),
        (True, True, ("vgg16-hed",), KID),
        (True, True, ("efficientnet-lite0",), KID_ALEXNET),
        (True, True, ("timm:tf_efficientnet_lite0",), KID_ALEXNET),
        (True, True, ("efficientnet-lite0", "own:AlexNet-12"), KID),
        (True, False, ("efficientnet-lite0",), KID),
        (False, True, (), KID_ALEXNET),
        (False, False, (), KID),
    ],
)
def test_a_network_of_the_training_does_not_choose_the_best_checkpoint(
    first: bool, second: bool, pretrained: tuple[str, ...], expected: object, install: Install
) -> None:
    install(first, second)
    assert choose_validation_metric(pretrained) is expected


def test_users_are_told_when_the_judge_is_the_trainings_own_network(install: Install) -> None:
    install(True, False)
    biased = describe_biased_validation(KID, ("efficientnet-lite0",))
    assert "KID (EfficientNet-Lite0)" in biased and "pip install 'unpaired[judges]'" in biased
    install(True, True)
    other = describe_biased_validation(KID_ALEXNET, ("efficientnet-lite0",))
    assert other.startswith("KID (AlexNet)") and "EfficientNet-Lite0" in other
    assert describe_biased_validation(KID, ("vgg16-hed",)) == ""


def test_a_resumed_run_keeps_the_network_that_measured_it(
    discs: Path, tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(False, True)
    monkeypatch.setattr("unpaired.media.image.validation.MIN_ITEMS_FOR_BEST", 2)
    run, said = tmp_path / "run", list[str]()
    settings = TINY | {"steps": 1, "evaluate_every": 1, "holdout_fraction": 0.25}
    train(discs, out=run, log=said.append, **settings)
    assert History(RunFolder(run).history).read("evaluation")[-1]["metric"] == "kid_alexnet"
    install(True, True)
    resume(run, log=said.append, steps=2)
    assert [line["metric"] for line in History(RunFolder(run).history).read("evaluation")] == ["kid_alexnet"] * 2
    install(True, False)
    resume(run, log=said.append, steps=3)
    assert "unpaired[judges]" in "".join(said[-40:])
    assert has_installed_networks([]) and explain_missing(KID_ALEXNET) and not explain_missing(KID)


def test_an_evaluation_without_a_network_that_is_installed_now_is_not_current(install: Install) -> None:
    route = RouteEvaluation(route="a -> b", sources=1, targets=1, networks={"features": "Net"})
    install(True, False)
    assert has_installed_networks([route])
    install(True, True)
    assert not has_installed_networks([route])
    assert has_installed_networks([route.model_copy(update={"networks": {"second features": "Net"}})])


def test_evaluations_load_what_is_installed_and_name_what_is_missing(install: Install) -> None:
    device = torch.device("cpu")
    install(True, True)
    judges = load_judges(("efficientnet-lite0",), device, with_pairs=True)
    assert judges.first and judges.second and judges.perceptual
    assert len(judges.notes) == 1 and "KID (EfficientNet-Lite0)" in judges.notes[0]
    assert load_judges((), device, with_pairs=False).perceptual is None
    assert load_validation_judges(KID, device).second is None and load_validation_judges(KID_ALEXNET, device).second
    install(True, False)
    assert load_judges((), device, with_pairs=True).notes == (features.JUDGES_INSTALL_HINT,)
    install(False, False)
    assert load_judges((), device, with_pairs=True).first is None


def test_a_run_is_measured_by_both_networks_and_against_the_color_transfer(
    discs: Path, tmp_path: Path, install: Install
) -> None:
    install(True, True)
    said: list[str] = []
    run = tmp_path / "run"
    train(discs, out=run, log=said.append, **TINY | {"steps": 2, "evaluate_every": 1, "holdout_fraction": 0.25})
    line = History(RunFolder(run).history).read("evaluation")[-1]
    assert line["metric"] == "kid" and line["routes"][0]["baselines"][LINEAR].keys() == {"change"}
    (first, _) = json.loads(RunFolder(run).evaluation.read_text())["routes"]
    assert {"kid", "kid_alexnet", "change", "edge_similarity"} <= first["baselines"][LINEAR].keys()
    assert first["digests"] == {"features": "d1", "second features": "d1"}
    text = "\n".join(said)
    assert "KID x1000 (EfficientNet-Lite0)" in text and "KID x1000 (AlexNet)" in text and LINEAR in text
    assert "fitted on 6 training pictures per domain" in text
    assert "verdict: " in text


def test_the_color_transfer_is_fitted_on_the_measured_pictures_if_the_training_ones_are_gone(
    discs: Path, tmp_path: Path, install: Install
) -> None:
    install(True, False)
    run = tmp_path / "run"
    train(discs, out=run, log=lambda _: None, **TINY | {"steps": 1, "evaluate_every": 0})
    moved = discs.rename(tmp_path / "moved")
    route = evaluate(run, [moved / "red", moved / "blue"]).routes[0]
    assert any("measured pictures" in note for note in route.notes)
    assert any("unpaired[judges]" in note for note in route.notes)
    assert "kid" in route.baselines[LINEAR] and "kid_alexnet" not in route.values


def test_a_method_with_the_first_networks_features_is_validated_by_the_second(
    discs: Path, tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(True, True)
    monkeypatch.setattr("unpaired.media.image.validation.MIN_ITEMS_FOR_BEST", 2)
    monkeypatch.setattr(
        "unpaired.runs.method_builder.collect_digests", lambda method: {"efficientnet-lite0": "digest of the features"}
    )
    run, said = tmp_path / "run", list[str]()
    train(discs, out=run, log=said.append, **TINY | {"steps": 2, "evaluate_every": 1, "holdout_fraction": 0.25})
    assert any("KID (AlexNet) chooses the best checkpoint" in line for line in said)
    summary = read_run_summary(run)
    assert summary.validation_metric is KID_ALEXNET and summary.trend_points[0].value is not None
    assert summary.default_checkpoint == "best"
    assert any(
        "KID (EfficientNet-Lite0) uses features" in note for note in (summary.test or pytest.fail()).routes[0].notes
    )
