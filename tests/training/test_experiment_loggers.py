"""Adapters of experiment trackers: with doubles of the packages, and with the packages where they are installed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import TINY

from unpaired import resume, train
from unpaired.cli.main import main
from unpaired.errors import WorkError

SETTINGS: dict[str, Any] = {**TINY, "evaluate_every": 0, "sample_every": 2, "log": lambda _: None}


class Record:
    """Double of a tracker's package that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.run = self

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((name, arguments, options))
            return {"init": self, "MlflowClient": self, "create_experiment": "0"}.get(
                name, SimpleNamespace(info=SimpleNamespace(run_id="id"), experiment_id="0")
            )

        return call

    def get(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [(arguments, options) for called, arguments, options in self.calls if called == name]


def start(discs: Path, out: Path, logger: str, **settings: Any) -> Path:
    return train(discs, method="cyclegan", out=out, logger=logger, **{**SETTINGS, "steps": 3, **settings})


def raise_refused(*_: Any, **__: Any) -> None:
    raise RuntimeError("refused by the server\nsecond line")


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_losses_and_samples_reach_the_tracker(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_features: None, name: str
) -> None:
    record = Record()
    monkeypatch.setitem(sys.modules, name, record)
    monkeypatch.setenv("UNPAIRED_PROJECT", "discs")
    run = start(discs, tmp_path / "run", name)
    ((_, options),) = record.get("init")
    assert options["project"] == "discs"
    assert options["config"]["training.batch_size"] == 2
    assert str(tmp_path) not in json.dumps(options["config"])
    logged = [arguments[0] for arguments, _ in record.get("log")]
    values = {key for line in logged for key in line}
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    losses = next(line for line in history if line["kind"] == "losses")
    assert {f"losses/{loss}" for loss in losses["losses"]} <= values
    assert any(key.startswith("samples/") for key in values)
    assert len(record.get("finish")) == 1

    resume(run, steps=4, log=lambda _: None)
    (_, first), (_, second) = record.get("init")
    assert (first.get("id"), first["name"]) == (second.get("id"), second["name"]), "the record is continued"
    assert second["resume"] == "allow"


def test_mlflow_continues_its_record(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_features: None
) -> None:
    record = Record()
    monkeypatch.setitem(sys.modules, "mlflow", record)
    run = start(discs, tmp_path / "run", "mlflow")
    resume(run, steps=4, log=lambda _: None)
    assert len(record.get("create_run")) == 1
    assert len(record.get("set_terminated")) == 2
    assert {arguments[0] for arguments, _ in record.get("log_metric")} == {"id"}
    assert {options["step"] for _, options in record.get("log_metric")} >= {1, 4}
    assert record.get("log_artifact")


def test_missing_package_is_named_before_training(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert main(["train", str(discs), "--logger", "wandb", "--steps", "1", "--out", str(tmp_path / "run")]) == 2
    assert "unpaired[wandb]" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_tracker_that_fails_later_does_not_end_training(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_features: None
) -> None:
    record = Record()
    record.log = raise_refused  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", record)
    lines: list[str] = []
    run = start(discs, tmp_path / "run", "wandb", log=lines.append)
    assert (run / "model.safetensors").is_file()
    (line,) = [line for line in lines if "--logger wandb" in line]
    assert "refused by the server" in line and "second line" not in line


def test_tracker_that_fails_at_the_start_is_an_error(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_features: None
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=raise_refused))
    with pytest.raises(WorkError, match=r"--logger mlflow.*refused by the server.*MLFLOW_TRACKING_URI"):
        start(discs, tmp_path / "run", "mlflow")


def test_unknown_tracker_is_refused(discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(discs), "--logger", "paper", "--out", str(tmp_path / "run")]) == 2
    assert "paper" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_wandb_offline(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_features: None) -> None:
    pytest.importorskip("wandb")
    for name, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    run = start(discs, tmp_path / "run", "wandb")
    assert list((run / "log" / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.filterwarnings("ignore")
def test_mlflow_in_a_local_database(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_features: None
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'records'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    run = start(discs, tmp_path / "run", "mlflow")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("unpaired")
    (stored,) = client.search_runs([experiment.experiment_id])
    assert stored.info.run_id == (run / "log" / "experiment-id.txt").read_text().strip()
    assert stored.data.params["method"] == "cyclegan"
    assert any(name.startswith("losses/") for name in stored.data.metrics)


@pytest.mark.filterwarnings("ignore")
def test_trackio_on_this_computer(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_features: None
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "records"))
    pytest.importorskip("trackio")
    start(discs, tmp_path / "run", "trackio")
    assert list((tmp_path / "records").rglob("*.db"))
