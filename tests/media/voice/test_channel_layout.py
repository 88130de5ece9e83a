from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from unpaired.media.voice.audio_inspection import inspect_audio
from unpaired.media.voice.audio_io import read
from unpaired.media.voice.channel_layout import RunningMixer, choose_layout
from unpaired.media.voice.conversion import convert_file
from unpaired.media.voice.features import VoiceFeatures
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import VoiceSettings

RATE = 16000
Sound = npt.NDArray[np.float32]


def voice(f0: float, seconds: float = 1.5) -> Sound:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * k * f0 * time) / k for k in range(1, 20)) * (1 + 0.5 * np.sin(2 * np.pi * 3 * time))
    noise = 0.01 * np.random.default_rng(round(f0)).standard_normal(len(time))
    return np.asarray(0.1 * wave + noise, np.float32)


def store(path: Path, *channels: Sound) -> Path:
    soundfile.write(path, np.stack(channels, 1), RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize("factor", [-1.0, -0.5, -0.9])
def test_channels_that_cancel_each_other_are_not_mixed(tmp_path: Path, factor: float) -> None:
    wave = voice(200)
    path = store(tmp_path / "a.wav", wave, np.float32(factor) * wave)
    inspection = inspect_audio(path)
    assert len(inspection.active_channels) == 1 and "channel" in " ".join(inspection.notes)
    assert read(path, RATE).wave.std() > 0.7 * wave.std()


def test_channels_that_do_not_cancel_are_mixed(tmp_path: Path) -> None:
    for other in (voice(200), voice(120), np.float32(0.1) * voice(200)):
        inspection = inspect_audio(store(tmp_path / "a.wav", voice(200), other))
        assert inspection.active_channels == (0, 1) and inspection.notes == ()


def test_choose_layout_separates_different_voices(tmp_path: Path) -> None:
    wave = voice(200)
    same = choose_layout(inspect_audio(store(tmp_path / "a.wav", wave, np.float32(0.25) * wave)), "keep")
    assert same.streams == ((0, 1),) and same.channels == 2
    assert np.isclose(same.gains[0, 0] / same.gains[1, 0], 4, rtol=0.01)
    inverted = choose_layout(inspect_audio(store(tmp_path / "a.wav", wave, -wave)), "keep")
    assert np.isclose(inverted.gains[0, 0], -inverted.gains[1, 0], rtol=0.01)
    two = choose_layout(inspect_audio(store(tmp_path / "a.wav", wave, voice(110), 0 * wave)), "keep")
    assert two.streams == ((0,), (1,)) and two.gains.tolist() == [[1, 0], [0, 1], [0, 0]]
    mono = choose_layout(inspect_audio(store(tmp_path / "a.wav", wave, voice(110))), "mono")
    assert mono.channels == 1 and mono.streams == ((0, 1),)


def keep(features: VoiceFeatures) -> VoiceFeatures:
    return features


def test_stereo_input_gives_stereo_output(tmp_path: Path) -> None:
    representation = build_representation(VoiceSettings())
    left, right = voice(210), voice(110)
    source = store(tmp_path / "in.wav", left, right)
    notes = convert_file(source, tmp_path / "out.wav", representation, keep, channel_mode="keep")
    sound, rate = soundfile.read(tmp_path / "out.wav", always_2d=True)
    assert sound.shape == (len(left), 2) and rate == RATE and "2 channels" in " ".join(notes)
    spectra = np.abs(np.fft.rfft(sound[:RATE], axis=0))
    assert [int(spectra[60:400, i].argmax()) + 60 for i in range(2)] == pytest.approx([210, 110], abs=4)
    convert_file(source, tmp_path / "mono.wav", representation, keep)
    assert soundfile.info(tmp_path / "mono.wav").channels == 1


def test_running_mixer_keeps_the_loudest_of_channels_that_cancel() -> None:
    wave = voice(200)
    blocks = [np.stack([part, -part], 1) for part in np.array_split(wave, 20)]
    mixed = np.concatenate(list(RunningMixer(2, 6.5).mix(blocks)))
    assert np.array_equal(mixed, wave)
    same = np.concatenate(list(RunningMixer(2, 6.5).mix([np.abs(block) for block in blocks])))
    assert np.allclose(same, np.abs(wave))
