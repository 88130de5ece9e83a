"""Previews of clips: H.264 in MP4, upright, of limited size and length, with the times of the input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import clips
import numpy as np
import pytest
from PIL import Image

from unpaired.errors import UnreadableFileError
from unpaired.media import MEDIA
from unpaired.media.interface import Preview
from unpaired.media.video import preview
from unpaired.media.video.clip_opening import read_clip_header

TIMES = (0, 40, 133, 200, 201)


def write(clip: Path) -> Preview:
    folder = clip.parent / "previews"
    folder.mkdir(exist_ok=True)
    return MEDIA["image"].write_preview(clip, folder)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mov", {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
        ("a.mkv", {"codec": "ffv1", "pixel_format": "yuv444p"}),
    ],
)
def test_frames_and_times_are_those_of_the_clip(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    clip = clips.write_clip(tmp_path / name, TIMES, **options)
    kind, path = write(clip)
    header = read_clip_header(path)
    assert (kind, path.name) == ("clip", f"{name}.mp4")
    assert (header.codec, header.pixel_format, header.width, header.height) == ("h264", "yuv420p", 48, 32)
    assert clips.read_times(path) == clips.read_times(clip)
    expected = np.stack([clips.make_pixels(i) for i in range(len(TIMES))]).astype(int)
    assert np.abs(clips.read_pixels(path).astype(int) - expected).mean() < 6


def test_large_turned_and_transparent_clips(tmp_path: Path) -> None:
    large = clips.write_clip(tmp_path / "large.mp4", TIMES, size=(640, 320), rotation=90)
    assert fit(large) == (240, 480)
    odd = clips.write_clip(tmp_path / "odd.mp4", TIMES, size=(49, 33), pixel_format="yuv444p")
    assert fit(odd) == (48, 32)
    clear = clips.write_clip(tmp_path / "clear.mkv", TIMES, codec="ffv1", pixel_format="bgra", alpha=0)
    assert clips.read_pixels(write(clear).path)[:, :14].min() > 240, "transparent pixels, the upper half, are white"


def fit(clip: Path) -> tuple[int, int]:
    header = read_clip_header(write(clip).path)
    assert header.rotation == 0
    return header.width, header.height


def test_length_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4", tuple(range(0, 400, 40)))
    monkeypatch.setattr(preview, "MAX_SECONDS", 0.2)
    assert [float(time) for time in clips.read_times(write(clip).path)] == [0, 0.04, 0.08, 0.12, 0.16, 0.2]
    monkeypatch.setattr(preview, "MAX_FRAMES", 3)
    assert len(clips.read_times(write(clip).path)) == 3


def test_damaged_clips_and_still_gifs(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"no clip")
    with pytest.raises(UnreadableFileError, match=r"x\.mp4"):
        write(tmp_path / "x.mp4")
    Image.new("RGB", (8, 6)).save(tmp_path / "still.gif")
    assert write(tmp_path / "still.gif").kind == "picture"


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_animated_pictures(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(clips.make_pixels(i)) for i in range(3)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=[100, 40, 60])
    kind, path = write(tmp_path / name)
    assert kind == "clip"
    assert [float(time) for time in clips.read_times(path)] == pytest.approx([0, 0.1, 0.14], abs=1e-4)
