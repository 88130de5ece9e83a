"""Training examples of clips with a temporal weight: the neighbor frame, and the motion to it."""

from __future__ import annotations

from pathlib import Path

import clips
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tiny_runs import domain

from unpaired.media.video.settings import VideoSettings
from unpaired.media.video.transform import VideoTransform

SIZE, SPEED = 64, 2


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def make_transform(**more: float) -> VideoTransform:
    settings = {"size": SIZE, "load_size_ratio": 1.0, "resize_mode": "scale", "channels": 3, "flip": True}
    return VideoTransform(
        VideoSettings.model_validate({**settings, "frames_per_second": 25, "temporal_weight": 1.0, **more})
    )


def write_pan(path: Path, cut: int | None = None) -> Path:
    """Write frames over a random texture that moves SPEED pixels to the left in each; from `cut` on it is bright."""
    draws = np.random.default_rng(0)
    small = Image.fromarray(draws.integers(0, 255, (16, 24, 3), np.uint8))
    texture = np.asarray(small.resize((96, 64), Image.Resampling.BICUBIC))
    frames = [texture[:, SPEED * i : SPEED * i + SIZE] for i in range(6)]
    frames = [255 - frame // 4 if cut is not None and i >= cut else frame for i, frame in enumerate(frames)]
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=40)
    return path


def split(example: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], ...]:
    """Return frame, neighbor, flow and visible pixels."""
    return example[..., :3], example[..., 3:6], example[..., 6:8], example[..., 8]


def test_the_neighbor_is_the_previous_frame_and_the_flow_leads_to_it(tmp_path: Path) -> None:
    path = write_pan(tmp_path / "a.png")
    transform = make_transform()
    assert transform.context_channels == 6
    item = transform.load(path / "0003", domain("photos"), training=True)
    frame, neighbor, flow, visible = split(item)
    previous = transform.load(path / "0002", domain("photos"), training=False)
    np.testing.assert_allclose(neighbor, previous / 127.5 - 1, atol=1e-6)
    assert item.dtype == np.float32 and np.abs(frame).max() <= 1
    inner = visible[8:-8, 8:-8] == 1
    assert inner.mean() > 0.9
    np.testing.assert_allclose(np.median(flow[8:-8, 8:-8][inner], axis=0), [SPEED, 0], atol=0.2)


def test_a_mirrored_example_has_a_mirrored_motion(tmp_path: Path) -> None:
    transform = make_transform()
    item = transform.load(write_pan(tmp_path / "a.png") / "0003", domain("photos"), training=True)
    plain, mirrored = (transform.crop(item, (0.0, 0.0, value)) for value in (0.9, 0.1))
    expected = plain[:, ::-1].copy()
    expected[..., 6] *= -1
    np.testing.assert_array_equal(mirrored, expected)
    assert transform.to_tensor(plain[None]).shape == (1, 9, SIZE, SIZE)


def test_the_neighbor_of_the_first_frame_is_the_next_one(tmp_path: Path) -> None:
    item = make_transform().load(write_pan(tmp_path / "a.png") / "0001", domain("photos"), training=True)
    _, _, flow, visible = split(item)
    assert np.median(flow[8:-8, 8:-8, 0]) == pytest.approx(-SPEED, abs=0.2) and visible.mean() > 0.8


def test_pictures_and_cuts_have_no_neighbor(tmp_path: Path) -> None:
    Image.fromarray(clips.make_pixels(0, SIZE, SIZE)).save(tmp_path / "still.png")
    cut = write_pan(tmp_path / "cut.png", cut=2)
    for path in (tmp_path / "still.png", cut / "0003"):
        item = make_transform().load(path, domain("photos"), training=True)
        assert item.shape[2] == 9 and not item[..., 3:].any()
    assert make_transform().load(cut / "0004", domain("photos"), training=True)[..., 8].any()


def test_without_the_weight_and_in_evaluation_there_are_frames_alone(tmp_path: Path) -> None:
    path = write_pan(tmp_path / "a.png") / "0003"
    assert make_transform(temporal_weight=0.0).context_channels == 0
    assert make_transform(temporal_weight=0.0).load(path, domain("photos"), training=True).shape[2] == 3
    assert make_transform().load(path, domain("photos"), training=False).shape[2] == 3
