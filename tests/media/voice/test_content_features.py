from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from content_fakes import FakeEncoder
from voice_sounds import buzz

from unpaired.media.voice.cache import Cache
from unpaired.media.voice.chunking import analyse_stream
from unpaired.media.voice.content.features import ContentAnalyser, interpolate_frames


@pytest.fixture
def analyser() -> ContentAnalyser:
    return ContentAnalyser(FakeEncoder(), 10)


@pytest.mark.parametrize("samples", [1, 319, 320, 1600, 16000, 16001])
def test_there_is_one_frame_per_20_ms_and_one_more(analyser: ContentAnalyser, samples: int) -> None:
    assert analyser.analyse(buzz(2)[:samples]).rows.shape == (10, samples // 320 + 1)


def test_frames_are_centred_at_multiples_of_20_ms(analyser: ContentAnalyser) -> None:
    wave = np.zeros(16000, np.float32)
    wave[320 * 20 : 320 * 20 + 100] = buzz(1)[4000:4100]  # 400 to 406 ms
    energy = np.abs(analyser.analyse(wave).rows).sum(0)
    assert abs(int(energy.argmax()) - 20) <= 1


def test_a_long_stream_is_encoded_in_windows_below_30_seconds_with_equal_features(analyser: ContentAnalyser) -> None:
    wave = buzz(65)
    blocks = list(analyse_stream(np.array_split(wave, 50), analyser))
    assert max(block.num_frames for block in blocks) <= 1400
    rows = np.concatenate([block.rows for block in blocks], 1)
    single = ContentAnalyser(FakeEncoder(), 10).analyse(wave[: 16000 * 20]).rows
    assert rows.shape[1] == len(wave) // 320 + 1 and np.abs(rows[:, :900] - single[:, :900]).max() < 0.05


def test_features_are_cached_by_content_and_encoder(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, buzz(1.0), 16000)
    cache = Cache(tmp_path / "cache")
    calls: list[str] = []

    class Counted(FakeEncoder):
        def encode(self, log_mel: np.ndarray) -> np.ndarray:
            calls.append(self.digest)
            return super().encode(log_mel)

    for digest in ("1", "1", "2"):
        entry = cache.analyse([path], ContentAnalyser(Counted(digest=digest), 10)).entries[0]
        assert entry.load_features()["content"].shape == (10, 51) and entry.frame_seconds == 0.02
    assert calls == ["1", "2"]


def test_interpolation_is_linear_and_stays_at_the_ends() -> None:
    content = np.array([[0.0, 4.0, 8.0]], np.float32)
    positions = np.array([0, 0.25, 1, 1.5, 2, 7], np.float32)
    assert interpolate_frames(content, positions).tolist() == [[0, 1, 4, 6, 8, 8]]
    assert interpolate_frames(content[:, :1], positions).tolist() == [[0] * 6]
