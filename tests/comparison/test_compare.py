"""Comparisons from folders to a page: resuming, rejected arguments, and failures of methods."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from conftest import TINY, draw_domain
from torch import Tensor

from unpaired.cli.main import main
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.overrides import parse_method_overrides
from unpaired.comparison.plan import make_plan, select_own_settings
from unpaired.comparison.result import Comparison
from unpaired.comparison.runner import compare
from unpaired.config.resolve import SettingsRequest
from unpaired.errors import UsageError, WorkError
from unpaired.evaluation.audit import PROBE_STEPS
from unpaired.evaluation.audit_results import Audit, RouteAudit
from unpaired.methods import METHODS, MethodInfo
from unpaired.methods.base import Batch, Method, Player, StepContext, Turn, Turns
from unpaired.networks import NetworkFactory
from unpaired.routes import Route
from unpaired.runs.folder import RunFolder
from unpaired.runs.lock import LOCK_FILE
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training.loop import TrainingLoop
from unpaired.training.trainer import TrainingInterrupt

pytestmark = pytest.mark.usefixtures("without_features")

QUICK: dict[str, Any] = {**TINY, "sample_every": 0, "evaluate_every": 0}


class Planted(Method):
    """One-way method that crashes or diverges at a step if a test requests it."""

    trouble: ClassVar[str] = "none"

    def __init__(self, net: NetworkFactory, *, lr: float = 1e-3) -> None:
        super().__init__()
        self.G = net.generator("X", "Y", None)
        self.players = {"generator": Player(("G",), lr=lr)}
        self.loss_weights = {"size": 1.0}
        self.routes = (Route("X", "Y", ("G",)),)

    def play(self, batch: Batch, now: StepContext) -> Iterator[Turns]:
        if now.step == 1 and Planted.trouble == "crash":
            raise RuntimeError("planted\nin two lines")
        size = self.G(batch["X"]).square().mean()
        yield Turn("generator", size=size * float("nan") if now.step == 1 and Planted.trouble == "nan" else size)

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        out: Tensor = self.G(x)
        return out


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Planted]]:
    """Register the test method; restore the table of methods and its order afterwards."""
    before = dict(METHODS)
    METHODS["planted"] = MethodInfo("planted", Planted, 2000, "Nobody", "2", "direct", "none")
    monkeypatch.setattr(Planted, "trouble", "none")
    yield Planted
    METHODS.clear()
    METHODS.update(before)


def compared(data: Path, out: Path, *methods: str, **more: Any) -> Comparison:
    messages = more.pop("messages", [])
    return compare(data, methods=methods, out=out, log=messages.append, **{**QUICK, "steps": 2, **more})


def states(comparison: Comparison) -> dict[str, str]:
    return {r.method: r.state for r in comparison.results}


def tensors(run: RunFolder) -> dict[str, Tensor]:
    return read_tensors(list_checkpoints(run.checkpoints)[-1] / "state.safetensors")[0]


class Page(HTMLParser):
    """Parser that asserts balanced tags and collects the images of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[tuple[str, str]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            self.images.append((given["alt"] or "", given["src"] or ""))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_methods_are_runs_with_equal_splits_and_are_on_the_page(discs: Path, tmp_path: Path) -> None:
    found = compared(discs, tmp_path / "out", "gan", "cyclegan")
    assert states(found) == {"gan": "done", "cyclegan": "done"}
    folder = ComparisonFolder(tmp_path / "out")
    lists = [sorted(p.read_text() for p in folder.get_run(name).files.iterdir()) for name in ("gan", "cyclegan")]
    assert lists[0] == lists[1]
    assert (folder.get_run("gan").path / "report.html").is_file()
    shown = Page(folder.page_file.read_text())
    assert [alt for alt, _ in shown.images] == [
        "inputs, blue to red",
        "gan, blue to red",
        "cyclegan, blue to red",
        "inputs, red to blue",
        "cyclegan, red to blue",
    ]
    assert all(src.startswith("data:image/png;base64,") for _, src in shown.images)
    assert not re.search(r"<script|https?:", folder.page_file.read_text())
    figures = json.loads(folder.results_file.read_text())
    assert figures["budget"] == "2 steps"
    gan, cyclegan = figures["results"]
    assert gan["steps"] == cyclegan["steps"] == 2
    assert [m["route"] for m in gan["routes"]] == ["blue -> red"]
    assert [m["route"] for m in cyclegan["routes"]] == ["blue -> red", "red -> blue"]
    assert 0 < gan["parameters"] < gan["total_parameters"] < cyclegan["total_parameters"]
    assert gan["translate_s"] > 0


def test_a_crash_is_recorded_with_its_reason_and_retried(
    discs: Path, tmp_path: Path, planted: type[Planted], monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.trouble = "crash"
    found = compared(discs, tmp_path / "out", "planted", "gan")
    assert states(found) == {"planted": "failed", "gan": "done"}
    folder = ComparisonFolder(tmp_path / "out")
    assert "RuntimeError: planted (details" in folder.page_file.read_text()
    assert "in two lines" in folder.error_log("planted").read_text()
    planted.trouble = "none"
    before = {p: p.stat().st_mtime_ns for p in folder.get_run("gan").checkpoints.rglob("*")}
    monkeypatch.setattr("unpaired.comparison.measurement.evaluate", None)
    assert states(compared(discs, tmp_path / "out", "planted", "gan")) == {"planted": "done", "gan": "done"}
    assert {p: p.stat().st_mtime_ns for p in folder.get_run("gan").checkpoints.rglob("*")} == before


def test_a_diverged_method_is_retried_only_with_other_settings(
    discs: Path, tmp_path: Path, planted: type[Planted]
) -> None:
    planted.trouble = "nan"
    found = compared(discs, tmp_path / "out", "planted", "gan")
    assert states(found) == {"planted": "diverged", "gan": "done"}
    assert "size is nan" in found.results[0].reason
    planted.trouble = "none"
    messages: list[str] = []
    assert states(compared(discs, tmp_path / "out", "planted", "gan", messages=messages))["planted"] == "diverged"
    assert any("--set" in words for words in messages)
    other = compared(discs, tmp_path / "out", "planted", "gan", overrides={"planted": {"lr": 1e-4}})
    assert states(other) == {"planted": "done", "gan": "done"}


def test_a_resumed_comparison_gives_bitwise_equal_weights(discs: Path, tmp_path: Path, planted: type[Planted]) -> None:
    compared(discs, tmp_path / "whole", "planted", "gan", steps=4)
    calls = 0
    original = TrainingLoop.step

    def stepped(self: TrainingLoop, *args: Any, **more: Any) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if calls == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "step", stepped)
        with pytest.raises(
            TrainingInterrupt, match="gan stopped and saved at step 2; continue with: the same comparison"
        ):
            compared(discs, tmp_path / "part", "planted", "gan", steps=4)
    messages: list[str] = []
    found = compared(discs, tmp_path / "part", "planted", "gan", steps=4, messages=messages)
    assert states(found) == {"planted": "done", "gan": "done"}
    assert any("planted is trained" in words for words in messages)
    assert any("at step 2" in words for words in messages)
    for name in ("planted", "gan"):
        one, other = (tensors(ComparisonFolder(tmp_path / place).get_run(name)) for place in ("whole", "part"))
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_without_a_checkpoint_is_restarted(discs: Path, tmp_path: Path) -> None:
    compared(discs, tmp_path / "out", "gan")
    shutil.rmtree(tmp_path / "out" / "gan" / "checkpoints")
    assert states(compared(discs, tmp_path / "out", "gan")) == {"gan": "done"}
    assert list_checkpoints(tmp_path / "out" / "gan" / "checkpoints")


def test_audits_are_made_once_and_shown_if_current(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def audit(run: Path, device: str) -> Audit:
        made.append(run)
        return audited(run)

    monkeypatch.setattr("unpaired.comparison.measurement.audit", audit)
    assert compared(discs, tmp_path / "out", "gan").results[0].hidden == {}
    found = compared(discs, tmp_path / "out", "gan", audit=True)
    assert found.results[0].hidden["blue -> red"].fraction == 0.25
    compared(discs, tmp_path / "out", "gan", audit=True)
    assert made == [tmp_path / "out" / "gan"]
    assert compared(discs, tmp_path / "out", "gan").results[0].hidden == found.results[0].hidden
    audited(made[0], step=1)
    assert compared(discs, tmp_path / "out", "gan").results[0].hidden == {}


def audited(run: Path, step: int = 2) -> Audit:
    """Write an audit as `unpaired audit` does."""
    route = RouteAudit(
        route="blue -> red",
        items=2,
        has_reverse_route=False,
        probe_steps=PROBE_STEPS,
        train_items=8,
        r2=0.9,
        r2_perturbed=0.6,
        real_image_change=0.05,
        hidden=0.25,
        hidden_error=0.01,
        perturbations=(),
    )
    found = Audit(run=str(run), set="", checkpoint="last", step=step, seed=0, perturbation="", routes=(route,))
    RunFolder(run).audit.write_text(found.model_dump_json())
    return found


def test_methods_can_be_added_to_a_comparison(discs: Path, tmp_path: Path, planted: type[Planted]) -> None:
    compared(discs, tmp_path / "out", "gan")
    assert states(compared(discs, tmp_path / "out", "planted")) == {"gan": "done", "planted": "done"}


def test_raises_work_error_for_changed_data(discs: Path, tmp_path: Path) -> None:
    compared(discs, tmp_path / "out", "gan")
    (discs / "red" / "003.png").unlink()
    with pytest.raises(WorkError, match=r"have changed since the comparison.*003\.png is missing"):
        compared(discs, tmp_path / "out", "gan", "cyclegan")


def test_raises_usage_error_for_other_data_pairs_and_settings(discs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compared(discs, out, "gan")
    with pytest.raises(UsageError, match="gan was trained with other settings: seed was 0, now 1"):
        compared(discs, out, "gan", seed=1)
    with pytest.raises(UsageError, match="started without --pairs"):
        compared(discs, out, "gan", pairs=True)
    for name in ("red", "blue"):
        draw_domain(tmp_path / "others", name, 12)
    with pytest.raises(UsageError, match="on other data"):
        compared(tmp_path / "others", out, "gan")


def test_a_run_with_another_budget_fails(discs: Path, tmp_path: Path) -> None:
    from unpaired.training.train import resume

    compared(discs, tmp_path / "out", "gan")
    resume(tmp_path / "out" / "gan", log=lambda _: None, steps=3)
    found = compared(discs, tmp_path / "out", "gan")
    assert states(found) == {"gan": "failed"}
    assert "trained for 3 steps instead of 2 steps" in found.results[0].reason


def test_a_changed_file_list_of_a_run_is_named(discs: Path, tmp_path: Path) -> None:
    compared(discs, tmp_path / "out", "gan")
    changed = next((tmp_path / "out" / "gan" / "files").iterdir())
    changed.write_bytes(b"")
    found = compared(discs, tmp_path / "out", "gan")
    assert states(found) == {"gan": "failed"} and str(changed) in found.results[0].reason


def test_a_second_comparison_does_not_remove_the_run_in_training(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without a checkpoint is removed if its settings change, but not while another comparison trains it."""

    def train_beside_another_comparison(*_: Path, out: Path, **__: Any) -> None:
        out.mkdir()
        (out / "config.yaml").touch()
        manifest = ComparisonFolder(out.parent).manifest.read_bytes()
        with pytest.raises(WorkError, match=f"{out.parent}: another process"):
            compared(discs, out.parent, "gan", seed=1)
        assert (out / "config.yaml").is_file() and ComparisonFolder(out.parent).manifest.read_bytes() == manifest
        raise WorkError("planted")

    monkeypatch.setattr("unpaired.comparison.runner.train", train_beside_another_comparison)
    found = compared(discs, tmp_path / "out", "gan")
    assert [(r.state, r.reason) for r in found.results] == [("failed", "planted")]


def test_files_and_folders_that_cannot_be_created_are_refused(discs: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"letter\.txt: exists and is not the folder of a comparison"):
        compared(discs, tmp_path / "letter.txt", "gan")
    with pytest.raises(WorkError, match=r"out: the comparison's folder cannot be written"):
        compared(discs, tmp_path / "letter.txt" / "out", "gan")


def test_a_comparison_killed_at_its_start_is_continued(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Path, **__: Any) -> None:
        raise WorkError("planted")

    monkeypatch.setattr("unpaired.comparison.runner.train", fail)
    (tmp_path / "out" / "files").mkdir(parents=True)
    (tmp_path / "out" / LOCK_FILE).write_text("process 1 on host")
    assert compared(discs, tmp_path / "out", "gan").results[0].reason == "planted"


def test_folders_with_other_content_are_not_changed(discs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not the folder of a comparison; choose another --out"):
        compared(discs, out, "gan")
    (out / "letter.txt").unlink()
    compared(discs, out, "gan")
    (out / "unit").mkdir()
    (out / "unit" / "letter.txt").write_text("mine")
    found = compared(discs, out, "gan", "unit")
    assert states(found) == {"gan": "done", "unit": "failed"}
    assert "is not a run" in found.results[1].reason
    assert (out / "unit" / "letter.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"methods": "gan,cyclgan"}, "method 'cyclgan': did you mean 'cyclegan'"),
        ({"methods": " , "}, "no method given"),
        ({"methods": "gan", "widht": 3}, "setting 'widht' of gan: did you mean 'width'"),
        ({"methods": "gan", "overrides": {"gan": {"dept": 3}}}, "setting 'dept' of gan: did you mean 'depth'"),
        ({"methods": "gan", "overrides": {"gan": {"seed": 3}}}, "gan.seed: must be equal for all"),
        ({"methods": "gan", "overrides": {"unit": {}}}, "--set unit: not in this comparison"),
        ({"methods": "gan", "steps": 2, "minutes": 3}, "both steps and minutes"),
        ({"methods": "gan", "devices": 2}, "trains on one device"),
        ({"methods": "gan", "pairs": True}, "--pairs: the test items"),
        ({"methods": "cyclegan", "size": 18}, "size 18: these networks need a multiple of 4"),
    ],
)
def test_raises_usage_error_before_training(settings: dict[str, Any], words: str, discs: Path, tmp_path: Path) -> None:
    for i, picture in enumerate(sorted((discs / "red").iterdir())):
        picture.rename(picture.with_name(f"other{i}.png"))
    with pytest.raises(UsageError, match=re.escape(words)):
        compare(discs, out=tmp_path / "out", log=lambda _: None, **{**QUICK, **settings})
    assert not (tmp_path / "out").exists()


def test_settings_of_one_method_are_parsed() -> None:
    assert parse_method_overrides(["gan.depth=none", "gan.augment=color,cutout", "unit.lr=0.1"]) == {
        "gan": {"depth": None, "augment": ("color", "cutout")},
        "unit": {"lr": "0.1"},
    }
    assert parse_method_overrides(["unit.mcep_order=30"]) == {"unit": {"mcep_order": "30"}}
    assert select_own_settings("unit", {"mcep_order": "30"}) == {"mcep_order": "30"}
    for word in ("gan", "gan.depth", "depth=3"):
        with pytest.raises(UsageError, match=r"expected METHOD\.NAME=VALUE"):
            parse_method_overrides([word])
    with pytest.raises(UsageError, match="method 'gun': did you mean 'gan'"):
        parse_method_overrides(["gun.depth=3"])
    with pytest.raises(UsageError, match="setting 'dept' of gan: did you mean 'depth'"):
        parse_method_overrides(["gan.dept=3"])
    with pytest.raises(UsageError, match="'depth' is a setting of gan, discogan; unit has: "):
        parse_method_overrides(["unit.depth=3"])


def test_unsuitable_methods_are_excluded_from_all_and_an_error_if_named(
    discs: Path, tmp_path: Path, planted: type[Planted]
) -> None:
    draw_domain(discs, "green", 12)
    for name in [name for name in METHODS if name not in ("gan", "combogan", "planted")]:
        del METHODS[name]
    METHODS["planted"] = dataclasses.replace(METHODS["planted"], unsupported={"image": "it is for a test"})
    found = compared(discs, tmp_path / "out", "all", steps=1)
    assert states(found) == {"combogan": "done"}
    assert found.excluded.keys() == {"gan", "planted"}
    assert "gan takes two domains; 3 were given" in found.excluded["gan"]
    assert "planted does not learn from pictures" in found.excluded["planted"]
    page = (tmp_path / "out" / "compare.html").read_text()
    assert len(Page(page).images) == 12
    with pytest.raises(UsageError, match="gan takes two domains; 3 were given"):
        compared(discs, tmp_path / "out2", "gan")
    with pytest.raises(UsageError, match="planted does not learn from pictures"):
        compared(discs, tmp_path / "out2", "combogan", "planted")


@pytest.mark.usefixtures("planted")
def test_methods_that_need_a_larger_batch_are_excluded(discs: Path, tmp_path: Path) -> None:
    for name in [name for name in METHODS if name not in ("stargan", "gan")]:
        del METHODS[name]
    found = compared(discs, tmp_path / "out", "all", steps=1, batch_size=1)
    assert states(found) == {"gan": "done"}
    assert "--batch-size 2" in found.excluded["stargan"]
    with pytest.raises(UsageError, match="batch size 1: stargan"):
        compared(discs, tmp_path / "out2", "stargan", "gan", steps=1, batch_size=1)


def test_the_command_prints_the_ranking_and_how_to_continue(
    discs: Path, tmp_path: Path, planted: type[Planted], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [word for name, value in QUICK.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    words = ["compare", str(discs), "--steps", "2", "--out", str(tmp_path / "out"), *flags]
    assert main([*words, "--methods", "gan", "--set", "gan.depth=4", "--pairs"]) == 0
    output = capsys.readouterr()
    assert "doing nothing" in output.out
    assert "PSNR," in output.out
    assert "judge by the pictures" in output.out
    assert "comparison: " in output.err
    planted.trouble = "crash"
    assert main([*words, "--methods", "gan,planted", "--set", "gan.depth=4", "--pairs"]) == 1
    assert "planted failed: RuntimeError: planted" in capsys.readouterr().out
    with pytest.MonkeyPatch.context() as patch:
        original = TrainingLoop.step

        def stepped(self: TrainingLoop, *args: Any, **more: Any) -> dict[str, Tensor]:
            os.kill(os.getpid(), signal.SIGINT)
            return original(self, *args, **more)

        patch.setattr(TrainingLoop, "step", stepped)
        words[words.index(str(tmp_path / "out"))] = str(tmp_path / "a b")
        assert main([*words, "--methods", "gan"]) == 130
    assert f"continue with: unpaired compare {discs} --steps 2 --out '{tmp_path}/a b'" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "size"), [({}, 256), ({"size": 32}, 32)])
def test_methods_have_equal_items_although_their_papers_have_other_sizes(
    discs: Path, given: dict[str, Any], size: int
) -> None:
    request = SettingsRequest.read(None, "paper", {"width": 4, "blocks": 1, "discriminator_width": 4, **given})
    methods = ["gan", "cyclegan", "stargan"]
    plan = make_plan([discs], methods, request, {"gan": {"depth": 2}}, pairs=False)
    entries = {name: planned.settings.medium_settings.model_dump() for name, planned in plan.entries.items()}
    assert [*entries] == methods
    assert all((values["size"], values["load_size_ratio"]) == (size, 286 / 256) for values in entries.values())
    assert plan.config.medium_settings.model_dump()["size"] == size


def test_settings_file_of_a_comparison_is_read(discs: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("method: gan\n")
    with pytest.raises(UsageError, match=r"settings\.yaml.*'method'"):
        compare(discs, config=file, out=tmp_path / "out", **QUICK)
    file.write_text("medium_settings: {size: 32}\n")
    request = SettingsRequest.read(None, "paper", {"width": 4, "blocks": 1, "discriminator_width": 4}, file)
    plan = make_plan([discs], ["gan", "cyclegan"], request, {"gan": {"depth": 2}}, pairs=False)
    assert {p.settings.medium_settings.model_dump()["size"] for p in plan.entries.values()} == {32}
