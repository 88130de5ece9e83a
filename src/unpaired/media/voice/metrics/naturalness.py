"""How natural a voice sounds, as two networks guess what listeners would say (1 to 5)."""

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
    """A wave (samples,) at a rate in Hz to a mean opinion score, 1 to 5."""

    name: str

    def __call__(self, wave: Wave, sample_rate_hz: int) -> float:
        """The score."""


class DistillMos:
    """distillmos 0.9.1 (Stahl and Gamper 2025): overall quality, distilled from a large self-supervised network."""

    name = "distillmos 0.9.1"

    @torch.no_grad()
    def __call__(self, wave: Wave, sample_rate_hz: int) -> float:
        """The score."""
        return float(_load_distillmos()(torch.from_numpy(resample_to_16_khz(wave, sample_rate_hz)[None])))


class Dnsmos:
    """DNSMOS P.835 (Reddy et al. 2022), its overall score, from speechmos 0.0.1.1. It flatters robotic voices."""

    name = "DNSMOS OVRL (speechmos 0.0.1.1)"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> float:
        """The score; short waves are repeated to 9 s, as its authors do."""
        resampled_wave = np.clip(resample_to_16_khz(wave, sample_rate_hz), -1, 1)
        return float(_load_dnsmos().run(resampled_wave, 16000)["ovrl_mos"])


def explain_missing_distillmos() -> str | None:
    """Why `DistillMos` cannot be had, in words, or None."""
    return explain_missing(
        "naturalness by distillmos", ("distillmos", "xls_r_sqa"), "pip install --no-deps distillmos==0.9.1 xls-r-sqa"
    )


def explain_missing_dnsmos() -> str | None:
    """Why `Dnsmos` cannot be had, in words, or None."""
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
    """An empty module under this name while a package is imported that uses it in its command line alone.

    torchaudio must be of torch's own version and build, and has none for CPUs of the newest.
    """
    was_imported = name in sys.modules
    sys.modules.setdefault(name, ModuleType(name))
    try:
        yield
    finally:
        if not was_imported:
            del sys.modules[name]
