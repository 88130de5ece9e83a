"""Streams of frames translated with less flicker: shots share statistics, order and memory, exported networks."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.moving_clips import View, make_clip, make_texture
from unpaired.media.image.image_io import FloatArray
from unpaired.media.image.settings import ImageTranslateOptions
from unpaired.media.image.tiled_pass import TiledPass
from unpaired.media.video.deflicker import (
    LOOKAHEAD_FRAMES,
    SAMPLE_FRAMES,
    group_by_shot,
    sample,
    to_frame,
    translate_shots,
)
from unpaired.media.video.flow import Frame
from unpaired.media.video.flow_filter import FlowFilter
from unpaired.media.video.warping_error import measure_warping_error
from unpaired.translate.torch_network import TorchNetwork

sys.path.insert(0, str(Path(__file__).parents[2] / "methods"))
from tiny_methods import build

SIZE = 32


def values(frame: Frame) -> FloatArray:
    return np.asarray(frame.transpose(2, 0, 1) / 127.5 - 1, np.float32)


def shot(seed: int, tint: float, frames: int) -> list[FloatArray]:
    picture = np.asarray(make_texture(100, 100, seed) * tint, np.uint8)
    views = [View(35 + 1.5 * t, 50, 1 + 0.02 * t) for t in range(frames)]
    return [values(frame) for frame in make_clip(picture, views, SIZE).frames]


def network_pass(tile: Any = "auto") -> TiledPass:
    method = build("cyclegan", size=SIZE).float().eval().requires_grad_(False)
    request: Any = SimpleNamespace(options=ImageTranslateOptions(tile=tile), route=method.routes[0], label_request=None)
    return TiledPass(TorchNetwork(method, torch.device("cpu")), 3, request)


def run(frames: Iterable[FloatArray], deflicker: str = "statistics", tile: Any = "auto") -> list[FloatArray]:
    if deflicker == "none":
        return list(network_pass().apply(np.stack(list(frames)), False, None))
    flow_filter = FlowFilter() if deflicker == "filter" else None
    return [y for _, y in translate_shots(network_pass(tile), frames, lambda x: x, flow_filter)]


def test_shots_have_statistics_of_their_own() -> None:
    first, second = shot(0, 1, 5), shot(1, 0.3, 7)
    joined = run([*first, *second], "statistics")
    alone = [*run(first, "statistics"), *run(second, "statistics")]
    assert np.allclose(np.stack(joined), np.stack(alone), atol=1e-5)
    tiles = run(first, "statistics", tile=32)
    assert np.allclose(np.stack(tiles), np.stack(joined[:5]), atol=1e-4)


def test_equal_frames_are_translated_as_on_their_own() -> None:
    frames = [shot(0, 1, 1)[0]] * 3
    assert np.allclose(np.stack(run(frames, "statistics")), np.stack(run(frames, "none")), atol=1e-5)


def test_a_dark_object_does_not_change_the_rest() -> None:
    """With statistics of its own, a frame changes everywhere if something enters it; with those of its shot less."""
    base = shot(0, 1, 1)[0]
    entered = base.copy()
    entered[:, :10, :10] = -1
    frames = [base, entered, base, entered]

    def change(deflicker: str) -> float:
        before, after, *_ = run(frames, deflicker)
        return float(np.abs(after - before)[:, 24:, 24:].mean())

    assert change("statistics") < 0.2 * change("none")


def test_filter_lowers_the_warping_error() -> None:
    picture = make_texture(100, 100)
    clip = make_clip(picture, [View(40 + 1.3 * t, 50) for t in range(8)], SIZE)
    noise = np.random.default_rng(0)
    frames = [values(frame) + noise.normal(0, 0.05, (3, SIZE, SIZE)).astype(np.float32) for frame in clip.frames]
    shown = [to_frame(frame) for frame in frames]

    def error(deflicker: str) -> float:
        return measure_warping_error(shown, [to_frame(y) for y in run(frames, deflicker)], clip.motions).translation

    assert error("filter") < 0.6 * error("statistics")


def test_stream_is_read_as_far_as_needed() -> None:
    read = 0
    first = shot(0, 1, 1)[0]

    def stream() -> Iterator[FloatArray]:
        nonlocal read
        for _ in range(1000):
            read += 1
            yield first

    translated = translate_shots(network_pass(), stream(), lambda x: x, FlowFilter())
    for _ in range(3):
        next(translated)
    assert read <= LOOKAHEAD_FRAMES + 8


@pytest.mark.parametrize("deflicker", ["statistics", "filter"])
def test_empty_and_single_frames(deflicker: str) -> None:
    assert run([], deflicker) == []
    assert len(run(shot(0, 1, 1), deflicker)) == 1


def test_first_frames_of_shots_are_reported() -> None:
    frames = list(enumerate([*shot(0, 1, 4), *shot(1, 0.3, 3)]))
    starts: list[int] = []
    list(translate_shots(network_pass(), frames, lambda item: item[1], on_shot=lambda item: starts.append(item[0])))
    assert starts == [0, 4]


def test_samples_are_spread_over_the_waiting_frames() -> None:
    assert sample([7]) == [7] and sample([1, 2, 3]) == [1, 2, 3]
    assert sample(list(range(48))) == [0, 9, 19, 28, 38, 47] and len(sample(list(range(48)))) == SAMPLE_FRAMES


def test_groups_are_the_shots() -> None:
    frames = [to_frame(x) for x in [*shot(0, 1, 4), *shot(1, 0.3, 3)]]
    assert [len(list(group)) for group in group_by_shot(frames, lambda x: x)] == [4, 3]
