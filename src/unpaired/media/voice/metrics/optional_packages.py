"""Helpers of the evaluation networks: checks for optional packages, and resampling to 16 kHz."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, cast

import numpy as np

from unpaired.media.voice.metrics.acoustic_frames import SAMPLE_RATE_HZ, Wave


def explain_missing(measure: str, modules: tuple[str, ...], install_command: str) -> str | None:
    """Return which modules a measure lacks and the install command; None if all are installed."""
    missing_modules = [module for module in modules if find_spec(module) is None]
    return f"no {measure}: {', '.join(missing_modules)} not installed ({install_command})" if missing_modules else None


def resample_to_16_khz(wave: Wave, sample_rate_hz: int) -> Wave:
    """Return the wave at 16 kHz and in float32, the rate and the type of all evaluation networks."""
    wave = np.asarray(wave, dtype=np.float32)
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return wave
    import soxr  # noqa: PLC0415 (optional)

    return cast(Wave, soxr.resample(wave, sample_rate_hz, SAMPLE_RATE_HZ, quality="HQ"))


def make_single_thread_options() -> Any:
    """Return ONNX session options for one thread; the order of sums, and so the last digits, depend on their number."""
    import onnxruntime  # noqa: PLC0415 (optional)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options
