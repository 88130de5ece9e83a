from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from voice_sounds import buzz

from unpaired.errors import UnreadableFileError, UsageError
from unpaired.media.voice import conversion, world
from unpaired.media.voice.audio_io import read
from unpaired.media.voice.chunking import CrossFade, WindowSizes, convert_windows, split_into_windows
from unpaired.media.voice.conversion import convert_file, convert_waves, make_feature_converter, wrap_with_normalisation
from unpaired.media.voice.features import Floats, VoiceFeatures
from unpaired.media.voice.loudness import measure_loudness
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.world import World

WORLD = World()
LAYOUT = (("values", 2), ("level", 1))


def noise(frames: int) -> VoiceFeatures:
    return VoiceFeatures(np.random.default_rng(0).normal(size=(3, frames)).astype(np.float32), LAYOUT)


def pieces(features: VoiceFeatures, size: int) -> list[VoiceFeatures]:
    return [features.slice_frames(start, start + size) for start in range(0, features.num_frames, size)]


def whole(stream: list[VoiceFeatures]) -> Floats:
    return np.concatenate([part.rows for part in stream], 1)


def blurred(reach: int) -> conversion.FeatureConverter:
    """Return a converter whose receptive field is `reach` frames to either side."""

    def apply(features: VoiceFeatures) -> VoiceFeatures:
        kernel = np.ones(2 * reach + 1) / (2 * reach + 1)
        return features.replace_groups(
            values=[np.convolve(np.pad(row, reach), kernel, "valid") for row in features.values]
        )

    return apply


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
@pytest.mark.parametrize("frames", [1, 39, 40, 41, 200, 333])
def test_windows_with_enough_context_equal_one_call(frames: int, size: int) -> None:
    features = noise(frames)
    windows = WindowSizes(core=20, context=10, fade=6)
    stream = list(convert_windows(pieces(features, size), blurred(10), windows))
    np.testing.assert_allclose(whole(stream), blurred(10)(features).rows, atol=1e-5)
    np.testing.assert_array_equal(whole(stream)[2:], features["level"])  # unchanged groups are bit-identical


def test_windows_with_different_results_are_cross_faded() -> None:
    seen: list[int] = []

    def shifting(features: VoiceFeatures) -> VoiceFeatures:  # another result in each window
        seen.append(features.num_frames)
        return features.replace_groups(values=np.full((2, features.num_frames), len(seen)))

    out = whole(list(convert_windows([noise(200)], shifting, WindowSizes(core=50, context=10, fade=10))))[0]
    assert out.shape == (200,)
    assert seen == [65, 80, 80, 65][: len(seen)]
    assert set(out[:40]) == {1.0} and out[-1] == len(seen)
    assert np.abs(np.diff(out)).max() < 0.11  # a tenth per frame, without a jump


def test_memory_use_is_that_of_a_window() -> None:
    sizes = [window.features.num_frames for window in split_into_windows(pieces(noise(5000), 3), 100, 20)]
    assert max(sizes) <= 141
    assert sum(sizes) >= 5000


def test_cross_fade_of_zero_length_concatenates() -> None:
    fade = CrossFade(0)
    a, b = np.arange(3, dtype=np.float32), np.arange(4, dtype=np.float32)
    np.testing.assert_array_equal(np.concatenate([fade.join(a, False), fade.join(b, True)]), [0, 1, 2, 0, 1, 2, 3])


def statistics(mean: float, deviation: float, f0: float = 5.0) -> SpeakerStatistics:
    return SpeakerStatistics(
        mean=(mean,) * 24,
        std=(deviation,) * 24,
        scale=(deviation,) * 24,
        log_f0_mean=f0,
        log_f0_std=0.2,
        voiced_fraction=0.5,
        lufs=-23.0,
        frames=100,
    )


def test_networks_get_normalized_values_padded_to_a_multiple() -> None:
    shapes = []

    def network(scores: Floats) -> Floats:
        shapes.append((scores.shape, str(scores.dtype)))
        return scores

    apply = wrap_with_normalisation(network, statistics(1, 2), statistics(10, 4))
    values = np.full((24, 9), 3, np.float32)
    np.testing.assert_allclose(apply(values), np.full((24, 9), 14))  # one standard deviation above either mean
    assert shapes == [((1, 24, 12), "float32")]


def test_feature_converter_changes_only_values_and_f0() -> None:
    features = WORLD.analyse(buzz(1))
    out = make_feature_converter(lambda values: values + 1, statistics(0, 1, 4.8), statistics(0, 1, 5.8))(features)
    np.testing.assert_allclose(out.values, features.values + 1, rtol=1e-6)
    np.testing.assert_allclose(out["f0"], features["f0"] * np.e, rtol=1e-5)
    for name in ("energy", "aperiodicity", "level"):
        np.testing.assert_array_equal(out[name], features[name])


def unchanged(features: VoiceFeatures) -> VoiceFeatures:
    return features


@pytest.mark.parametrize("samples", [1600, 16000, 16001, 16079, 100_003])
def test_output_has_the_length_of_the_input(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "CHUNK_SECONDS", 1)
    wave = buzz(samples / 16000)
    assert sum(map(len, convert_waves(np.array_split(wave, 3), WORLD, unchanged, WindowSizes(200)))) == samples


@pytest.mark.parametrize("representation", [WORLD, Mel("griffin-lim")])
def test_converted_file_has_the_loudness_of_the_source(tmp_path: Path, representation: World | Mel) -> None:
    wave = 0.2 * buzz(3, 44100)
    soundfile.write(tmp_path / "in.flac", wave, 44100)
    assert convert_file(tmp_path / "in.flac", tmp_path / "out.wav", representation, unchanged) == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.flac", "out.wav"]
    out = read(tmp_path / "out.wav", 16000)
    assert out.seconds == pytest.approx(3, abs=1e-3)
    assert measure_loudness(out.wave, 16000) == pytest.approx(measure_loudness(wave, 44100), abs=0.3)
    assert soundfile.info(tmp_path / "out.wav").samplerate == representation.sample_rate_hz


def test_silence_stays_silent(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(16000), 16000)
    notes = convert_file(tmp_path / "in.wav", tmp_path / "out.wav", WORLD, unchanged)
    assert notes == ("silent: its loudest sample is digital zero",)
    assert np.abs(read(tmp_path / "out.wav", 16000).wave).max() < 1e-3


def test_loud_input_does_not_clip(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.clip(20 * buzz(2), -1, 1), 16000)
    notes = convert_file(tmp_path / "in.wav", tmp_path / "out.wav", WORLD, unchanged)
    assert [note.split(":")[0].split(" is ")[0] for note in notes] == ["clipped", "the output"]
    assert np.abs(read(tmp_path / "out.wav", 16000).wave).max() < 0.995


def test_conversion_errors_leave_no_files(tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_text("hello")
    with pytest.raises(UnreadableFileError, match=r"talk\.wav"):
        convert_file(tmp_path / "talk.wav", tmp_path / "out.wav", WORLD, unchanged)
    soundfile.write(tmp_path / "good.wav", buzz(1), 16000)
    with pytest.raises(UsageError, match="cannot write"):
        convert_file(tmp_path / "good.wav", tmp_path / "out.mp3", WORLD, unchanged)

    def fails(features: VoiceFeatures) -> VoiceFeatures:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        convert_file(tmp_path / "good.wav", tmp_path / "out.wav", WORLD, fails)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good.wav", "talk.wav"]
