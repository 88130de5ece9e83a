"""What the judges share: packages that may not be there, and the rate at which all of them hear."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, cast

from unpaired.media.voice.metrics.acoustic_frames import SAMPLE_RATE_HZ, Wave


def explain_missing(measure: str, modules: tuple[str, ...], install_command: str) -> str | None:
    """In words that the measure lacks some of its modules, and what to install; None where all are there."""
    missing_modules = [module for module in modules if find_spec(module) is None]
    return f"no {measure}: {', '.join(missing_modules)} not installed ({install_command})" if missing_modules else None


def resample_to_16_khz(wave: Wave, sample_rate_hz: int) -> Wave:
    """The wave as the judges hear it."""
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return wave
    import soxr  # noqa: PLC0415 (optional)

    return cast(Wave, soxr.resample(wave, sample_rate_hz, SAMPLE_RATE_HZ, quality="HQ"))


def make_single_thread_options() -> Any:
    """Options of an ONNX session on one thread: the order of sums, and so the last digits, hang on their number."""
    import onnxruntime  # noqa: PLC0415 (optional)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options
