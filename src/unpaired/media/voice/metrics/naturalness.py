"""Naturalness: mean opinion scores (1 to 5) that two networks predict."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch

from unpaired.media.voice.metrics.acoustic_frames import Wave
from unpaired.media.voice.metrics.optional_packages import explain_missing, resample_to_16_khz


class MosPredictor(Protocol):
    """Predictor of the mean opinion score of a wave."""

    name: str

    def __call__(self, wave: Wave, sample_rate_hz: int) -> float:
        """Return the score, 1 to 5, of a wave (samples,) at a sample rate in Hz."""


class DistillMos:
    """distillmos 0.9.1 (Stahl and Gamper 2025): overall quality, distilled from a large self-supervised network."""

    name = "distillmos 0.9.1"

    @torch.no_grad()
    def __call__(self, wave: Wave, sample_rate_hz: int) -> float:
        """Return the score of a wave (samples,)."""
        return float(_load_distillmos()(torch.from_numpy(resample_to_16_khz(wave, sample_rate_hz)[None])))


class Dnsmos:
    """DNSMOS P.835 (Reddy et al. 2022), overall score, from speechmos 0.0.1.1. It overrates robotic voices."""

    name = "DNSMOS OVRL (speechmos 0.0.1.1)"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> float:
        """Return the score of a wave (samples,); the package repeats short waves to 9 s, as its authors do."""
        resampled_wave = np.clip(resample_to_16_khz(wave, sample_rate_hz), -1, 1)
        return float(_load_dnsmos().run(resampled_wave, 16000)["ovrl_mos"])


def explain_missing_distillmos() -> str | None:
    """Return which packages `DistillMos` lacks and how to install them; None if all are installed."""
    return explain_missing(
        "naturalness by distillmos", ("distillmos", "xls_r_sqa"), "pip install --no-deps distillmos==0.9.1 xls-r-sqa"
    )


def explain_missing_dnsmos() -> str | None:
    """Return which packages `Dnsmos` lacks and how to install them; None if all are installed."""
    return explain_missing(
        "naturalness by DNSMOS",
        ("speechmos", "onnxruntime", "librosa", "requests"),
        "pip install speechmos==0.0.1.1 onnxruntime librosa requests",
    )


@lru_cache(maxsize=1)
def _load_distillmos() -> Any:
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, _stub_module("torchaudio"), torch.random.fork_rng(devices=[]):
        from distillmos import ConvTransformerSQAModel  # noqa: PLC0415 (optional)

        return ConvTransformerSQAModel().eval()


@lru_cache(maxsize=1)
def _load_dnsmos() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from speechmos import dnsmos  # noqa: PLC0415 (optional)

        return dnsmos


@contextlib.contextmanager
def _stub_module(name: str) -> Iterator[None]:
    """Provide an empty module while importing a package that uses the real one only in its command line.

    torchaudio must match torch's version and build, and the newest torch for CPUs has no matching build.
    """
    was_imported = name in sys.modules
    sys.modules.setdefault(name, ModuleType(name))
    try:
        yield
    finally:
        if not was_imported:
            del sys.modules[name]
