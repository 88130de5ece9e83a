"""The option --deflicker of clips: statistics of shots, continuing at a shot, refusals."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import av
import clips
import numpy as np
import pytest
import torch.nn.functional as F
from tiny_runs import Known, config
from torch import Tensor

from benchmarks.moving_clips import View, make_clip, make_texture
from unpaired import Translator
from unpaired.media.video import segments
from unpaired.translate.files import Outcome, translate_files

CUT = 12
"""Index of the first frame of the second shot, of 32 frames."""


class Normalizing(Known):
    """Method whose translation depends on the statistics of a frame.

    It is interrupted after some passes, when the encoder has written a segment below `out`.
    """

    def __init__(self, passes: int = 10**6, out: Path = Path()) -> None:
        super().__init__()
        self.passes, self.out = passes, out

    def translate(self, x: Tensor, source: str, target: str) -> Tensor:
        self.passes -= 1
        if self.passes < 0:
            deadline = time.monotonic() + 60
            while not has_segment(self.out) and time.monotonic() < deadline:
                time.sleep(0.01)
            raise KeyboardInterrupt
        self.seen.append(tuple(x.shape))
        return 0.3 * F.group_norm(x, 3)


def has_segment(out: Path) -> bool:
    return any(out.glob(".*.segments/*.segment"))


def write_shots(path: Path) -> Path:
    """Write two shots that pan over pictures with a dark and a light side."""
    slope = np.linspace(0.2, 1, 200)[:, None]
    frames: list[np.ndarray] = []
    for seed, tint, count in ((0, (1.0, 0.4, 0.2), CUT), (1, (0.2, 0.5, 1.0), 32 - CUT)):
        picture = np.asarray(make_texture(120, 200, seed) * slope * tint, np.uint8)
        frames += make_clip(picture, [View(40 + 4 * t, 60) for t in range(count)], 32).frames
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "bgr0"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")))
        out.mux(stream.encode(None))
    return path


def translate(clip: Path, out: Path, method: Known, deflicker: str) -> Outcome:
    translator = Translator(config(), method)
    request = translator.resolve_request("paintings", options={"scale": "native", "deflicker": deflicker})
    return translate_files(translator, [clip], out, request)


def test_shots_keep_changes_of_brightness_with_shared_statistics(tmp_path: Path) -> None:
    clip = write_shots(tmp_path / "a.mkv")
    spread: dict[str, list[float]] = {}
    for deflicker in ("none", "statistics", "filter"):
        assert translate(clip, tmp_path / deflicker, Normalizing(), deflicker).done == 1
        pixels = clips.read_pixels(tmp_path / deflicker / "a.mkv").astype(float)
        assert len(pixels) == 32
        means = pixels.mean(axis=(1, 2, 3))
        spread[deflicker] = [float(np.ptp(part)) for part in (means[:CUT], means[CUT:])]
    assert max(spread["none"]) < 1, "each frame has the mean zero"
    assert min(spread["statistics"]) > 10 and min(spread["filter"]) > 5


@pytest.mark.parametrize("deflicker", ["statistics", "filter"])
@pytest.mark.parametrize("passes", [6, 9])
def test_a_continued_clip_equals_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deflicker: str, passes: int
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    clip = write_shots(tmp_path / "a.mkv")
    assert translate(clip, tmp_path / "whole", Normalizing(), deflicker).done == 1
    with pytest.raises(KeyboardInterrupt):
        translate(clip, tmp_path / "out", Normalizing(passes, tmp_path / "out"), deflicker)
    assert has_segment(tmp_path / "out")
    assert translate(clip, tmp_path / "out", Normalizing(), deflicker).done == 1
    continued, whole = (tmp_path / folder / "a.mkv" for folder in ("out", "whole"))
    assert clips.read_times(continued) == clips.read_times(whole)
    np.testing.assert_array_equal(clips.read_pixels(continued), clips.read_pixels(whole))


def test_a_clip_with_another_option_is_translated_again(tmp_path: Path) -> None:
    clip = write_shots(tmp_path / "a.mkv")
    for deflicker, done in (("none", 1), ("none", 0), ("statistics", 1), ("statistics", 0)):
        assert translate(clip, tmp_path / "out", Normalizing(), deflicker).done == done


def test_filter_without_opencv_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)  # makes importing it raise ImportError
    clip = clips.write_clip(tmp_path / "a.mkv")
    outcome = translate(clip, tmp_path / "out", Known(), "filter")
    ((_, reason),) = outcome.failed
    assert "cv2" in reason and "unpaired[video]" in reason
    assert translate(clip, tmp_path / "out", Known(), "statistics").done == 1
