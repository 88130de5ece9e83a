"""Translated clips keep the times, sound, size, depth, tags and transparency of their inputs."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import pytest
from PIL import Image
from tiny_runs import Known, config

from unpaired import Translator
from unpaired.media.video.clip_opening import open_clip, read_clip_header
from unpaired.media.video.clip_reader import ClipReader
from unpaired.media.video.encoding import choose_encoding
from unpaired.translate.files import Outcome, translate_files

TIMES = (0, 40, 80, 133, 200, 201, 300)
"""Times in ms of frames at a variable rate."""


def translate(clip: Path, out: Path, change: float = 1.0, **options: Any) -> Outcome:
    """Translate a clip without resizing by a method that multiplies its input by `change`."""
    translator = Translator(config(), Known(change))
    request = translator.resolve_request("paintings", options={"scale": "native", **options})
    return translate_files(translator, [clip], out, request)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "sound"),
    [
        ("a.mp4", "libx264", "yuv420p", "aac"),
        ("a.m4v", "mpeg4", "yuv420p", None),
        ("a.mov", "prores_ks", "yuv422p10le", "pcm_s16le"),
        ("a.mkv", "libx265", "yuv420p", "libopus"),
        ("a.mkv", "ffv1", "yuv444p", "flac"),
        ("a.webm", "libvpx-vp9", "yuv420p", "libopus"),
        ("a.webm", "libvpx", "yuv420p", "libopus"),
        ("a.mp4", "libsvtav1", "yuv420p", "libmp3lame"),
    ],
)
def test_times_codec_format_and_sound_are_kept(
    tmp_path: Path, name: str, codec: str, pixel_format: str, sound: str | None
) -> None:
    size = (64, 64) if codec in ("libsvtav1", "libx265") else (48, 32)
    clip = clips.write_clip(
        tmp_path / name, TIMES, codec=codec, pixel_format=pixel_format, sound_codec=sound, size=size
    )
    outcome = translate(clip, tmp_path / "out")
    assert (outcome.done, outcome.failed) == (1, [])
    result = tmp_path / "out" / name
    assert clips.read_times(result) == clips.read_times(clip)
    before, after = read_clip_header(clip), read_clip_header(result)
    assert (after.width, after.height, after.codec) == (before.width, before.height, before.codec)
    assert after.pixel_format == before.pixel_format
    assert after.tags == before.tags
    assert np.abs(clips.read_pixels(result).astype(int) - clips.read_pixels(clip)).mean() < 3
    if sound is not None:
        (wave, start), (own_wave, own_start) = clips.read_sound(result), clips.read_sound(clip)
        np.testing.assert_array_equal(wave, own_wave)
        assert start == own_start


def test_constant_rate_in_avi(tmp_path: Path) -> None:
    clip = tmp_path / "a.avi"
    with av.open(str(clip), "w") as out:
        stream: Any = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for i in range(10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(clips.make_pixels(i), format="rgb24")))
        out.mux(stream.encode(None))
    assert translate(clip, tmp_path / "out").done == 1
    assert clips.read_times(tmp_path / "out" / "a.avi") == clips.read_times(clip)


def test_the_networks_translate_each_frame_as_a_picture(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", codec="ffv1", pixel_format="bgr0", tags=(2, 0, 2, 2))
    assert translate(clip, tmp_path / "out", change=0.5).done == 1
    translator = Translator(config(), Known(0.5))
    expected = [
        np.asarray(translator(Image.fromarray(pixels), to="paintings", scale="native"))
        for pixels in clips.read_pixels(clip)
    ]
    np.testing.assert_array_equal(clips.read_pixels(tmp_path / "out" / "a.mkv"), np.stack(expected))


@pytest.mark.parametrize("tags", [(1, 1, 1, 1), (2, 1, 1, 13), (1, 5, 5, 6), (2, 6, 6, 6), (0, 2, 2, 2)])
def test_colors_and_their_tags_are_kept(tmp_path: Path, tags: tuple[int, int, int, int]) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4", tags=tags)
    assert translate(clip, tmp_path / "out").done == 1
    assert read_clip_header(tmp_path / "out" / "a.mp4").tags == read_clip_header(clip).tags
    difference = clips.read_pixels(tmp_path / "out" / "a.mp4").astype(int) - clips.read_pixels(clip)
    assert np.abs(difference).mean() < 3
    assert abs(difference.mean()) < 0.5


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_rotated_clip_is_upright(tmp_path: Path, rotation: int) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4", rotation=rotation)
    header = read_clip_header(clip)
    assert header.rotation == rotation
    assert (header.width, header.height) == ((32, 48) if rotation % 180 else (48, 32))
    assert translate(clip, tmp_path / "out").done == 1
    after = read_clip_header(tmp_path / "out" / "a.mp4")
    assert (after.width, after.height, after.rotation) == (header.width, header.height, 0)
    # The display matrix of a rotation by 90 degrees turns the coded picture counterclockwise.
    upright = np.rot90(clips.read_pixels(clip), rotation // 90, axes=(1, 2))
    assert np.abs(clips.read_pixels(tmp_path / "out" / "a.mp4").astype(int) - upright).mean() < 3


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"), [("a.mp4", "libx264", "yuv444p"), ("a.webm", "libvpx-vp9", "yuv420p")]
)
def test_odd_sizes_are_kept(tmp_path: Path, name: str, codec: str, pixel_format: str) -> None:
    clip = clips.write_clip(tmp_path / name, size=(45, 31), codec=codec, pixel_format=pixel_format)
    assert translate(clip, tmp_path / "out").done == 1
    header = read_clip_header(tmp_path / "out" / name)
    assert (header.width, header.height) == (45, 31)


def test_h264_of_odd_size_gets_a_pixel_format_that_allows_it(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", size=(45, 31), codec="ffv1")
    outcome = translate(clip, tmp_path / "out", codec="h264")
    assert outcome.done == 1
    assert any("45 x 31" in text and "4:4:4" in text for text in outcome.warnings)
    header = read_clip_header(tmp_path / "out" / "a.mkv")
    assert (header.width, header.height, header.pixel_format) == (45, 31, "yuv444p")


@pytest.mark.parametrize(("transfer", "word"), [(16, "PQ"), (18, "HLG")])
def test_hdr_keeps_ten_bits_and_tags(tmp_path: Path, transfer: int, word: str) -> None:
    tags = (1, 9, 9, transfer)
    clip = clips.write_clip(tmp_path / "a.mp4", codec="libx264", pixel_format="yuv420p10le", tags=tags)
    outcome = translate(clip, tmp_path / "out")
    assert outcome.done == 1
    assert any(word in text and "10 bits" in text for text in outcome.warnings)
    header = read_clip_header(tmp_path / "out" / "a.mp4")
    assert (header.bits, header.pixel_format) == (10, "yuv420p10le")
    assert (header.tags.matrix, header.tags.primaries, header.tags.transfer) == (9, 9, transfer)
    with ClipReader(clip) as before, ClipReader(tmp_path / "out" / "a.mp4") as after:
        for one, other in zip(before.iterate_frames(), after.iterate_frames(), strict=True):
            a, b = before.decode(one.frame).pixels, after.decode(other.frame).pixels
            assert np.abs(a - b).mean() < 65535 * 0.01
            assert len(np.unique(b)) > 256


def test_alpha_is_kept_where_the_codec_has_it(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", codec="ffv1", pixel_format="bgra", alpha=60, tags=(2, 0, 2, 2))
    assert translate(clip, tmp_path / "out").done == 1
    with av.open(str(tmp_path / "out" / "a.mkv")) as container:
        alphas = [frame.to_ndarray(format="rgba")[..., 3] for frame in container.decode(video=0)]
    assert all((alpha[:16] == 60).all() and (alpha[16:] == 255).all() for alpha in alphas)


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libvpx-vp9")])
def test_alpha_of_vp8_and_vp9_is_kept(tmp_path: Path, name: str, codec: str) -> None:
    """FFmpeg's own decoders of these codecs leave it out, and so would a copy without the mark of the stream."""
    options = {"auto-alt-ref": "0", "b": "0", "crf": "10"}
    clip = clips.write_clip(tmp_path / name, TIMES, codec=codec, pixel_format="yuva420p", alpha=60, options=options)
    outcome = translate(clip, tmp_path / "out")
    assert (outcome.done, outcome.warnings) == (1, [])
    with open_clip(clip) as before, open_clip(tmp_path / "out" / name) as after:
        assert before.header.has_alpha and after.header.has_alpha
        assert [f.pts for f in before.iterate_frames()] == [f.pts for f in after.iterate_frames()]
        for clip_frame in after.iterate_frames():
            alpha = after.decode(clip_frame.frame).alpha
            assert alpha is not None
            assert np.abs(alpha[:14] - 60 / 255).max() < 0.03 and alpha[18:].min() > 0.97


def test_vp9_has_no_alpha_in_mp4(tmp_path: Path) -> None:
    options = {"auto-alt-ref": "0", "b": "0", "crf": "10"}
    clip = clips.write_clip(tmp_path / "a.webm", codec="libvpx-vp9", pixel_format="yuva420p", alpha=60, options=options)
    encoding = choose_encoding(clip, read_clip_header(clip), ".mp4", "vp9", None, is_color=True)
    assert encoding.pixel_format == "yuv420p"
    assert any("transparency" in note for note in encoding.notes)


def test_alpha_becomes_white_elsewhere(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", codec="ffv1", pixel_format="bgra", alpha=0, tags=(2, 0, 2, 2))
    outcome = translate(clip, tmp_path / "out", codec="h264")
    assert any("white" in text for text in outcome.warnings)
    assert clips.read_pixels(tmp_path / "out" / "a.mkv")[:, :14].min() > 240


def test_an_animated_gif_stays_one(tmp_path: Path) -> None:
    frames = [Image.fromarray(clips.make_pixels(i)) for i in range(5)]
    frames[0].save(
        tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[100, 200, 20, 50, 100], loop=3
    )
    assert translate(tmp_path / "a.gif", tmp_path / "out").done == 1
    result = tmp_path / "out" / "a.gif"
    with Image.open(tmp_path / "a.gif") as before, Image.open(result) as after:
        assert after.info["loop"] == 3
        for index in range(5):
            before.seek(index)
            after.seek(index)
            assert after.info["duration"] == before.info["duration"]
            difference = np.asarray(before.convert("RGB"), int) - np.asarray(after.convert("RGB"), int)
            assert np.abs(difference).mean() < 6


def test_transparency_of_an_animated_gif_is_kept(tmp_path: Path) -> None:
    frames = []
    for i in range(3):
        pixels = np.concatenate([clips.make_pixels(i), np.full((32, 48, 1), 255, np.uint8)], axis=2)
        pixels[:10, :, 3] = 0
        frames.append(Image.fromarray(pixels))
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=100, disposal=2)
    assert translate(tmp_path / "a.gif", tmp_path / "out").done == 1
    with Image.open(tmp_path / "out" / "a.gif") as after:
        for index in range(3):
            after.seek(index)
            alpha = np.asarray(after.convert("RGBA"))[..., 3]
            assert (alpha[:10] == 0).all() and (alpha[10:] == 255).all()


def test_a_still_gif_is_a_picture(tmp_path: Path) -> None:
    Image.fromarray(clips.make_pixels(0)).save(tmp_path / "a.gif")
    assert translate(tmp_path / "a.gif", tmp_path / "out").done == 1
    assert (tmp_path / "out" / "a.gif.png").is_file()


def test_the_time_between_picture_and_sound_is_kept(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4", [500, 540, 580, 620, 700], sound_codec="aac")
    assert translate(clip, tmp_path / "out").done == 1
    assert clips.read_times(tmp_path / "out" / "a.mp4") == clips.read_times(clip)
    assert clips.read_times(clip)[0] == Fraction(1, 2)
    assert clips.read_sound(tmp_path / "out" / "a.mp4")[1] == clips.read_sound(clip)[1]


def test_codec_and_quality(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", size=(64, 64))
    for quality in (5, 45):
        assert translate(clip, tmp_path / f"{quality}", codec="hevc", quality=quality).done == 1
        assert read_clip_header(tmp_path / f"{quality}" / "a.mkv").codec == "hevc"
    assert (tmp_path / "5" / "a.mkv").stat().st_size > (tmp_path / "45" / "a.mkv").stat().st_size


def test_pixels_that_are_not_square_are_kept(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    with av.open(str(clip), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(clips.make_pixels(0), format="rgb24")))
        out.mux(stream.encode(None))
    assert translate(clip, tmp_path / "out").done == 1
    assert read_clip_header(tmp_path / "out" / "a.mp4").pixel_aspect == Fraction(4, 3)


def test_metadata_without_the_place(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "b.mkv")
    with av.open(str(clip)) as source, av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        out.metadata.update({"title": "A walk", "location": "+40-074/"})
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    assert translate(tmp_path / "a.mkv", tmp_path / "out").done == 1
    with av.open(str(tmp_path / "out" / "a.mkv")) as result:
        metadata = {name.lower(): value for name, value in result.metadata.items()}
    assert metadata["title"] == "A walk"
    assert "location" not in json.dumps(metadata).lower()


def test_a_clip_is_marked_as_synthetic_on_request(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4")
    for is_marked in (False, True):
        assert translate(clip, tmp_path / f"{is_marked}", tag=is_marked).done == 1
        with av.open(str(tmp_path / f"{is_marked}" / "a.mp4")) as result:
            assert ("synthetic" in result.metadata.get("comment", "")) is is_marked
