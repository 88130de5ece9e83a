"""The audit of runs: its files, its text, and that it does not change the run."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY

from unpaired import compare, train
from unpaired.cli.main import main
from unpaired.errors import UsageError
from unpaired.evaluation.audit import audit
from unpaired.evaluation.audit_results import Audit, RouteAudit, describe_verdict, read_audit, recommend
from unpaired.report.page import write_report


@pytest.fixture
def run(discs: Path, tmp_path: Path, without_features: None) -> Path:
    return train(discs, out=tmp_path / "run", steps=2, log=lambda _: None, **TINY)


def route(**more: Any) -> RouteAudit:
    values: dict[str, Any] = {
        "route": "a -> b",
        "items": 9,
        "has_reverse_route": True,
        "probe_steps": 5,
        "train_items": 9,
    }
    values |= {
        "r2": 0.9,
        "r2_perturbed": 0.4,
        "real_image_change": 0.0,
        "hidden": 0.5,
        "hidden_error": 0.01,
        "perturbations": (),
    }
    return RouteAudit.model_validate(values | more)


def build_audit(*routes: RouteAudit, **more: Any) -> Audit:
    values: dict[str, Any] = {
        "run": "r",
        "set": "s",
        "checkpoint": "last",
        "step": 3,
        "seed": 0,
        "perturbation": "noise",
    }
    return Audit.model_validate(values | {"routes": routes} | more)


def test_audit_is_stored_is_repeatable_and_does_not_change_the_weights(run: Path) -> None:
    weights = hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    state = torch.get_rng_state()
    calls: list[tuple[float, int]] = []
    result = audit(run, inverse_steps=2, limit=3, progress=lambda done, total: calls.append((done, total)))
    assert torch.equal(torch.get_rng_state(), state)
    assert hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest() == weights
    assert calls == [(i, 8) for i in range(1, 9)]
    assert list(result.hidden) == ["blue -> red", "red -> blue"]
    assert result.mean_hidden == sum(result.hidden.values()) / 2 and 0 <= result.mean_hidden <= 1
    assert read_audit(run / "audit.json") == result and (run / "audit.png").stat().st_size > 1000
    again = audit(run, inverse_steps=2, limit=3)
    assert again.hidden == result.hidden
    assert all(
        r.has_reverse_route and r.get_row("none").db == 100 and r.get_row("none").sensitivity == 0
        for r in result.routes
    )
    assert result.steganography_defences.keys() == result.settings.keys()


def test_audit_trains_an_inverse_for_a_method_without_reverse_route(
    discs: Path, tmp_path: Path, without_features: None, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(discs, method="gan", out=tmp_path / "gan", steps=2, log=lambda _: None, **TINY)
    assert main(["audit", str(run), "--inverse-steps", "2", "--limit", "2"]) == 0
    text = capsys.readouterr().out
    assert "hidden information" in text and "no reverse route, so the audit trained a small inverse" in text
    assert not json.loads((run / "audit.json").read_text())["routes"][0]["has_reverse_route"]
    assert "<h2>Hidden information</h2>" in (run / "report.html").read_text("utf-8")


def test_audit_selects_routes_and_raises_usage_error_for_wrong_options(run: Path) -> None:
    assert list(audit(run, to="red", inverse_steps=2, limit=2).hidden) == ["blue -> red"]
    with pytest.raises(UsageError, match="--to green: this run translates to blue and red"):
        audit(run, to="green")
    with pytest.raises(UsageError, match="--inverse-steps 1: expected 2 or more"):
        audit(run, inverse_steps=1)


@pytest.mark.usefixtures("without_features")
def test_other_numbers_of_channels_than_1_and_3_are_refused_before_probes_train(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for i in range(12):
            pixels = np.random.default_rng(i).integers(0, 255, (16, 16, 2), np.uint8)
            np.save(tmp_path / name / f"{i}.npy", pixels)
    data = (tmp_path / "one", tmp_path / "two")
    lines: list[str] = []
    settings = TINY | {"channels": 2, "steps": 1}
    result = compare(*data, methods=["cyclegan"], out=tmp_path / "out", audit=True, log=lines.append, **settings)
    assert [method.state for method in result.results] == ["done"]
    assert any("not audited" in line for line in lines)
    with pytest.raises(UsageError, match=r"1 or 3 channels.* 2; .*unpaired evaluate"):
        audit(tmp_path / "out" / "cyclegan")


def test_a_damaged_audit_is_not_in_the_report(run: Path) -> None:
    (run / "audit.json").write_text("{")
    assert read_audit(run / "audit.json") is None
    assert "Hidden information" not in write_report(run).read_text("utf-8")


def test_verdict_and_recommendation_follow_the_values() -> None:
    assert "much of the input" in describe_verdict(route())
    assert "some of the input" in describe_verdict(route(hidden=0.1))
    assert "none hidden" in describe_verdict(route(hidden=0.04)) and "not significant" in describe_verdict(
        route(hidden=0.3, hidden_error=0.2)
    )
    assert "nothing to hide" in describe_verdict(route(r2=0.01, hidden=0.0))
    assert recommend(build_audit(route(hidden=0.01))) == ""
    assert "no setting that reduces it" in recommend(build_audit(route()))
    text = recommend(build_audit(route(), steganography_defences={"cycle_noise": 0.1}, settings={"cycle_noise": 0.0}))
    assert "--cycle-noise 0.1" in text and "this run: cycle_noise 0" in text
    assert build_audit(route(), route(route="b -> a", hidden=0.1)).mean_hidden == pytest.approx(0.3)
