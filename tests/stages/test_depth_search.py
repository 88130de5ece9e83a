from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY

from unpaired import train
from unpaired.cli.main import main
from unpaired.config.resolve import SettingsRequest
from unpaired.config.run_config import read_config
from unpaired.errors import UsageError, WorkError
from unpaired.media.image.metrics import KID
from unpaired.media.image.validation import ImageValidator
from unpaired.metrics.base import RouteEvaluation
from unpaired.runs.history import History
from unpaired.runs.progress import list_checkpoints
from unpaired.stages.depth_plan import (
    PLAN_FILE,
    DepthSearchPlan,
    DepthTrial,
    choose_depth,
    compute_max_depth,
    list_trial_depths,
)
from unpaired.stages.depth_search import read_requested_depth, read_trial, resume_depth_search, search_depth
from unpaired.training.loop import TrainingLoop
from unpaired.training.trainer import TrainingInterrupt

SETTINGS: dict[str, Any] = {**TINY, "method": "gan", "sample_every": 0, "checkpoint_every": 2}


def quiet(_: str) -> None:
    pass


def trials(*kids: float, error: float = 5.0, floor: float = 0.0) -> list[DepthTrial]:
    return [DepthTrial(2 * i + 2, KID, kid, error, floor) for i, kid in enumerate(kids)]


def test_a_depth_below_the_threshold_suffices() -> None:
    assert choose_depth(trials(300), 200, False) is None
    chosen = choose_depth(trials(300, 199), 200, False)
    assert chosen is not None and chosen.depth == 4
    nearest = choose_depth(trials(300, 250, 280), 200, True)
    assert nearest is not None and nearest.depth == 4


def test_without_a_threshold_depth_increases_while_kid_improves() -> None:
    assert choose_depth(trials(300), None, False) is None
    assert choose_depth(trials(300, 285), None, False) is None  # 15 is above 2 x sqrt(5^2 + 5^2) = 14.1
    chosen = choose_depth(trials(300, 287), None, False)
    assert chosen is not None and chosen.depth == 2
    chosen = choose_depth(trials(300, 200, 210), None, False)
    assert chosen is not None and chosen.depth == 4
    chosen = choose_depth(trials(300, 200, 100), None, True)
    assert chosen is not None and chosen.depth == 6
    chosen = choose_depth(trials(11, floor=2), None, False)  # not significantly different from real pictures: 2 + 2 x 5
    assert chosen is not None and chosen.depth == 2


def test_trial_depths_fit_the_size_and_stay_below_the_deep_depth() -> None:
    assert [compute_max_depth(size) for size in (16, 24, 64, 256)] == [8, 6, 12, 16]
    assert list_trial_depths(16, 8) == [2, 4, 6]
    assert list_trial_depths(256, 16) == [2, 4, 6, 8]
    assert list_trial_depths(64, 5) == [2, 4]
    assert list_trial_depths(64, None) == [2, 4, 6, 8]
    with pytest.raises(UsageError, match="--depth 2: expected more than 2"):
        list_trial_depths(64, 2)


def test_stages_divide_the_total_budget() -> None:
    known = {"data": (), "method": "m", "preset": None, "config": None, "pairs": False, "threshold": None}
    plan = DepthSearchPlan.model_validate({**known, "steps": 100, "minutes": None, "settings": {}})
    assert plan.get_stage_budget() == {"steps": 12} and plan.get_stage_budget(3) == {"steps": 64}
    plan = DepthSearchPlan.model_validate({**known, "steps": None, "minutes": 16.0, "settings": {}})
    assert plan.get_stage_budget() == {"minutes": 2.0} and plan.get_stage_budget(4) == {"minutes": 8.0}


def build_route(route: str, kid: float | None, error: float, reference: float | None = None) -> RouteEvaluation:
    return RouteEvaluation(
        route=route,
        sources=12,
        targets=12,
        values={} if kid is None else {"kid": kid},
        errors={"kid": error},
        baselines={} if reference is None else {"real to real": {"kid": reference}},
    )


@pytest.fixture
def kids(monkeypatch: pytest.MonkeyPatch, without_features: None) -> dict[int, float]:
    """Replace the evaluation of each depth by a fixed KID."""
    known = {2: 300.0, 4: 100.0, 6: 98.0}

    def evaluate(self: ImageValidator, step: int, spent_s: float, best_value: float | None) -> float:
        kid = known.get(self.config.method_settings.model_dump()["depth"], 50.0)
        route = build_route("blue -> red", kid, 5.0, reference=1.0)
        self.training_log.log_evaluation(step, spent_s, [route], KID, kid, best_value)
        return kid

    monkeypatch.setattr(ImageValidator, "evaluate", evaluate)
    monkeypatch.setattr(ImageValidator, "finish", lambda self, step: None)
    return known


def test_stages_are_runs_and_the_chosen_one_is_the_teacher(discs: Path, tmp_path: Path, kids: dict[int, float]) -> None:
    messages: list[str] = []
    deep = search_depth(discs, out=tmp_path / "out", log=messages.append, steps=16, distillation_weight=3, **SETTINGS)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "deep",
        "depth-02",
        "depth-04",
        "depth-06",
        "stages.json",
    ]
    config = read_config(deep / "config.yaml")
    assert config.teacher is not None
    assert Path(config.teacher.file) == tmp_path / "out" / "depth-04" / "model.safetensors"
    assert config.method_settings.model_dump().items() >= {"depth": 8, "distillation_weight": 3}.items()
    steps = {p.parent.name: read_config(p).training.steps for p in (tmp_path / "out").glob("*/config.yaml")}
    assert steps == {"depth-02": 2, "depth-04": 2, "depth-06": 2, "deep": 10}
    assert "depth 4 becomes the teacher" in messages


@pytest.mark.parametrize("stop", [2, 5, 11])
def test_an_interrupted_search_is_resumed(stop: int, discs: Path, tmp_path: Path, kids: dict[int, float]) -> None:
    out = tmp_path / "out"
    original, made = TrainingLoop.step, 0

    def step(self: TrainingLoop, *args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made += 1
        if made == stop:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "step", step)
        with pytest.raises(
            TrainingInterrupt, match=rf"saved at step \d+; continue with: unpaired train --resume {out}$"
        ):
            search_depth(discs, out=out, log=quiet, steps=24, depth=None, **SETTINGS)
        assert not (out / "deep").exists() or stop == 11
        deep = resume_depth_search(out, log=quiet)
        assert made == 24
    assert read_config(deep / "config.yaml").method_settings.model_dump()["depth"] is None
    assert list_checkpoints(deep / "checkpoints")[-1].name == "step-000000015"
    before = (deep / "model.safetensors").stat().st_mtime_ns
    assert main(["train", "--resume", str(out)]) == 0
    assert (deep / "model.safetensors").stat().st_mtime_ns == before


def test_a_stage_without_a_checkpoint_is_restarted(
    discs: Path, tmp_path: Path, kids: dict[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, original = tmp_path / "out", TrainingLoop.step

    def killed(self: TrainingLoop, *args: Any, **kwargs: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingLoop, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        search_depth(discs, out=out, log=quiet, steps=16, threshold=1000.0, **SETTINGS)
    assert (out / "depth-02" / "config.yaml").is_file() and not list_checkpoints(out / "depth-02" / "checkpoints")
    monkeypatch.setattr(TrainingLoop, "step", original)
    assert list_checkpoints(resume_depth_search(out, log=quiet) / "checkpoints")[-1].name == "step-000000014"


def test_a_trial_is_measured_at_its_last_validation(discs: Path, tmp_path: Path, without_features: None) -> None:
    run = train(discs, out=tmp_path / "run", steps=1, log=quiet, **SETTINGS)
    history = History(run / "history.jsonl")

    def add(step: int, kid: float | None, best: bool) -> None:
        routes = [build_route("a -> b", kid, 3.0).model_dump(mode="json")]
        history.add("evaluation", step, spent_s=1, routes=routes, metric="kid", value=kid, best=best)

    add(2, 90.0, True)
    add(3, 40.0, True)
    add(4, 60.0, False)
    assert read_trial(run, 4) == DepthTrial(4, KID, 60.0, 3.0, 0.0)
    add(5, None, True)
    with pytest.raises(WorkError, match="was not measured"):
        read_trial(run, 4)


def test_raises_usage_error_for_unsupported_arguments(discs: Path, tmp_path: Path, without_features: None) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="cyclegan has no depth setting; expected a method that has one: gan"):
        search_depth(discs, out=out, log=quiet, steps=16, **{**SETTINGS, "method": "cyclegan"})
    with pytest.raises(UsageError, match="give the total budget"):
        search_depth(discs, out=out, log=quiet, **{**SETTINGS, "preset": "paper", "discriminator_layers": 1})
    with pytest.raises(UsageError, match="on one device"):
        search_depth(discs, out=out, log=quiet, steps=16, devices=2, **SETTINGS)
    with pytest.raises(UsageError, match="does not exist"):
        search_depth(tmp_path / "nowhere", out=out, log=quiet, steps=16, **SETTINGS)
    assert not out.exists()
    with pytest.raises(WorkError, match="was not measured"):
        search_depth(discs, out=out, log=quiet, steps=16, **SETTINGS)
    with pytest.raises(UsageError, match="choose another --out, or continue it with --resume"):
        search_depth(discs, out=out, log=quiet, steps=16, **SETTINGS)


@pytest.mark.parametrize(
    "words",
    [
        ["--auto-depth", "--dry-run"],
        ["--auto-depth", "--teacher", "x"],
        ["--threshold", "3"],
    ],
)
def test_usage_error_for_flags_that_exclude_each_other(
    words: list[str], discs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(discs), "--method", "gan", "--steps", "8", *words]) == 2
    assert "--auto-depth" in capsys.readouterr().err


def test_resume_rejects_other_flags_and_a_damaged_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / PLAN_FILE).write_text(json.dumps({"format": 1}))
    assert main(["train", "--resume", str(tmp_path), "--steps", "9"]) == 2
    assert "give --resume alone" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path)]) == 1
    assert "cannot be read as the plan of a depth search" in capsys.readouterr().err


def test_the_depth_in_a_settings_file_is_validated_first(discs: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("method_settings: {depth: 6, lr: 0.001}\n", encoding="utf-8")
    assert read_requested_depth(SettingsRequest.read("gan", file=settings)) == {"depth": 6}
    settings.write_text("method_settings: {depth: 2}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="--depth 2: expected more than 2"):
        search_depth(discs, out=tmp_path / "out", log=quiet, steps=24, config=settings, **SETTINGS)
    assert not (tmp_path / "out").exists()
