"""The encoder in torch against CTranslate2, and the log-mel spectrum that reaches it with gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unpaired.errors import UsageError
from unpaired.media.voice.audio_io import Wave, read, resample
from unpaired.media.voice.content.differentiable_log_mel import LogMelDecoder, interpolate_frames, scale_log_mel
from unpaired.media.voice.content.encoder import find_content_encoder, is_content_encoder_installed
from unpaired.media.voice.content.log_mel import compute_log_mel
from unpaired.media.voice.features import Representation
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.world import World
from unpaired.networks.whisper import WhisperBlock
from unpaired.packages import find_package_folder

needs_encoder = pytest.mark.skipif(
    not is_content_encoder_installed(), reason="unpaired[voice-content] is not installed"
)


def find_speech() -> Path | None:
    """Return a recording of a person from an installed package."""
    folder = find_package_folder("gradio")
    path = None if folder is None else folder / "media_assets" / "audio" / "recording1.wav"
    return path if path is not None and path.is_file() else None


@needs_encoder
@pytest.mark.skipif(find_speech() is None, reason="gradio, whose recording of speech is used, is not installed")
def test_the_network_equals_ctranslate2_on_speech(with_content_encoder: None) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    path = find_speech()
    assert path is not None
    wave = read(path, 16000).wave
    log_mel = compute_log_mel(wave[: len(wave) // 320 * 320])
    encoder = find_content_encoder(depth=1)
    with torch.no_grad():
        features = encoder.load_network()(torch.from_numpy(log_mel)[None])[0]
    model = ctranslate2.models.Whisper(str(encoder.folder), compute_type="float32", intra_threads=1)
    expected = np.array(model.encode(ctranslate2.StorageView.from_array(log_mel[None]), to_cpu=True))[0]
    assert features.shape == expected.shape and expected.std() > 1
    assert np.abs(features.numpy() - expected).max() < 1e-3


@needs_encoder
def test_a_shorter_network_has_the_first_blocks(with_content_encoder: None) -> None:
    whole, short = (find_content_encoder(depth=depth).load_network() for depth in (1, 1 / 3))
    assert (len(whole.blocks), len(short.blocks)) == (6, 2)
    assert torch.equal(whole.blocks[1].state_dict()["out.weight"], short.blocks[1].state_dict()["out.weight"])
    features = short(torch.zeros(1, 80, 8))
    torch.testing.assert_close(features.mean(2), torch.zeros(1, 4), rtol=0, atol=1e-5)


def test_attention_equals_a_slow_loop() -> None:
    torch.manual_seed(0)
    block = WhisperBlock(8, 2)
    x = torch.randn(1, 5, 8)
    given = block(x)
    q, k, v = block.query_key_value(block.attention_norm(x))[0].split(8, dim=1)
    rows = []
    for t in range(5):
        heads = []
        for h in (slice(0, 4), slice(4, 8)):
            weights = torch.stack([q[t, h] @ k[s, h] / 2 for s in range(5)]).softmax(0)
            heads.append(sum(weights[s] * v[s, h] for s in range(5)))
        rows.append(torch.cat(heads))
    x = x + block.attention_out(torch.stack(rows)[None])
    expected = x + block.out(torch.nn.functional.gelu(block.hidden(block.norm(x))))
    torch.testing.assert_close(given, expected)


def shaped_noise() -> Wave:
    """Return 2 s of noise at 16 kHz that falls by 25 dB towards high frequencies and whose level changes by 12 dB."""
    noise = np.random.default_rng(0).normal(0, 0.05, 32000)
    shaped = np.convolve(noise, 0.9 ** np.arange(40), "same")
    return np.asarray(shaped * (1 + 0.6 * np.sin(np.arange(32000) / 2000)), np.float32)


@pytest.mark.parametrize(
    ("representation", "tolerance"), [(World(16000, 40), 0.1), (World(24000, 40), 0.1), (Mel(), 0.07)]
)
def test_log_mel_of_features_approximates_that_of_the_wave(representation: Representation, tolerance: float) -> None:
    """Mean error of each band in units of 40 dB: a wrong offset of 3 dB would be one of 0.08."""
    wave = shaped_noise()
    resampled = np.concatenate(list(resample([wave], 16000, representation.sample_rate_hz)))
    features = representation.analyse(resampled)
    frames = np.concatenate([features["energy"], features.values]) if "energy" in features else features.values
    values = torch.from_numpy(np.ascontiguousarray(frames))[None].requires_grad_()
    powers = LogMelDecoder(representation)(values)
    assert powers.shape[2] in (198, 200)
    error = (scale_log_mel(powers)[0, :, 10:190] - torch.from_numpy(compute_log_mel(wave))[:, 10:190])[2:75]
    assert error.mean().abs() < 0.04 and error.mean(1).abs().max() < tolerance
    level_error = error.mean(0)
    assert level_error.abs().max() < 0.15, "frames of another time would differ by up to 12 dB"
    powers.square().sum().backward()
    assert values.grad is not None and values.grad.isfinite().all()
    assert (values.grad.abs().sum((0, 2)) > 0).all()


def test_an_encoder_with_other_bands_needs_world() -> None:
    with pytest.raises(UsageError, match=r"128 mel bands.*mel has 80"):
        LogMelDecoder(Mel(), 128)
    assert LogMelDecoder(World(), 128)(torch.zeros(1, 25, 8)).shape == (1, 128, 4)


def test_frames_are_interpolated_and_limited_to_80_db() -> None:
    x = torch.tensor([[[0.0, 2.0, 4.0]]])
    assert interpolate_frames(x, 4, 0.75).tolist() == [[[0, 1.5, 3, 4]]]
    assert scale_log_mel(torch.tensor([[[-20.0, -3.0, 4.0]]])).tolist() == [[[0, 0.25, 2]]]
