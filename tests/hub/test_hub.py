from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import TINY
from hub_server import HubServer, run_hub
from tiny_runs import config, make_run

from unpaired import train
from unpaired.cli.main import main
from unpaired.config.run_config import RunConfig
from unpaired.errors import UsageError, WorkError
from unpaired.evaluation.audit import audit
from unpaired.hub.download import locate_run
from unpaired.hub.upload import push_run, stage_run
from unpaired.report.page import write_report
from unpaired.translate import Translator

TEMPLATE = "{repo_id}/resolve/{revision}/{filename}"
pytestmark = pytest.mark.filterwarnings("ignore")


def make_finished_run(folder: Path, seed: int = 0) -> Path:
    return make_run(folder, RunConfig.model_validate(config().model_dump() | {"training": {"steps": 10}}), seed)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_finished_run(tmp_path / "photos-paintings")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    constants = pytest.importorskip("huggingface_hub.constants")
    with run_hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{hub.address}/{TEMPLATE}")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        yield hub


def test_staged_files_have_no_paths_of_this_machine(run: Path, tmp_path: Path) -> None:
    staged = tmp_path / "staged"
    staged.mkdir()
    stage_run(run, staged, "me/photos", "cc-by-4.0")
    assert sorted(path.name for path in staged.iterdir()) == ["README.md", "config.yaml", "model.safetensors"]
    assert (
        "data/photos" in (run / "config.yaml").read_text() and "data/photos" not in (staged / "config.yaml").read_text()
    )
    card = (staged / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "cc-by-4.0" and front["pipeline_tag"] == "image-to-image"
    assert "hf:me/photos" in card and "## Limits" in card
    assert Translator.load(staged).routes == Translator.load(run).routes


def test_push_translate_pin_and_work_offline(
    run: Path, tmp_path: Path, server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_run(run, "me/photos", "mit")
    first = server.commits["me/photos"][-1][0]
    array = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    expected = Translator.load(run, device="cpu")(array, to="paintings")
    assert np.array_equal(Translator.load("hf:me/photos", device="cpu")(array, to="paintings"), expected)
    push_run(make_finished_run(tmp_path / "other", seed=1), "me/photos", "mit")
    newer = Translator.load("hf:me/photos", device="cpu")(array, to="paintings")
    assert not np.array_equal(newer, expected)
    pinned = Translator.load(f"hf:me/photos@{first}", device="cpu")(array, to="paintings")
    assert np.array_equal(pinned, expected)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert np.array_equal(Translator.load("hf:me/photos", device="cpu")(array, to="paintings"), newer)
    with pytest.raises(WorkError, match="hf:me/unknown"):
        Translator.load("hf:me/unknown")


def test_wrong_names_and_damaged_downloads(run: Path, server: HubServer) -> None:
    push_run(run, "me/photos", "mit")
    for name in ("hf:me/none", "hf:me/photos@none", "hf:not a name", "hf:a/b/c"):
        with pytest.raises(UsageError, match="hf:"):
            Translator.load(name)
    server.damaged = True
    with pytest.raises(WorkError, match=r"safetensors|config"):
        Translator.load("hf:me/photos")


def test_a_hub_that_cannot_be_reached_is_named(
    run: Path, server: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "http://127.0.0.1:9"  # the port of `discard`, which nobody serves
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", f"{address}/{TEMPLATE}")
    assert main(["push", str(run), "me/photos", "--license", "mit"]) == 1
    assert "me/photos" in capsys.readouterr().err
    with pytest.raises(WorkError, match="hf:me/photos"):
        Translator.load("hf:me/photos")


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"unpaired\[hub\]"):
        Translator.load("hf:me/photos")


def test_only_weights_and_configuration_are_downloaded(run: Path, tmp_path: Path, server: HubServer) -> None:
    push_run(run, "me/photos", "mit")
    commit, files = server.commits["me/photos"][-1]
    server.commits["me/photos"][-1] = commit, files | {"evil.py": b"raise SystemExit", "model.pt": b"PK"}
    Translator.load("hf:me/photos")
    names = {path.name for path in (tmp_path / "cache").rglob("*")}
    assert "config.yaml" in names and not names & {"evil.py", "model.pt", "README.md"}


@pytest.fixture
def shared(discs: Path, tmp_path: Path, server: HubServer, without_features: None) -> str:
    run = train(discs, out=tmp_path / "red-blue", steps=1, log=lambda _: None, **TINY)
    push_run(run, "me/discs", "mit")
    return "hf:me/discs"


def test_evaluate_audit_and_report(
    shared: str, discs: Path, server: HubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("evaluate", "audit"):
        assert main([command, shared]) == 2
        assert f"unpaired {command} hf:me/discs blue/ red/" in capsys.readouterr().err
    assert main(["evaluate", shared, str(discs), "--device", "cpu"]) == 0
    assert "red -> blue" in capsys.readouterr().out
    assert main(["audit", shared, str(discs), "--inverse-steps", "2", "--device", "cpu"]) == 0
    folder = locate_run(shared)
    assert f"report: {folder / 'report.html'}" in capsys.readouterr().err
    assert folder.name == server.commits["me/discs"][-1][0] and (folder / "audit.json").is_file()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    page = write_report(shared).read_text("utf-8")
    assert "red -&gt; blue" in page or "red → blue" in page
    assert "--resume" not in page and "0 %" not in page


def test_audit_divides_given_folders_as_training_did(shared: str, discs: Path, tmp_path: Path) -> None:
    ours = audit(tmp_path / "red-blue", inverse_steps=2, device="cpu")
    theirs = audit(shared, [discs], inverse_steps=2, device="cpu")
    assert [r.model_dump(exclude={"seconds"}) for r in ours.routes] == [
        r.model_dump(exclude={"seconds"}) for r in theirs.routes
    ]


def test_export_is_named_after_the_repository(shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", f"{shared}@main", "--to", "red", "--format", "torchscript"]) == 0
    assert (tmp_path / "discs-to-red.pt").is_file()
