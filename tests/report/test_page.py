"""The report of complete, incomplete and damaged run folders."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from unpaired.config.run_config import RunConfig, write_config
from unpaired.config.setting_models import build_method_settings_model
from unpaired.config.settings import DataSettings, TrainingSettings
from unpaired.data.domain import Domain
from unpaired.data.folders import DomainFiles
from unpaired.data.paths import Paths
from unpaired.data.split import split_files, write_file_list
from unpaired.errors import WorkError
from unpaired.media import MEDIA, pictures
from unpaired.media.image import image_io
from unpaired.media.image.report import select_steps
from unpaired.media.image.settings import ImageSettings, ImageStatistics
from unpaired.methods import METHODS
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.report import charts, run_text
from unpaired.report.page import write_report
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.runs.summary import read_run_summary

SIZE = 16
STEPS = 400


def measures(route: str, kid: float | None, values: dict[str, float] | None = None, **more: Any) -> dict[str, Any]:
    """Return a route as stored in evaluation.json and in the history."""
    content = {"cycle": 0.05, "change": 0.1, "feature_similarity": 0.7, "edge_similarity": 0.8}
    given: dict[str, Any] = {
        "sources": 20,
        "targets": 24,
        "values": content | ({} if kid is None else {"kid": kid}) | (values or {}),
        "errors": {"kid": 4.0},
        "baselines": {"doing nothing": {"kid": 180.0}, "real to real": {"kid": 6.0}},
        "networks": {"features": "Net, 224 px"},
    }
    return {"route": route} | given | more


def write_evaluation(folder: RunFolder, *routes: dict[str, Any], step: int = 200, checkpoint: str = "best") -> None:
    evaluation = {"run": "r", "medium": "image", "items": "data/ (test items)", "checkpoint": checkpoint, "step": step}
    evaluation |= {"is_own_data": False, "limit": 500, "routes": routes}
    folder.evaluation.write_text(json.dumps(evaluation), encoding="utf-8")


def make_run(path: Path, names: tuple[str, ...] = ("photos", "paintings"), size: int = SIZE) -> RunFolder:
    """Make the folder of an untrained run, with configuration and lists of files."""
    folder = RunFolder(path)
    folder.files.mkdir(parents=True)
    statistics = ImageStatistics(color=True)
    config = RunConfig(
        unpaired_version="0.1.0",
        method="cyclegan",
        preset="tiny",
        medium="image",
        method_settings=build_method_settings_model(METHODS["cyclegan"].cls)(),
        medium_settings=ImageSettings(size=size, channels="3"),
        domains=tuple(Domain(name=name, sources=("data/" + name,), statistics=statistics) for name in names),
        data=DataSettings(),
        networks=ImageNetworkSettings(),
        training=TrainingSettings(steps=STEPS, batch_size=4),
    )
    write_config(folder.config, config)
    for name in names:
        files = Paths.from_files(Path("data"), [(f"{i}.png", 10) for i in range(40)])
        write_file_list(
            folder.files / f"{name}.tsv", split_files(DomainFiles(name, files, None, 0, medium=MEDIA["image"]), 0.1, 0)
        )
    return folder


def train(folder: RunFolder, names: tuple[str, str] = ("photos", "paintings"), side: int = SIZE) -> None:
    """Write the history, samples and models of a finished training."""
    history = History(folder.history)
    folder.samples.mkdir()
    routes = [(a, b) for a, b in (names, names[::-1])]
    for step in range(1, STEPS + 1):
        terms = {"generators.cycle": 1 / step + 0.2, "discriminators.adversarial": 0.5 + 0.1 * math.sin(step)}
        history.add("losses", step, budget_fraction=step / STEPS, spent_s=step * 0.5, losses=terms)
        if step % 40 == 0:
            kids = [20 + 400 / step, 30 + 900 / step]
            found = [measures(f"{a} -> {b}", kid) for (a, b), kid in zip(routes, kids, strict=True)]
            history.add(
                "evaluation",
                step,
                spent_s=step / 2,
                set="validation",
                routes=found,
                metric="kid",
                value=50.0,
                best=step == 320,
            )
            for a, b in routes:
                file = folder.samples / f"step-{step:09d}-{a}-{b}.png"
                image_io.write_image(file, np.full((2 * side + 2, 3 * side + 4, 3), step % 255, np.float32))
                history.add("samples", step, route=f"{a}-{b}", file=f"samples/{file.name}")
    for which, step in (("best", 320), ("last", STEPS)):
        about = {"format": "1", "method": "cyclegan", "step": str(step)}
        save_file({"w": torch.zeros(1)}, folder.model_path(which), metadata=about)  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = make_run(tmp_path / "run")
    train(folder)
    return folder


class Reader(HTMLParser):
    """Parser that collects tags and text, and asserts that the tags are balanced."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def read(folder: RunFolder) -> Reader:
    path = write_report(folder.path)
    assert path == folder.report
    return Reader(path.read_text(encoding="utf-8"))


def test_sections_of_the_page_are_in_order(run: RunFolder) -> None:
    text = read(run).text
    places = [
        text.index(part) for part in ("photos ↔ paintings", "Pictures after 400 steps", "Metrics", "Curves", "Usage")
    ]
    assert places == sorted(places)
    assert "Method cyclegan (Zhu et al., arXiv:1703.10593), preset tiny" in text
    assert "32 of photos and 32 of paintings" in text
    assert "400 steps with batch size 4: 3 min 20 s of training steps." in text
    assert "Translating uses the best checkpoint: step 320" in text
    assert "--checkpoint last for the last one, step 400" in text
    # values of the default checkpoint, not of the last step: 20 + 400 / 320 and 30 + 900 / 320
    assert "21.2 ± 4.0" in text
    assert "32.8 ± 4.0" in text
    assert "Net, 224 px" in text
    assert "cycle_weight" in text


def test_the_page_is_self_contained(run: RunFolder) -> None:
    reader = read(run)
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "iframe", "a", "object", "base"}
    sources = [given["src"] for tag, given in reader.tags if tag == "img"]
    assert len(sources) == 2 + 2 * 8  # the newest of two routes, and eight of the nine earlier ones each
    assert all(source is not None and source.startswith("data:image/") for source in sources)
    assert "url(" not in run.report.read_text(encoding="utf-8")
    assert "default-src 'none'" in [given.get("content", "") or "" for tag, given in reader.tags if tag == "meta"][-1]


def test_charts_are_drawn_for_every_route_and_loss(run: RunFolder) -> None:
    write_report(run.path)
    drawn = re.findall(r'<svg class="chart".*?</svg>', run.report.read_text(encoding="utf-8"))
    labels = [ElementTree.fromstring(svg).get("aria-label", "") for svg in drawn]
    assert labels == [
        "KID (EfficientNet-Lite0) of photos → paintings over steps, at the end 21",
        "KID (EfficientNet-Lite0) of paintings → photos over steps, at the end 32.2",
        *labels[2:],
    ]
    assert [label.split()[0] for label in labels[2:]] == ["generators.cycle", "discriminators.adversarial"]
    assert [svg.count('class="best"') for svg in drawn] == [1, 1, 0, 0]
    assert [svg.count('class="nothing"') for svg in drawn] == [1, 1, 0, 0]


def test_an_untrained_run_has_a_report(tmp_path: Path) -> None:
    text = read(make_run(tmp_path / "run")).text
    assert "photos and paintings" in text
    assert "has not been evaluated" in text
    assert f"unpaired evaluate {tmp_path / 'run'} photos/ paintings/" in text
    assert "0 % of its budget of 400 steps" in text


def test_the_title_of_many_domains_contains_the_first_ones(tmp_path: Path) -> None:
    assert run_text.join_domains(["a", "b", "c"]) == "a and b and c"
    assert "4 domains: black, blond, brown ..." in read(make_run(tmp_path, ("black", "blond", "brown", "gray"))).text


def test_names_are_escaped(tmp_path: Path) -> None:
    names = ("<img src=x onerror=alert(1)>", "a\"b'&amp; c")
    folder = make_run(tmp_path / "run $(touch x); <b>", names)
    train(folder, names)
    History(folder.history).add("notice", 1, message="</li><script>alert(2)</script>")
    reader = read(folder)
    assert all(given.get("src") != "x" for _, given in reader.tags)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert f"{names[0]} ↔ {names[1]}" in reader.text
    assert "</li><script>alert(2)</script>" in reader.text
    assert f"""unpaired evaluate '{folder.path}'""" in reader.text


def test_damaged_parts_are_left_out(run: RunFolder) -> None:
    run.evaluation.write_text('{"routes": [{"surprise": 1}]}', encoding="utf-8")
    (run.samples / "step-000000400-photos-paintings.png").write_bytes(b"no picture")
    (run.samples / "step-000000400-paintings-photos.png").unlink()
    run.model_path("best").write_bytes(b"no tensors")
    (run.files / "photos.tsv").unlink()
    with run.history.open("a", encoding="utf-8") as file:
        file.write('{"kind": "losses", "step": 401, "te')
    text = read(run).text
    assert text.count("is missing or damaged") == 2
    assert "Translating uses the last checkpoint, step 400" in text
    assert "trained at 16 px for" in text


def test_samples_outside_the_run_are_not_embedded(run: RunFolder, tmp_path: Path) -> None:
    image_io.write_image(tmp_path / "private.png", np.zeros((8, 8, 3), np.float32))
    History(run.history).add("samples", STEPS + 1, route="photos-paintings", file="../private.png")
    assert "private.png is missing or damaged" in read(run).text


def test_non_finite_values_are_not_drawn(run: RunFolder) -> None:
    history = History(run.history)
    for step, value in ((401, math.nan), (402, math.inf), (403, 0.2)):
        history.add(
            "losses", step, budget_fraction=1.0, spent_s=201.0, losses={"generators.cycle": value, "lost": math.nan}
        )
    history.add(
        "evaluation",
        403,
        spent_s=201,
        set="validation",
        routes=[measures("photos -> paintings", math.nan)],
        metric="kid",
        value=None,
        best=False,
    )
    write_report(run.path)
    drawn = "".join(re.findall(r"<svg.*?</svg>", run.report.read_text(encoding="utf-8")))
    assert "nan" not in drawn
    assert "inf" not in drawn
    assert "lost over steps" not in drawn


def test_long_histories_are_reduced(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    lines = (
        {"kind": "losses", "step": i, "budget_fraction": 1, "spent_s": i, "losses": {"g.cycle": i % 7}}
        for i in range(20_000)
    )
    folder.history.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    write_report(folder.path)
    assert folder.report.stat().st_size < 60_000


def test_the_evaluation_on_test_items_replaces_the_validation(run: RunFolder) -> None:
    truth = {"doing nothing": {"kid": 180.0, "l1": 0.1}, "real to real": {"kid": 6.0}}
    write_evaluation(
        run,
        measures("photos -> paintings", 178.0, {"l1": 0.2}, baselines=truth, pairs=9),
        measures("paintings -> photos", 12.0),
    )
    reader = read(run)
    assert "best checkpoint, step 200, on data/ (test items)." in reader.text
    assert "now of step 320" in reader.text
    assert "9 true pairs" in reader.text
    verdict = reader.text[: reader.text.index("Pictures after")]
    assert "photos → paintings no significant gain" in verdict and "L1 0.200; doing nothing 0.100" in verdict
    assert "paintings → photos worked" in verdict
    assert "worse 0.200" in reader.text


def test_a_table_has_a_row_per_metric_and_a_column_per_baseline(run: RunFolder) -> None:
    write_evaluation(run, measures("photos -> paintings", 40.0))
    html = write_report(run.path).read_text(encoding="utf-8")
    table = re.search(r'<table class="measures">.*?</table>', html, re.DOTALL)
    assert table is not None
    rows = ElementTree.fromstring(table[0].replace("&ensp;", " "))
    cells = [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in rows.iter("tr")]
    assert cells[0] == ["", "translations", "doing nothing", "real to real"]
    assert cells[2] == ["KID x1000 (EfficientNet-Lite0) lower is better", "better 40.0 ± 4.0", "180.0", "6.0"]
    assert cells[4] == ["content kept: features 1 = all", "0.700", "1.000", "–"]
    assert len(cells) == 2 + 5


def test_without_the_feature_network_the_page_shows_how_to_install_it(run: RunFolder) -> None:
    write_evaluation(run, measures("photos -> paintings", None, networks={}, baselines={}, errors={}))
    assert "pip install 'unpaired[features]'" in read(run).text


def test_the_page_of_an_interrupted_run_shows_the_resume_command(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    part = folder.checkpoints / "step-000000100"
    part.mkdir(parents=True)
    state = {"progress": {"step": 100, "spent_s": 60.0, "evaluation_s": 5.0}}
    save_file({"w": torch.zeros(1)}, part / "state.safetensors", metadata={"state": json.dumps(state)})
    text = read(folder).text
    assert "100 steps with batch size 4: 1 min 0 s of training steps, and 5 s of evaluations" in text
    assert "25 % of its budget of 400 steps" in text
    assert re.search(rf"Continue training:\s*unpaired train --resume {folder.path}\s*From Python", text)


def test_the_page_of_a_finished_run_shows_a_larger_budget(run: RunFolder) -> None:
    assert f"unpaired train --resume {run.path} --steps 800" in read(run).text


def test_large_images_are_embedded_as_webp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PNG_BYTES", 100_000)
    noise = np.random.default_rng(0).integers(0, 256, (200, 900, 3)).astype(np.float32)
    image_io.write_image(tmp_path / "heavy.png", noise)
    image_io.write_image(tmp_path / "light.png", noise[:20, :30])
    heavy, light, small = (
        pictures.embed_image(tmp_path / name, small)
        for name, small in (("heavy.png", False), ("light.png", False), ("heavy.png", True))
    )
    assert heavy is not None and light is not None and small is not None
    assert heavy.data_url.startswith("data:image/webp")
    assert light.data_url.startswith("data:image/png")
    assert len(small.data_url) < len(heavy.data_url) / 4
    assert (small.width, small.height) == (900, 200)


def test_raises_work_error_if_the_page_cannot_be_written(run: RunFolder) -> None:
    run.report.mkdir()
    with pytest.raises(WorkError, match="cannot be written"):
        write_report(run.path)
    assert not run.report.with_name("report.html.part").exists()


def test_raises_work_error_for_a_folder_without_configuration(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="configuration"):
        write_report(tmp_path)


def test_axes_have_round_numbers() -> None:
    assert charts.make_ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert charts.make_ticks(-3, 12) == pytest.approx([0, 5, 10])
    assert [charts.format_number(x) for x in (0, 0.25, 1500, 20_000, 1_500_000)] == [
        "0",
        "0.25",
        "1,500",
        "20k",
        "1.5M",
    ]
    assert charts.compute_range([2.0, 4.0]) == pytest.approx((0, 4.24))
    assert charts.compute_range([0.0, 0.0])[1] > 0
    assert charts.compute_range([-3.0, -1.0]) == pytest.approx((-3.12, -0.88))


def test_curves_are_smoothed_and_reduced() -> None:
    assert charts.smooth([0, 3, 6, 0], 1) == [0, 3, 3, 0]
    assert charts.bucket_points([(0, 1), (1, 3), (2, 8)], 2) == [charts.Bucket(0.5, 2, 1, 3), charts.Bucket(2, 8, 8, 8)]
    assert charts.select_finite([(2, 1.0), (1, None), (0, math.nan), (1, 5.0)]) == [(1, 5.0), (2, 1.0)]
    assert select_steps(list(range(10)), 4) == [0, 3, 6, 9]


def test_progress_is_from_the_history_if_there_is_no_checkpoint(run: RunFolder) -> None:
    facts = read_run_summary(run.path)
    assert (facts.progress.step, facts.progress.spent_s, facts.budget_fraction) == (400, 200.0, 1.0)


def test_notices_are_listed_once_with_their_step(run: RunFolder) -> None:
    history = History(run.history)
    trend = run_text.describe_trend(read_run_summary(run.path))
    for step, message in ((0, "augmented"), (0, "augmented"), (40, "file 3.png failed"), (STEPS, trend)):
        history.add("notice", step, message=message)
    assert run_text.list_notices(read_run_summary(run.path)) == ["augmented", "Step 40: file 3.png failed"]
    assert read(run).text.count(trend) == 1
