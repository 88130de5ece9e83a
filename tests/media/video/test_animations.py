"""Animated PNG and WebP files are clips: read frame by frame, and translated with their times, repetition and alpha."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tiny_runs import Known, config, domain

from unpaired import Translator
from unpaired.errors import UnreadableFileError
from unpaired.media.video.animations import is_animated
from unpaired.media.video.clip_index import load_clip_index, read_clip_frame
from unpaired.media.video.clip_opening import open_clip
from unpaired.translate.files import Outcome, translate_files

STEPS = (100, 200, 20, 50, 130)
"""Time in ms for which each frame is shown."""


def write_animation(path: Path, steps: Sequence[int] = STEPS, alpha: int = 255, loop: int = 3, **more: Any) -> Path:
    """Write a moving square, above which the pixels have the value `alpha`."""
    frames = []
    for index in range(len(steps)):
        pixels = np.full((32, 48, 4), 255, np.uint8)
        pixels[..., :3] = clips.make_pixels(index)
        pixels[:4, :, 3] = alpha
        frames.append(Image.fromarray(pixels if alpha < 255 else pixels[..., :3]))
    options = {"lossless": True} if path.suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=list(steps), loop=loop, **options | more)
    return path


def read_frames(path: Path) -> tuple[npt.NDArray[np.uint8], list[float], int]:
    """Return all frames as RGBA, their durations in ms, and the repetition, by Pillow."""
    frames, steps = [], []
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            frames.append(np.asarray(image.convert("RGBA")))
            steps.append(image.info["duration"])
        return np.stack(frames), steps, image.info["loop"]


def translate(path: Path, out: Path, change: float = 1.0, color: bool = True, **options: Any) -> Outcome:
    translator = Translator(config(domain("photos"), domain("paintings", color)), Known(change), "cpu")
    request = translator.resolve_request("paintings", options={"scale": "native", **options})
    return translate_files(translator, [path], out, request)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.apng"])
@pytest.mark.parametrize(("alpha", "loop"), [(255, 0), (0, 3), (100, 1)])
def test_times_repetition_and_transparency_are_kept(tmp_path: Path, name: str, alpha: int, loop: int) -> None:
    source = write_animation(tmp_path / name, alpha=alpha, loop=loop)
    outcome = translate(source, tmp_path / "out")
    assert (outcome.done, outcome.failed, outcome.warnings) == (1, [], [])
    before, after = read_frames(source), read_frames(tmp_path / "out" / name)
    assert after[1:] == before[1:] == (list(STEPS), loop)
    np.testing.assert_array_equal(after[0][..., 3], before[0][..., 3])
    visible = before[0][..., 3] > 0
    assert np.abs(after[0].astype(int) - before[0])[visible].max() <= (1 if alpha == 255 else 3)


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_each_frame_is_translated_as_a_picture(tmp_path: Path, name: str) -> None:
    source = write_animation(tmp_path / name)
    assert translate(source, tmp_path / "out", 0.5).done == 1
    translator = Translator(config(), Known(0.5), "cpu")
    expected = [
        np.asarray(translator(Image.fromarray(frame).convert("RGB"), to="paintings", scale="native"))
        for frame in read_frames(source)[0]
    ]
    np.testing.assert_array_equal(read_frames(tmp_path / "out" / name)[0][..., :3], np.stack(expected))


def test_a_webp_with_loss_stays_one(tmp_path: Path) -> None:
    source = write_animation(tmp_path / "a.webp", lossless=False, quality=80)
    assert translate(source, tmp_path / "out").done == 1
    before, after = read_frames(source), read_frames(tmp_path / "out" / "a.webp")
    assert after[1:] == before[1:]
    assert np.abs(after[0].astype(int) - before[0]).mean() < 6
    assert b"VP8 " in (tmp_path / "out" / "a.webp").read_bytes()


def test_a_png_of_16_bits_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with av.open(str(path), "w", format="apng", options={"plays": "0", "final_delay": "1/10"}) as out:
        stream: Any = out.add_stream("apng", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "rgb48be"
        for index in range(3):
            pixels = clips.make_pixels(index, levels=65535)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb48le").reformat(format="rgb48be")))
        out.mux(stream.encode(None))
    assert translate(path, tmp_path / "out").done == 1
    with open_clip(path) as before, open_clip(tmp_path / "out" / "a.png") as after:
        assert before.header.bits == after.header.bits == 16
        for one, other in zip(before.iterate_frames(), after.iterate_frames(), strict=True):
            assert np.abs(before.decode(one.frame).pixels - after.decode(other.frame).pixels).max() <= 2


@pytest.mark.parametrize("name", ["a.png", "a.mkv"])
def test_a_clip_without_color_becomes_colored(tmp_path: Path, name: str) -> None:
    """The translation to a domain with color has color, also where that of the input has none."""
    if name == "a.png":
        grays = [Image.fromarray(clips.make_pixels(i)).convert("L") for i in range(3)]
        grays[0].save(tmp_path / name, save_all=True, append_images=grays[1:], duration=100)
    else:
        clips.write_clip(tmp_path / name, codec="ffv1", pixel_format="gray", tags=(1, 2, 2, 2))

    class Red(Known):
        def translate(self, x: Any, source: str, target: str) -> Any:
            y = x.clone()
            y[:, 1:] = -1
            return y

    translator = Translator(config(), Red(), "cpu")
    for mode, colored in (("target", True), ("input", False)):
        request = translator.resolve_request("paintings", options={"scale": "native", "mode": mode})
        assert translate_files(translator, [tmp_path / name], tmp_path / mode, request).done == 1
        pixels = clips.read_pixels(tmp_path / mode / name).astype(int)
        assert (int(np.abs(pixels[..., 0] - pixels[..., 1]).max()) > 30) is colored


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_a_still_picture_stays_a_picture(tmp_path: Path, name: str) -> None:
    Image.fromarray(clips.make_pixels(0)).save(tmp_path / name)
    assert not is_animated(str(tmp_path / name))
    assert translate(tmp_path / name, tmp_path / "out").done == 1
    with Image.open(tmp_path / "out" / name) as result:
        assert getattr(result, "n_frames", 1) == 1


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_frames_are_items_of_training(tmp_path: Path, name: str) -> None:
    path = write_animation(tmp_path / name)
    index = load_clip_index(path)
    assert len(index) == 5 and index.seconds == pytest.approx(0.5) and index.has_variable_rate
    assert (index.width, index.height, index.sound) == (48, 32, "")
    np.testing.assert_allclose(index.times * index.tick_seconds, [0, 0.1, 0.3, 0.32, 0.37])
    frames = read_frames(path)[0]
    for number in (3, 0, 4):
        np.testing.assert_array_equal(read_clip_frame(path, number).pixels, frames[number][..., :3])


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
@pytest.mark.parametrize("fraction", [0.5, 0.95])
def test_a_truncated_animation_is_named_and_nothing_is_written(tmp_path: Path, name: str, fraction: float) -> None:
    whole = write_animation(tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(fraction * len(whole))])
    outcome = translate(tmp_path / name, tmp_path / "out")
    ((path, reason),) = outcome.failed
    assert path.name == name and "truncated" in reason
    assert not (tmp_path / "out" / name).exists()
    with pytest.raises(UnreadableFileError):
        load_clip_index(tmp_path / name)


def test_codec_is_refused(tmp_path: Path) -> None:
    outcome = translate(write_animation(tmp_path / "a.webp"), tmp_path / "out", codec="h264")
    assert "--codec h264" in outcome.failed[0][1]
