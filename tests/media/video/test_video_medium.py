"""Runs learn from folders of clips, alone or mixed with pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import pytest
from PIL import Image

import unpaired
from unpaired.cli.main import main
from unpaired.data.paths import get_file_name
from unpaired.media import MEDIA, find_common_medium
from unpaired.media.video import clip_index
from unpaired.media.video.clip_index import load_clip_index, read_clip_frame
from unpaired.media.video.clip_items import count_items, find_item_frame, read_item
from unpaired.media.video.clip_reader import ClipReader
from unpaired.report.page import write_report
from unpaired.runs.files import read_file_lists
from unpaired.runs.folder import RunFolder

SETTINGS: dict[str, Any] = {
    "preset": "tiny",
    "width": 4,
    "size": 16,
    "batch_size": 2,
    "threads": 1,
    "precision": "fp32",
    "frames_per_second": 10,
}
VARIABLE = (0, 40, 80, 133, 200, 201, 300, 620, 640, 900)
"""Times in ms of frames at a variable rate."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clip_index._load_index.cache_clear()
    return tmp_path / "cache" / "unpaired" / "clips"


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two domains: five clips and seven pictures of the first, six clips of the second."""
    for name in ("day", "night"):
        (tmp_path / name).mkdir()
    for i in range(5):
        clips.write_clip(tmp_path / "day" / f"{i}.mp4", VARIABLE)
    for i in range(7):
        Image.fromarray(clips.make_pixels(3 * i)).save(tmp_path / "day" / f"still{i}.png")
    for i in range(6):
        codec, name = [("libx264", "mkv"), ("libvpx-vp9", "webm"), ("mpeg4", "mov")][i % 3]
        clips.write_clip(tmp_path / "night" / f"{i}.{name}", tuple(range(0, 480, 40)), codec=codec, tags=(1, 5, 6, 6))
    return [tmp_path / "day", tmp_path / "night"]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mov", "mpeg4")]
)
def test_any_frame_equals_that_of_a_whole_pass(tmp_path: Path, name: str, codec: str) -> None:
    """Against decoding in order; x264 uses B-frames here."""
    options = {"bf": "2"} if codec == "libx264" else {}
    clip = clips.write_clip(tmp_path / name, VARIABLE, codec=codec, options=options)
    with ClipReader(clip) as reader:
        frames = [(f.pts * reader.header.time_base, reader.decode(f.frame).pixels) for f in reader.iterate_frames()]
    index = load_clip_index(clip)
    assert [Fraction(ms, 1000) for ms in VARIABLE] == [time for time, _ in frames]
    np.testing.assert_allclose(index.times * index.tick_seconds, [ms / 1000 for ms in VARIABLE], atol=1e-6)
    assert index.has_variable_rate
    for number in (9, 0, 5, 4, 8, 1, 7):
        np.testing.assert_array_equal(read_clip_frame(clip, number).pixels, frames[number][1])


def test_items_are_the_frames_shown_at_even_times(tmp_path: Path) -> None:
    index = load_clip_index(clips.write_clip(tmp_path / "a.mp4", VARIABLE))
    assert index.seconds == pytest.approx(0.94, abs=0.05)
    assert count_items(index, 1000) == 10
    assert [find_item_frame(index, i, 1000) for i in range(1, 11)] == list(range(10))
    assert count_items(index, 4) == 4
    shown = [max(i for i, ms in enumerate(VARIABLE) if ms <= 1000 * (k + 0.5) / 4 * index.seconds) for k in range(4)]
    assert [find_item_frame(index, k + 1, 4) for k in range(4)] == shown
    assert count_items(index, 0.01) == 1


def test_the_index_is_cached_by_the_signature_of_the_file(tmp_path: Path, cache: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4")
    index = load_clip_index(clip)
    (file,) = cache.iterdir()
    clip_index._load_index.cache_clear()
    again = load_clip_index(clip)
    np.testing.assert_array_equal(again.times, index.times)
    assert (again.seconds, again.codec, again.width) == (index.seconds, "h264", 48)
    file.write_bytes(b"damaged")
    clip_index._load_index.cache_clear()
    assert len(load_clip_index(clip)) == len(index)
    clips.write_clip(clip, (0, 40, 80))
    assert len(load_clip_index(clip)) == 3


def test_a_rotated_item_is_upright(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4", rotation=90)
    assert read_item(clip / "0001", 3, None, 1000).pixels.shape == (48, 32, 3)


def test_media_of_mixed_folders() -> None:
    assert find_common_medium(["image"]) is MEDIA["image"]
    assert find_common_medium(["image", "video"]) is MEDIA["video"]
    assert find_common_medium(["video"]) is MEDIA["video"]
    assert find_common_medium(["voice", "video"]) is None


def test_check_describes_clips_and_broken_files(folders: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    broken = folders[0] / "broken.mp4"
    data = (folders[0] / "0.mp4").read_bytes()
    broken.write_bytes(data[: len(data) // 2])
    main(["check", *map(str, folders)])
    out = capsys.readouterr().out
    assert broken.name in out and "truncated" in out
    (line,) = [line for line in out.splitlines() if "1.webm" in line]
    assert "25 frames/s" in line and "48 x 32" in line and "vp9" in line
    (line,) = [line for line in out.splitlines() if "    3.mp4" in line]
    assert "variable" in line and "no sound" in line


@pytest.mark.parametrize("noun", ["frame", "picture", "item"])
def test_check_names_frames_and_pictures_by_what_they_are(
    folders: list[Path], noun: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second domain has clips alone; the first has none of its clips, none of its pictures, or both."""
    for file in folders[0].iterdir():
        if noun == {".mp4": "picture", ".png": "frame"}[file.suffix]:
            file.unlink()
    assert main(["check", *map(str, folders), "--size", "64"]) == 0, capsys.readouterr()
    lines = capsys.readouterr().out.splitlines()
    counts = {"frame": 5 * 2, "picture": 7, "item": 5 * 2 + 7}
    assert any(line.startswith(f"  {counts[noun]} {noun}s; all inspected") for line in lines), lines
    assert any(line.startswith("  6 frames; all inspected") for line in lines), lines
    smaller = [line for line in lines if "smaller than" in line]
    assert [line.split()[2] for line in smaller] == [f"{noun}s", "frames"], smaller


def test_training_mixes_clips_and_pictures(folders: list[Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    lines: list[str] = []
    unpaired.train(*folders, out=run, steps=3, identity_weight=0.0, evaluate_every=3, log=lines.append, **SETTINGS)
    (kinds,) = [line for line in lines if line.startswith("day:") and ".png 7" in line]
    assert "/" not in kinds, "frames are counted as files"
    folder = RunFolder(run)
    assert "medium: video" in folder.config.read_text()
    splits = read_file_lists(folder, unpaired.Translator.load(run).config).splits
    for split in splits:
        files = [{get_file_name(name) for name in split.get_paths(part)} for part in ("train", "validation", "test")]
        assert all(files)
        assert not files[0] & files[1] and not files[0] & files[2] and not files[1] & files[2]
    names = set(splits[0].train) | set(splits[0].validation) | set(splits[0].test)
    assert {f"still{i}.png" for i in range(7)} < names
    assert sum(name.startswith("2.mp4/") for name in names) == 9
    clip = folders[0] / "0.mp4"
    assert main(["translate", str(run), str(clip), "--to", "night", "--out", str(tmp_path / "out")]) == 0
    assert clips.read_times(tmp_path / "out" / "0.mp4") == clips.read_times(clip)
    evaluation = unpaired.evaluate(run)
    assert evaluation.routes[0].sources > 1
    assert all(route.values["warping_error"] > 0 for route in evaluation.routes)
    page = write_report(run).read_text()
    (first, *more) = (run / "clips").glob("*.mp4")
    with av.open(str(first)) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (32, 16) and len(more) + 1 == len(evaluation.routes)
    assert page.count("data:video/mp4") == len(evaluation.routes) and first.stat().st_size < 200_000
    assert "warping error" in evaluation.text()


@pytest.mark.parametrize("temporal_weight", [0.0, 2.0])
def test_resumed_run_equals_an_uninterrupted_one(folders: list[Path], tmp_path: Path, temporal_weight: float) -> None:
    settings = {**SETTINGS, "identity_weight": 0.0, "lr_decay_start": 1, "temporal_weight": temporal_weight}
    unpaired.train(*folders, out=tmp_path / "whole", steps=4, **settings)
    unpaired.train(*folders, out=tmp_path / "parts", steps=2, **settings)
    unpaired.resume(tmp_path / "parts", steps=4)
    digests = {unpaired.Translator.load(tmp_path / name).weights_digest for name in ("whole", "parts")}
    assert len(digests) == 1
