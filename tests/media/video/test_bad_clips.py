"""Bad clips give one clear line each and no output; interrupted translations leave nothing and continue."""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import pytest
from open_files import no_more_open_files
from PIL import Image
from tiny_runs import Known, config, make_run

from unpaired import Translator
from unpaired.cli.main import main
from unpaired.errors import ResourceLimitError, WorkError
from unpaired.media.video import optional_packages, segments
from unpaired.media.video.clip_index import create_clip_index
from unpaired.media.video.clip_opening import read_clip_header
from unpaired.media.video.pipeline import is_clip
from unpaired.translate.files import Outcome, translate_files


def translate(clip: Path, out: Path, network: Known | None = None, **options: Any) -> Outcome:
    translator = Translator(config(), network or Known())
    request = translator.resolve_request("paintings", options={"scale": "native", **options})
    return translate_files(translator, [clip], out, request)


def fail(clip: Path, tmp_path: Path, **options: Any) -> str:
    """Translate a bad clip; returns the reason. Nothing may be left beside the manifest."""
    outcome = translate(clip, tmp_path / "out", **options)
    assert outcome.done == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {".unpaired.sqlite", ".unpaired.lock"}
    ((path, reason),) = outcome.failed
    assert path == clip
    return reason


def test_an_mp4_without_its_index(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4")
    clip.write_bytes(clip.read_bytes()[:-400])
    assert "truncated" in fail(clip, tmp_path)


@pytest.mark.parametrize(("name", "options"), [("a.mp4", {"movflags": "faststart"}), ("a.mkv", {})])
def test_a_clip_that_ends_too_early(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    source = clips.write_clip(tmp_path / "source.mkv", tuple(range(0, 8000, 40)))
    clip = tmp_path / name
    with av.open(str(source)) as container, av.open(str(clip), "w", options=options) as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 2 // 3])
    assert any(word in fail(clip, tmp_path) for word in ("truncated", "damaged"))


def test_no_video_stream(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        stream: Any = out.add_stream("aac", rate=16000)
        clips.write_sound(out, stream, clips.make_tone(0.5)[None])
    assert "no video stream" in (reason := fail(tmp_path / "a.mp4", tmp_path)) and "audio" in reason


def test_no_frames(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        out.start_encoding()
    assert "a.mkv" not in fail(tmp_path / "a.mkv", tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.mov").touch()
    assert "empty" in fail(tmp_path / "a.mov", tmp_path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_picture_with_the_suffix_of_a_clip(tmp_path: Path, kind: str) -> None:
    Image.fromarray(clips.make_pixels(0)).save(tmp_path / "a.mp4", kind)
    assert "picture" in fail(tmp_path / "a.mp4", tmp_path)


def test_noise_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(np.random.default_rng(0).bytes(5000))
    assert fail(tmp_path / "a.avi", tmp_path)
    (tmp_path / "b.webm").write_text("no clip\n" * 50)
    assert fail(tmp_path / "b.webm", tmp_path)


def test_a_codec_that_ffmpeg_lacks(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv")
    reason = fail(clip, tmp_path, codec="h266")
    assert "--codec h266" in reason and "h26" in reason.partition("encoder")[2]
    assert "--codec prores" in fail(clips.write_clip(tmp_path / "b.mp4"), tmp_path, codec="prores")
    assert "63" not in fail(clip, tmp_path, codec="h264", quality=60)
    assert "64 pixels" in fail(clip, tmp_path, codec="hevc")


def test_av1_of_odd_size(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mkv", size=(65, 65), codec="ffv1")
    assert "65 x 65" in fail(clip, tmp_path, codec="av1")


def test_sound_that_the_container_cannot_have(tmp_path: Path) -> None:
    """A WebM file with AAC, made by renaming."""
    clip = clips.write_clip(tmp_path / "a.mkv", sound_codec="aac")
    clip = clip.rename(tmp_path / "a.webm")
    outcome = translate(clip, tmp_path / "out")
    assert outcome.done == 0
    assert "aac" in outcome.failed[0][1]
    assert not (tmp_path / "out" / "a.webm").exists()


def test_pyav_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4")
    Image.fromarray(clips.make_pixels(0)).save(
        tmp_path / "b.gif", save_all=True, append_images=[Image.fromarray(clips.make_pixels(1))]
    )
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(optional_packages, "find_spec", lambda name: None)
    optional_packages.has_packages.cache_clear()
    try:
        assert "pip install 'unpaired[video]'" in fail(clip, tmp_path)
        assert translate(tmp_path / "b.gif", tmp_path / "out").done == 1
        assert (tmp_path / "out" / "b.gif.png").is_file()
    finally:
        optional_packages.has_packages.cache_clear()


class Interrupting(Known):
    """A method that is interrupted, as by Ctrl-C, after a number of batches."""

    def __init__(self, batches: int, error: BaseException) -> None:
        super().__init__(0.5)
        self.batches, self.error = batches, error

    def translate(self, x: Any, source: str, target: str) -> Any:
        self.batches -= 1
        if self.batches < 0:
            raise self.error
        return super().translate(x, source, target)


def test_an_interrupted_clip_continues_after_its_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    clip = clips.write_clip(tmp_path / "a.mp4", tuple(range(0, 1600, 40)), sound_codec="aac")
    assert translate(clip, tmp_path / "whole", Known(0.5)).done == 1
    with pytest.raises(KeyboardInterrupt):
        translate(clip, tmp_path / "out", Interrupting(7, KeyboardInterrupt()))
    (folder,) = (tmp_path / "out").glob(".*.segments")
    assert not (tmp_path / "out" / "a.mp4").exists()
    kept = len(list(folder.glob("*.segment")))
    assert 1 <= kept <= 3
    assert not (folder / "part").exists()
    network = Known(0.5)
    assert translate(clip, tmp_path / "out", network).done == 1
    assert sum(shape[0] for shape in network.seen) == 40 - 8 * kept
    assert (tmp_path / "out" / "a.mp4").read_bytes() == (tmp_path / "whole" / "a.mp4").read_bytes()
    assert not folder.exists()


def test_segments_of_other_settings_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 4)
    clip = clips.write_clip(tmp_path / "a.mp4")
    with pytest.raises(KeyboardInterrupt):
        translate(clip, tmp_path / "out", Interrupting(2, KeyboardInterrupt()))
    network = Known(0.5)
    assert translate(clip, tmp_path / "out", network, quality=30).done == 1
    assert sum(shape[0] for shape in network.seen) == 12


def test_a_finished_clip_is_up_to_date(tmp_path: Path) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4")
    assert translate(clip, tmp_path / "out").done == 1
    assert translate(clip, tmp_path / "out").skipped == 1


def test_a_full_disk_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file may have more than 30 kB, so that a segment fails; the clip continues once there is room."""
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 100)
    clip = clips.write_clip(tmp_path / "a.mkv", tuple(range(0, 4000, 20)), codec="ffv1", size=(96, 64))
    before_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before_limits[1]))
    try:
        outcome = translate(clip, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before_limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert outcome.done == 0 and "cannot be written" in outcome.failed[0][1]
    assert not (tmp_path / "out" / "a.mkv").exists()
    assert translate(clip, tmp_path / "out").done == 1


def test_no_space_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unpaired.media.video.segments.SegmentWriter._open", refuse)
    with pytest.raises(WorkError, match="No space left"):
        translate(clip, tmp_path / "out")


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clips.write_clip(tmp_path / "a.mp4")
    (tmp_path / "b.mkv").write_bytes(b"nothing")
    run = str(make_run(tmp_path / "run"))
    arguments = ["translate", run, str(clip), str(tmp_path / "b.mkv"), "--to", "paintings"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--quality", "30"]) == 1
    output = capsys.readouterr()
    assert "1 file" in output.out
    assert str(tmp_path / "b.mkv") in output.err
    assert read_clip_header(tmp_path / "out" / "a.mp4").codec == "h264"
    assert main([*arguments, "--quality", "99"]) == 2


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a.webp", "a.png"])
def test_clips_are_not_called_damaged_if_too_many_files_are_open(tmp_path: Path, name: str) -> None:
    clip = tmp_path / name
    if clip.suffix == ".mp4":
        clips.write_clip(clip)
    else:
        frames = [Image.fromarray(clips.make_pixels(i)) for i in range(3)]
        frames[0].save(clip, save_all=True, append_images=frames[1:], duration=40)
    assert is_clip(str(clip)) and read_clip_header(clip).width == 48
    readers: list[Callable[[Path], object]] = [read_clip_header, create_clip_index]
    if name != "a.mp4":
        readers.append(lambda path: is_clip(str(path)))
    for read in readers:
        with no_more_open_files(clip), pytest.raises(ResourceLimitError, match=rf"{name}.*ulimit -n"):
            read(clip)
