from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import race
from benchmarks.exact import (
    TRANSFORMS,
    blueprint,
    drawing,
    make_task,
    negative,
    night,
    oil,
    palette,
    read_picture,
    texture,
)
from benchmarks.quality import select_measures
from benchmarks.race import Cell, add_baselines, build_command, collect_tasks, measure_again, read_figures
from benchmarks.race_table import compare, compute_closed_gap, format_table
from benchmarks.results import append_row
from tools.command_line_page import parse_command
from unpaired.cli.setting_flags import parse_settings
from unpaired.metrics.base import RouteEvaluation


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((16, 16, 3))


def write_pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for i in range(count):
        Image.fromarray((picture(i) * 255).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def test_palette_is_undone_by_applying_it_two_more_times() -> None:
    x = picture()
    assert not np.array_equal(palette(x), x)
    np.testing.assert_array_equal(palette(palette(palette(x))), x)


def test_negative_of_an_even_picture_is_exact() -> None:
    np.testing.assert_allclose(negative(np.full((16, 16, 3), 0.2)), 0.8, atol=1 / 255)


def test_drawing_is_gray_and_white_where_nothing_changes() -> None:
    np.testing.assert_allclose(drawing(np.full((16, 16, 3), 0.3)), 1.0)
    lines = drawing(picture())
    assert lines.min() < 0.9
    np.testing.assert_array_equal(lines[..., 0], lines[..., 2])


def test_texture_only_darkens() -> None:
    x = picture()
    assert (texture(x) <= x).all() and texture(x).mean() < 0.95 * x.mean()


def test_night_is_darkest_in_the_corners_and_blue() -> None:
    dark = night(np.ones((17, 17, 3)))
    np.testing.assert_allclose(dark[8, 8], [0.35, 0.45, 0.75])
    np.testing.assert_allclose(dark[0, 0], dark[8, 8] / 2)


def test_blueprint_is_blue_where_nothing_changes() -> None:
    np.testing.assert_allclose(blueprint(np.full((16, 16, 3), 0.3)), np.broadcast_to([0.1, 0.25, 0.6], (16, 16, 3)))


def test_oil_removes_single_pixels() -> None:
    x = np.full((16, 16, 3), 2 / 7)
    x[8, 8] = 1
    np.testing.assert_allclose(oil(x), 2 / 7, atol=1 / 255)


@pytest.mark.parametrize("task", TRANSFORMS)
def test_made_tasks_share_no_training_picture_and_have_exact_pairs(task: str, tmp_path: Path) -> None:
    make_task(task, write_pictures(tmp_path / "in", 10), tmp_path / "out", 16)
    names = {
        (d, split): {f.name for f in (tmp_path / "out" / d / split).iterdir()}
        for d in "AB"
        for split in ("train", "test")
    }
    assert names["A", "test"] == names["B", "test"] and len(names["A", "test"]) == 2
    assert not names["A", "train"] & names["B", "train"] and len(names["A", "train"] | names["B", "train"]) == 8
    x, y = (read_picture(tmp_path / "out" / d / "test" / "0.png", 16) for d in "AB")
    np.testing.assert_allclose(TRANSFORMS[task](x).clip(0, 1), y, atol=0.51 / 255)


def test_tasks_are_made_from_a_folder_and_unknown_names_are_refused(tmp_path: Path) -> None:
    source = write_pictures(tmp_path / "in", 5)
    assert len(collect_tasks(tmp_path, 16, None, source, [])) == len(TRANSFORMS)
    with pytest.raises(SystemExit, match="nowhere"):
        collect_tasks(tmp_path, 16, None, source, ["nowhere"])


@pytest.mark.parametrize("side", ["ours", "reference"])
def test_commands_of_both_sides_parse(side: str, tmp_path: Path) -> None:
    command = build_command(Cell("negative", side, 1, 64, 5.0), tmp_path, tmp_path / "run")
    assert command[1:4] == ["-m", "unpaired", "train"]
    settings = parse_settings(parse_command("train", command[4:]))
    assert (settings["method"], settings["seed"], settings["minutes"]) == ("cyclegan", "1", "5.0")
    assert settings["preset"] == ("small" if side == "ours" else "paper")


def test_a_budget_of_steps_replaces_the_minutes(tmp_path: Path) -> None:
    command = build_command(Cell("negative", "ours", 1, 64, 0.0, 1550), tmp_path, tmp_path / "run")
    settings = parse_settings(parse_command("train", command[4:]))
    assert settings["steps"] == "1550" and "minutes" not in settings


def test_rows_are_found_by_their_cell(tmp_path: Path) -> None:
    cell, results = Cell("mri", "ours", 0, 64, 5.0), tmp_path / "rows.jsonl"
    append_row("race", {**vars(cell), "routes": {}}, 0, path=results)
    append_row("quality", {}, 0, path=results)
    assert list(read_figures(results)) == [cell]


def figures(l1: float, ssim: float, kid: float = 50.0) -> dict[str, float]:
    baseline = {"l1_baseline": 0.2, "ssim_baseline": 0.5, "psnr_baseline": 10.0, "kid_baseline": 60.0}
    return {"l1": l1, "ssim": ssim, "kid": kid, "kid_error": 2.0, "psnr": 12.0, "change": 0.1, **baseline}


def test_the_closed_gap_is_one_at_the_truth_and_zero_for_the_input() -> None:
    assert compute_closed_gap(figures(0.0, 1.0), "l1") == compute_closed_gap(figures(0.0, 1.0), "ssim") == 1
    assert compute_closed_gap(figures(0.2, 0.5), "l1") == compute_closed_gap(figures(0.2, 0.5), "ssim") == 0


@pytest.mark.parametrize(
    ("ours", "result"),
    [
        (figures(0.09, 0.7), "won"),
        (figures(0.09, 0.5), "tie"),
        (figures(0.09, 0.7, kid=53.0), "tie"),
        (figures(0.102, 0.7), "tie"),
        (figures(0.11, 0.7), "lost"),
    ],
)
def test_a_direction_is_won_by_both_measures_and_no_worse_kid(ours: dict[str, float], result: str) -> None:
    assert compare(ours, figures(0.1, 0.6)) == result


def test_the_table_has_a_line_per_side_and_counts_results() -> None:
    rows: list[dict[str, Any]] = [
        {"task": "mri", "side": side, "routes": {"a -> b": figures(l1, 1 - 3 * l1)}}
        for side, l1 in (("reference", 0.1), ("ours", 0.09), ("linear", 0.15))
    ]
    text = format_table(rows)
    assert "55%" in text and "1 won, 0 tie, 0 lost" in text and "linear" in text
    assert "| - | 50, - |" in text  # rows without the second network and the perceptual distance


def test_a_second_kid_must_not_be_worse_either() -> None:
    ours, reference = figures(0.09, 0.7), figures(0.1, 0.6)
    ours |= {"kid_alexnet": 70.0, "kid_alexnet_error": 4.0}
    assert compare(ours, reference) == "won"
    assert compare(ours, reference | {"kid_alexnet": 67.0}) == "won"
    assert compare(ours, reference | {"kid_alexnet": 65.0}) == "tie"


def test_measures_of_a_route_have_errors_and_those_of_the_untranslated_inputs() -> None:
    route = RouteEvaluation(
        route="a -> b",
        sources=9,
        targets=9,
        values={"kid": 20.0, "change": 0.1, "fid": 3.0},
        errors={"kid": 2.0},
        baselines={"doing nothing": {"kid": 40.0}, "linear color transfer": {"kid": 30.0, "l1": 0.12345}},
    )
    assert select_measures(route) == {"kid": 20.0, "kid_error": 2.0, "kid_baseline": 40.0, "change": 0.1}
    assert select_measures(route, "linear color transfer") == {"kid": 30.0, "kid_baseline": 40.0, "l1": 0.1235}


def test_existing_runs_are_measured_again_without_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, run = tmp_path / "rows.jsonl", tmp_path / "run"
    run.mkdir()
    cells = [Cell("mri", "ours", seed, 64, 5.0) for seed in (0, 1)]
    for cell, path in zip(cells, (run, tmp_path / "gone"), strict=True):
        append_row("race", {**vars(cell), "steps": 7, "run": str(path), "routes": {}}, cell.seed, path=results)
    measures = {"routes": {"a -> b": {"l1": 0.1}}, "linear": {"a -> b": {"l1": 0.2}}}
    monkeypatch.setattr(race, "measure_checkpoint", lambda *_: measures)
    measure_again(cells, results)
    found = read_figures(results)
    assert found[cells[0]]["routes"] == measures["routes"] and found[cells[0]]["steps"] == 7
    assert found[cells[1]]["routes"] == {}
    (baseline,) = add_baselines(cells, results, again=True)
    assert baseline == Cell("mri", "linear", 0, 64, 5.0)
    assert read_figures(results)[baseline]["routes"] == measures["linear"]
    count = len(results.read_text().splitlines())
    assert add_baselines(cells, results, again=False) == [baseline]
    assert len(results.read_text().splitlines()) == count
