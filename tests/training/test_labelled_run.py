"""Runs of methods that draw labelled items or pairs of many domains: trained, resumed, evaluated, translated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import TINY, draw_domain
from PIL import Image

from unpaired.cli.main import main
from unpaired.data.folders import discover_collections
from unpaired.data.split import split_files
from unpaired.errors import UsageError, WorkError
from unpaired.evaluation.audit import audit
from unpaired.evaluation.run import evaluate
from unpaired.media.image.settings import ImageStatistics
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.summary import read_run_summary
from unpaired.runs.weights import read_tensors
from unpaired.training.listing import list_data
from unpaired.training.train import resume, train
from unpaired.training.trainer import Trainer, TrainingInterrupt
from unpaired.translate import Translator

pytestmark = pytest.mark.usefixtures("without_features")
COLORS = ("red", "blue", "green")


def quiet(_: str) -> None:
    pass


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Three domains of discs, a folder each."""
    for name in COLORS:
        draw_domain(tmp_path / "three", name, 12)
    return tmp_path / "three"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """One folder of discs of three colors, with a table beside it."""
    rows = ["file,red,blue,green,low"]
    for name in COLORS:
        files = sorted(draw_domain(tmp_path / "discs", name, 12).iterdir())
        rows += [
            ",".join([f"{name}/{path.name}", *(str(name == color) for color in COLORS), str(i % 2)])
            for i, path in enumerate(files)
        ]
    (tmp_path / "discs.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "discs"


@pytest.mark.parametrize("method", ["stargan", "fader", "combogan"])
def test_many_folders_from_training_to_translating(
    method: str, three: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TINY | {"method": method, "steps": 6, "checkpoint_every": 3, "batch_size": 3}
    whole = train(three, out=tmp_path / "whole", log=quiet, **settings)
    names = [measures.route for measures in evaluate(whole).routes]
    assert len(names) == 6 and "blue -> green" in names
    picture = Image.open(next((three / "red").iterdir()))
    assert Translator.load(whole)(picture, to="green", source="red").size == picture.size

    original = Trainer._run_scheduled_tasks

    def stop(self: Trainer, before: float, share: float) -> None:
        original(self, before, share)
        if self.step == 3:
            self._interrupt()

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_run_scheduled_tasks", stop)
        with pytest.raises(TrainingInterrupt):
            train(three, out=tmp_path / "part", log=quiet, **settings)
    resume(tmp_path / "part", log=quiet)
    one, other = (
        read_tensors(list_checkpoints(run / "checkpoints")[-1] / "state.safetensors")[0]
        for run in (whole, tmp_path / "part")
    )
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_attributes_of_a_table_from_training_to_translating(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    settings = TINY | {"method": "stargan", "steps": 2, "attributes": ("red|blue|green", "low")}
    assert train(table, out=run, log=quiet, **settings) == run
    translator = Translator.load(run)
    assert translator.domains == ("red", "blue", "green", "low", "no-low")
    assert ("red", "low") not in translator.routes and ("low", "no-low") in translator.routes
    picture, out = str(next((table / "red").iterdir())), tmp_path / "out"
    words = ["translate", str(run), picture, "--to", "green,no-low=0.5", "--labels", f"{table}.csv", "--out", str(out)]
    assert main(words) == 0, capsys.readouterr().err
    assert len(list(out.glob("*.png"))) == 1
    assert main(words) == 0 and "Skipped 1 up to date" in capsys.readouterr().out
    other = tmp_path / "other.csv"
    other.write_text("file,low\nnobody.png,1\n")
    assert main([str(other) if word == f"{table}.csv" else word for word in words]) == 2
    assert f"--labels {other}: has no row for any of the inputs" in capsys.readouterr().err
    assert {m.route for m in evaluate(run, [table]).routes} >= {"red -> blue", "low -> no-low"}


def test_the_labels_of_a_run_are_its_own(table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = TINY | {"method": "fader", "steps": 2, "attributes": ("red|blue|green",)}
    train(table, out=run, log=quiet, **settings)
    Path(f"{table}.csv").unlink()
    resume(run, steps=3, log=quiet)
    assert [p.name for p in list_checkpoints(run / "checkpoints")][-1] == "step-000000003"


def test_what_labels_need_is_told_before_training(table: Path, three: Path, tmp_path: Path) -> None:
    settings = TINY | {"steps": 2}
    with pytest.raises(UsageError, match="--attributes"):
        train(table, method="stargan", out=tmp_path / "a", log=quiet, **settings)
    with pytest.raises(UsageError, match=r"takes two domains; 3 were given.*Methods that take many: stargan"):
        train(three, method="cyclegan", out=tmp_path / "b", log=quiet, **settings)
    Path(f"{table}.csv").write_text("file,red,blue\nred/000.png,1,0\nred/001.png,1,0\nblue/000.png,0,1\n")
    with pytest.raises(WorkError, match=r"discs\.csv: 'blue' has 1 training file.*at least 2"):
        train(table, method="stargan", out=tmp_path / "c", log=quiet, attributes=("red|blue",), **settings)
    assert not (tmp_path / "c").exists()
    alone = settings | {"method": "stargan", "batch_size": 2, "grad_accumulation": 2}
    with pytest.raises(UsageError, match=r"batch size 2: stargan .* two items.*--batch-size 4"):
        train(three, out=tmp_path / "d", log=quiet, **alone)


def test_two_values_of_a_table_serve_a_method_of_two_domains(table: Path, tmp_path: Path) -> None:
    run = train(table, out=tmp_path / "run", log=quiet, attributes=("low",), **(TINY | {"steps": 2}))
    assert run is not None and Translator.load(run).routes == (("low", "no-low"), ("no-low", "low"))
    assert RunFolder(run).load_config().networks.model_dump()["match_colors"] is False
    with pytest.raises(UsageError, match=r"match_colors.*label"):
        train(table, out=tmp_path / "other", log=quiet, attributes=("low",), match_colors=True, **TINY)


def test_a_value_of_which_nothing_is_held_back_keeps_no_other_from_being_measured(table: Path, tmp_path: Path) -> None:
    rare = list(split_files(discover_collections([table])[0], 0.1, 0).train)[:3]
    lines = Path(f"{table}.csv").read_text().splitlines()
    rows = [f"{line},{int(line.partition(',')[0] in rare)}" for line in lines[1:]]
    Path(f"{table}.csv").write_text("\n".join([f"{lines[0]},rare", *rows]) + "\n")
    settings = TINY | {"method": "stargan", "steps": 2, "holdout_fraction": 0.1, "attributes": ("low", "rare")}
    run = train(table, out=tmp_path / "run", log=quiet, **settings)
    found = evaluate(run)
    assert {m.route for m in found.routes} == {"low -> no-low", "no-low -> low"} and "none of rare" in found.text()
    assert {r.route for r in audit(run, inverse_steps=2).routes} == {"low -> no-low", "no-low -> low"}
    assert [part.name for part in read_run_summary(run).sets] == ["low", "no-low", "rare", "no-rare"]
    assert "3 of rare" in (run / "report.html").read_text(encoding="utf-8")


def test_a_text_beside_a_folder_of_domains_is_no_table_unless_it_is_one(three: Path) -> None:
    Path(f"{three}.txt").write_text("Where these are from.\n", encoding="utf-8")
    assert list_data([three], "stargan", ()).domains == ("blue", "green", "red")
    Path(f"{three}.csv").write_text("file,low\nred/000.png,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="--attributes low"):
        list_data([three], "stargan", ())


def test_values_of_other_ranges_need_the_domain_of_the_inputs(three: Path, tmp_path: Path) -> None:
    run = train(three, out=tmp_path / "run", log=quiet, **(TINY | {"method": "stargan", "steps": 1}))
    translator = Translator.load(run)
    picture = Image.open(next((three / "red").iterdir()))
    translator(picture, to="green")
    deep = translator.config.domains[0].model_copy(update={"statistics": ImageStatistics(bits=16, high=4095)})
    translator.config = translator.config.model_copy(update={"domains": (deep, *translator.config.domains[1:])})
    with pytest.raises(UsageError, match="--from blue or red"):
        translator(picture, to="green")
    translator(picture, to="green", source="red")


def test_checking_tells_the_domains_that_labels_make(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(table), "--attributes", "red|blue|green,low"]) == 0
    assert "domains: red (12), blue (12), green (12), low (18), no-low (18)" in capsys.readouterr().out
