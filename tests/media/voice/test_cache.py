from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from voice_sounds import buzz

from unpaired.errors import WorkError
from unpaired.media.voice import cache, loudness
from unpaired.media.voice.cache import Cache, get_default_folder
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.statistics import compute_statistics, denormalise, normalise, unify_scales
from unpaired.media.voice.world import World

WORLD = World()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "speaker"
    folder.mkdir()
    for number in range(2):
        soundfile.write(folder / f"{number}.wav", 0.3 * buzz(1, hz=120 + 40 * number, seed=number), 16000)
    return sorted(folder.iterdir())


@pytest.fixture
def analysed_files(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record the files that are analysed instead of loaded from the cache."""
    analysed_files: list[Path] = []
    real = cache._analyse_and_store

    def counted(path: Path, *rest: object) -> object:
        analysed_files.append(path)
        return real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "_analyse_and_store", counted)
    return analysed_files


def test_features_are_those_of_the_wave_at_the_target_loudness(tmp_path: Path, files: list[Path]) -> None:
    calls: list[tuple[int, int, Path]] = []
    found = Cache(tmp_path / "cache").analyse(files, WORLD, progress=lambda *words: calls.append(words))
    assert calls == [(1, 2, files[0]), (2, 2, files[1])]
    assert [entry.source for entry in found.entries] == files and found.failures == ()
    entry = found.entries[0]
    wave, _ = soundfile.read(files[0], dtype="float32")
    assert entry.lufs == pytest.approx(loudness.measure_loudness(wave, 16000))
    expected = WORLD.analyse(wave * np.float32(loudness.compute_gain(entry.lufs)))
    np.testing.assert_allclose(entry.load_features().rows, expected.rows, rtol=1e-4, atol=1e-4)
    assert entry.seconds == pytest.approx(1, abs=0.01)
    assert 0.2 < entry.detect_speech().mean() <= 1


def test_a_file_is_analysed_once(tmp_path: Path, files: list[Path], analysed_files: list[Path]) -> None:
    store = Cache(tmp_path / "cache")
    first = store.analyse([*files, files[0]], WORLD)
    assert analysed_files == files
    assert store.analyse(files, WORLD) == first
    assert analysed_files == files
    twin = files[0].rename(files[0].with_name("renamed.wav"))  # the key is the content
    assert store.analyse([twin], WORLD).entries[0].rows_path == first.entries[0].rows_path
    assert analysed_files == files


def test_a_changed_file_or_setting_is_analysed_again(
    tmp_path: Path, files: list[Path], analysed_files: list[Path]
) -> None:
    store = Cache(tmp_path / "cache")
    before = store.analyse(files[:1], WORLD).entries[0]
    other = store.analyse(files[:1], World(order=30)).entries[0]
    assert len(other.load_features().values) == 30 and other.rows_path != before.rows_path
    soundfile.write(files[0], buzz(2), 16000)
    assert store.analyse(files[:1], WORLD).entries[0].num_frames == 401
    assert analysed_files == [files[0]] * 3


@pytest.mark.parametrize("harm", ["short", "flipped", "no rows", "no json", "bad json", "other json"])
def test_a_corrupt_entry_is_computed_again(
    tmp_path: Path, files: list[Path], analysed_files: list[Path], harm: str
) -> None:
    store = Cache(tmp_path / "cache")
    entry = store.analyse(files[:1], WORLD).entries[0]
    rows, about, good = entry.rows_path, entry.rows_path.with_suffix(".json"), entry.rows_path.read_bytes()
    harms: dict[str, Callable[[], object]] = {
        "short": lambda: rows.write_bytes(good[:-400]),
        "flipped": lambda: rows.write_bytes(good[:1000] + bytes([good[1000] ^ 1]) + good[1001:]),
        "no rows": rows.unlink,
        "no json": about.unlink,
        "bad json": lambda: about.write_text("{"),
        "other json": lambda: about.write_text("[]"),
    }
    harms[harm]()
    store.analyse(files[:1], WORLD)
    assert analysed_files == files[:1] * 2
    assert rows.read_bytes() == good


def test_unusable_files_are_reported_and_the_others_analysed(tmp_path: Path, files: list[Path]) -> None:
    text, silent, short = (tmp_path / name for name in ("talk.wav", "silent.wav", "short.wav"))
    text.write_text("hello")
    soundfile.write(silent, np.zeros(16000), 16000)
    soundfile.write(short, buzz(0.01), 16000)
    found = Cache(tmp_path / "cache").analyse([text, files[0], silent, tmp_path / "none.wav", short], WORLD)
    assert [entry.source for entry in found.entries] == files[:1]
    reasons = {Path(failure.path).name: failure.reason for failure in found.failures}
    assert list(reasons) == ["talk.wav", "silent.wav", "none.wav", "short.wav"]
    assert "supported sound format" in reasons["talk.wav"] and "is silent" in reasons["silent.wav"]
    assert "10 ms" in reasons["short.wav"] and "No such file" in reasons["none.wav"]
    assert sorted({path.suffix for path in (tmp_path / "cache").iterdir()}) == [".json", ".rows"]


def test_files_of_different_rates_are_analysed_at_one_rate(tmp_path: Path) -> None:
    for rate in (8000, 22050, 48000):
        soundfile.write(tmp_path / f"{rate}.wav", buzz(1, rate), rate)
    found = Cache(tmp_path / "cache").analyse(sorted(tmp_path.glob("*.wav")), WORLD)
    assert {entry.num_frames for entry in found.entries} <= {201, 202}
    assert [len(entry.notes) for entry in found.entries] == [0, 0, 1]  # 22050, 48000, 8000


def test_least_recently_used_entries_are_evicted(tmp_path: Path, files: list[Path]) -> None:
    import os

    folder = tmp_path / "cache"
    for age, path in enumerate(files):
        rows = Cache(folder).analyse([path], WORLD).entries[0].rows_path
        os.utime(rows, (1000 - age, 1000 - age))
    size = rows.stat().st_size
    third = tmp_path / "third.wav"
    soundfile.write(third, buzz(1, seed=9), 16000)
    kept = Cache(folder, max_bytes=2 * size).analyse([third], WORLD).entries[0]
    left = {path.stem for path in folder.iterdir()}
    assert rows.stem not in left and kept.rows_path.stem in left and len(left) == 2
    Cache(folder, max_bytes=0).analyse([third], WORLD)
    assert {path.stem for path in folder.iterdir()} == {kept.rows_path.stem}  # entries in use are kept


def test_parallel_analysis_gives_equal_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", buzz(0.3, seed=number), 16000)
    (tmp_path / "9.wav").write_text("hello")
    paths = sorted(tmp_path.glob("*.wav"))
    alone = Cache(tmp_path / "a").analyse(paths, WORLD)
    monkeypatch.setattr(cache, "_MAX_INLINE_FILES", 0)
    calls: list[int] = []
    spread = Cache(tmp_path / "b").analyse(paths, WORLD, workers=2, progress=lambda done, *_: calls.append(done))
    assert calls == [1, 2, 3] and [entry.source for entry in spread.entries] == paths[:2]
    for one, other in zip(alone.entries, spread.entries, strict=True):
        assert one.rows_path.read_bytes() == other.rows_path.read_bytes()
    assert spread.failures[0].reason == alone.failures[0].reason


def test_default_folder_follows_xdg_cache_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert get_default_folder() == Path("/somewhere/unpaired/voice")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert get_default_folder() == Path.home() / ".cache/unpaired/voice"


def test_statistics_cover_all_speech_frames(tmp_path: Path, files: list[Path]) -> None:
    entries = Cache(tmp_path / "cache").analyse(files, WORLD).entries
    found = compute_statistics((entry.load_features(), entry.detect_speech(), entry.lufs) for entry in entries)
    frames = np.concatenate([entry.load_features().values[:, entry.detect_speech()] for entry in entries], 1).astype(
        np.float64
    )
    np.testing.assert_allclose(found.mean, frames.mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.std, frames.std(1), rtol=1e-5)
    f0 = np.concatenate([entry.load_features()["f0"][0, entry.detect_speech()] for entry in entries])
    assert found.log_f0_mean_std == pytest.approx((np.log(f0[f0 > 0]).mean(), np.log(f0[f0 > 0]).std()), rel=1e-4)
    assert found.voiced_fraction == pytest.approx((f0 > 0).mean())
    assert found.lufs == pytest.approx(np.mean([entry.lufs for entry in entries]))
    assert SpeakerStatistics.model_validate_json(found.model_dump_json()) == found

    scores = normalise(frames.astype(np.float32), found)
    np.testing.assert_allclose(scores.mean(1), 0, atol=1e-4)
    np.testing.assert_allclose(scores.std(1), 1, atol=1e-4)
    np.testing.assert_allclose(denormalise(scores, found), frames, atol=1e-5)


def test_unified_scales_keep_relative_weights_of_coefficients() -> None:
    """Deviations (4, 1) and (1, 1) have the geometric means (2, 1), whose root mean square is sqrt(2.5)."""
    frames = np.random.default_rng(0).standard_normal((2, 10_000))
    frames = (frames - frames.mean(1, keepdims=True)) / frames.std(1, keepdims=True)
    a, b = unify_scales([described((4.0, 1.0)), described((1.0, 1.0))])
    np.testing.assert_allclose(a.scale, np.array([2, 1]) * np.sqrt(2.5), rtol=1e-6)
    np.testing.assert_allclose(b.scale, np.array([0.5, 1]) * np.sqrt(2.5), rtol=1e-6)
    scores = [normalise(frames * np.array(s.std)[:, None], s) for s in (a, b)]
    for each in scores:
        np.testing.assert_allclose(each.std(1), np.array([2, 1]) / np.sqrt(2.5), rtol=1e-4)
        assert np.square(each).mean() == pytest.approx(1, rel=1e-4)


def described(deviation: tuple[float, ...]) -> SpeakerStatistics:
    return SpeakerStatistics(
        mean=(0.0,) * len(deviation),
        std=deviation,
        scale=deviation,
        log_f0_mean=None,
        log_f0_std=None,
        voiced_fraction=None,
        lufs=-23,
        frames=9,
    )


def test_statistics_raise_work_error_without_speech() -> None:
    features = WORLD.analyse(buzz(0.2))
    with pytest.raises(WorkError, match="no speech"):
        compute_statistics([(features, np.zeros(features.num_frames, np.bool_), -23.0)])


def test_unvoiced_speech_has_no_f0_statistics() -> None:
    features = WORLD.analyse(buzz(0.5))
    whisper = features.replace_groups(f0=np.zeros(features.num_frames))
    found = compute_statistics([(whisper, np.ones(features.num_frames, np.bool_), -23.0)])
    assert found.log_f0_mean_std is None and found.voiced_fraction == 0
