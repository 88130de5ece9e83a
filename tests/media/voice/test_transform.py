from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from content_fakes import FakeEncoder
from open_files import no_more_open_files
from voice_worlds import SMALL, buzz, speaker

from unpaired.data.batches import BatchLoader
from unpaired.data.domain import Domain
from unpaired.data.folders import discover
from unpaired.data.split import split_files
from unpaired.errors import ResourceLimitError, UnreadableFileError, WorkError
from unpaired.media.voice.audio_io import write
from unpaired.media.voice.cache import Cache
from unpaired.media.voice.content.features import ContentAnalyser
from unpaired.media.voice.inspection import analyse_recordings, inspect_recordings
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.statistics import compute_statistics
from unpaired.media.voice.transform import VoiceTransform, add_speech_margin, iterate_paths


@pytest.fixture
def voices(tmp_path: Path) -> VoiceTransform:
    return VoiceTransform(SMALL, Cache(tmp_path / "cache"))


def batches_of(root: Path, voices: VoiceTransform) -> BatchLoader:
    found = discover([root])
    sets = [split_files(files, 0, 0) for files in found]
    domains = []
    for files in found:
        entries = voices.analyse(list(iterate_paths(files.train))).entries
        statistics = compute_statistics((e.load_features(), e.detect_speech(), e.lufs) for e in entries)
        domains.append(Domain(name=files.name, sources=(), statistics=statistics))
    return BatchLoader(domains, sets, voices, 0, workers=0)


def create_domain(rows: int) -> Domain:
    statistics = SpeakerStatistics(
        mean=(0.0,) * rows,
        std=(1.0,) * rows,
        scale=(1.0,) * rows,
        log_f0_mean=5.0,
        log_f0_std=0.2,
        voiced_fraction=0.5,
        lufs=-23,
        frames=9,
    )
    return Domain(name="a", sources=(), statistics=statistics)


def test_crops_are_normalized_speech_and_deterministic(tmp_path: Path, voices: VoiceTransform) -> None:
    root = tmp_path / "voices"
    for i, name in enumerate("ab"):
        speaker(root, name, 110 + 60 * i, (1.0, 1.5))
    batches = batches_of(root, voices)
    batch = batches.load_batch(3, 0, 1, 4)
    assert batch["X"].shape == (4, 1, 12, 32) and batch["X"].dtype == torch.float32
    assert torch.equal(batches_of(root, voices).load_batch(3, 0, 1, 4)["Y"], batch["Y"])
    seen = torch.cat([batches.load_batch(step, 0, 1, 8)["X"] for step in range(8)])
    assert seen.mean().abs() < 0.3 and 0.6 < seen.std() < 1.4
    assert len({float(x) for x in seen[:, 0, 0, 0]}) > 30


def test_files_are_visited_once_per_crop(tmp_path: Path, voices: VoiceTransform) -> None:
    speaker(tmp_path / "voices", "a", 110, (0.4, 2.0))
    (files,) = discover([speaker(tmp_path / "voices", "b", 110, (0.4,)).parent / "a", tmp_path / "voices" / "b"])[:1]
    visits = voices.list_visits(files.train)
    counts = np.bincount(visits)
    assert counts[0] >= 1 and counts[1] >= 4 * counts[0]


def test_short_recordings_are_repeated_and_long_ones_cropped(voices: VoiceTransform) -> None:
    short = np.arange(2 * 20, dtype=np.float32).reshape(2, 20)
    crop = voices.crop(short, (0, 0, 0))
    assert crop.shape == (1, 2, 32) and crop[0, 0].tolist() == [*range(20), *range(12)]
    assert voices.crop_for_evaluation(short).shape == (1, 2, 32)
    long = np.arange(300, dtype=np.float32)[None]
    assert voices.crop(long, (0.9999, 0, 0))[0, 0, -1] == 299 and voices.crop(long, (0, 0, 0))[0, 0, 0] == 0
    assert voices.crop_for_evaluation(long).shape == (1, 1, 256) and voices.crop_for_evaluation(long)[0, 0, 0] == 22
    assert voices.crop_for_evaluation(long[:, :47]).shape == (1, 1, 44)


def test_speech_keeps_a_margin() -> None:
    speech = np.zeros(100, bool)
    speech[40:50] = True
    assert np.flatnonzero(add_speech_margin(speech, 0.005)).tolist() == list(range(30, 60))
    assert not add_speech_margin(np.zeros(5, bool), 0.005).any()


def test_load_raises_unreadable_file_error_for_other_files(tmp_path: Path, voices: VoiceTransform) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    with pytest.raises(UnreadableFileError, match="WAV, FLAC"):
        voices.load(tmp_path / "a.wav", create_domain(12), training=True)


@pytest.mark.parametrize("deleted", ["features", "content"])
def test_recordings_whose_analysis_was_deleted_are_analysed_again(tmp_path: Path, deleted: str) -> None:
    speaker(tmp_path, "a", 110, (0.5, 0.6))
    cache, content = Cache(tmp_path / "cache"), ContentAnalyser(FakeEncoder(), 10)
    voices = VoiceTransform(SMALL, cache, content)
    path, domain = tmp_path / "a" / "00.wav", create_domain(12 + 3)  # and energy, one aperiodicity, voicing
    rows = voices.load(path, domain, training=True)
    (features,) = voices.get_entries([path])
    entry = features if deleted == "features" else cache.analyse([path], content).entries[0]
    entry.rows_path.unlink()
    np.testing.assert_array_equal(voices.load(path, domain, training=True), rows)
    entry.rows_path.unlink()
    assert voices.get_entries([path]) == [features] and entry.rows_path.is_file()
    for file in (entry.rows_path, path):
        file.unlink()
    with pytest.raises(UnreadableFileError, match=r"00\.wav"):
        voices.load(path, domain, training=True)
    assert voices.get_entries([path]) == []


def test_known_analyses_are_not_searched_in_the_cache_again(
    tmp_path: Path, voices: VoiceTransform, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker(tmp_path, "a", 110, (0.5, 0.6))
    paths, domain = sorted((tmp_path / "a").iterdir()), create_domain(12)
    entries = voices.get_entries(paths)
    monkeypatch.delattr(Cache, "analyse")
    assert voices.get_entries(paths) == entries and voices.load(paths[0], domain, training=True).size


def test_a_cached_analysis_that_cannot_be_read_names_the_recording(
    tmp_path: Path, voices: VoiceTransform, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaker(tmp_path, "a", 110, (0.5,))
    path, domain = tmp_path / "a" / "00.wav", create_domain(12)
    (entry,) = voices.get_entries([path])
    with no_more_open_files(path), pytest.raises(ResourceLimitError, match=r"00\.wav"):
        voices.load(path, domain, training=True)
    entry.rows_path.write_bytes(b"short")
    with pytest.raises(UnreadableFileError, match=rf"00\.wav.*{entry.rows_path}"):
        voices.load(path, domain, training=True)


def test_analyses_of_the_run_stay_in_a_full_cache(tmp_path: Path) -> None:
    speaker(tmp_path, "a", 110, (0.5, 0.6, 0.7))
    files = sorted((tmp_path / "a").iterdir())
    voices = VoiceTransform(SMALL, Cache(tmp_path / "cache", max_bytes=0), ContentAnalyser(FakeEncoder(), 10))
    for path in files:
        voices.analyse([path])
    assert len(list((tmp_path / "cache").glob("*.rows"))) == 6
    assert len(voices.get_entries(files)) == 3 and len(list((tmp_path / "cache").glob("*.rows"))) == 6


def test_inspection_reports_unusable_files_and_short_domains(tmp_path: Path, voices: VoiceTransform) -> None:
    place = speaker(tmp_path, "a", 110, (1.0, 1.2))
    (place / "text.wav").write_text("no sound")
    write(place / "zero.wav", np.zeros(16000, np.float32), 16000)
    write(place / "narrow.wav", buzz(1.0, 8000), 8000)
    speaker(tmp_path, "b", 170, (0.3,))
    files = discover([tmp_path / "a", tmp_path / "b"])
    for found in (inspect_recordings(files, SMALL), analyse_recordings(files, voices)):
        one = found.domains[0]
        assert {Path(path).name for path in found.unreadable} == {"text.wav", "zero.wav"} and one.usable_count == 3
        assert any("only 3 s of sound" in words or "only 2 s" in words for words in found.warnings)
        assert any("narrow.wav: its sample rate is 8000 Hz" in words for words in found.warnings)
        assert any("2 files cannot be used" in words for words in found.warnings)
        assert len(found.errors) == 1 and "domain 'b' has 0." in found.errors[0]
        with pytest.raises(WorkError, match="two crops"):
            found.require_usable()
    text = inspect_recordings(files, SMALL).format_text(SMALL)
    assert "16000 Hz, mono: 2; 8000 Hz, mono: 1" in text or "16000 Hz, mono: 2" in text
    assert "Training is impossible" in text
