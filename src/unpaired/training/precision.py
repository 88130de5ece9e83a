"""In which numbers a step is computed, and a short probe that chooses them for the very device."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch

Precision = Literal["fp32", "bf16-mixed", "fp16-mixed"]

AUTOCAST_DTYPES = {"bf16-mixed": torch.bfloat16, "fp16-mixed": torch.float16}


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """The context of one turn, entered anew for each: its cast weights must not outlive an optimizer's step."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, AUTOCAST_DTYPES[precision])


def build_grad_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler | None:
    """A loss scaler where float16 needs one. One per set of players that move in one turn: each scale is its own."""
    return torch.amp.GradScaler(device.type) if precision == "fp16-mixed" else None


def list_candidate_precisions(device: torch.device) -> list[Precision]:
    """The precisions that `device` may be faster in; float32 first."""
    if device.type == "cuda":
        return ["fp32", "bf16-mixed" if torch.cuda.is_bf16_supported() else "fp16-mixed"]
    return ["fp32", "bf16-mixed"] if device.type == "cpu" else ["fp32"]


def benchmark_precisions(
    step: Callable[[Precision], None],
    device: torch.device,
    time_limit_s: float = 20.0,
    agree: Callable[[bool], bool] = bool,
) -> tuple[Precision, str]:
    """Time `step` in each candidate precision; returns the fastest and a sentence that says what was measured.

    One unmeasured step warms each up. Reduced precision must win by a tenth, since float32 is the safer. A candidate
    whose first step already takes five times the best is not run again (bf16 without hardware for it). `agreed` gives
    what the first rank decides, for all must make the same number of steps.
    """
    times: dict[Precision, float] = {}
    started = time.perf_counter()
    for precision in list_candidate_precisions(device):
        first_s = time_step(step, precision, device)
        best_s = min(times.values(), default=first_s)
        is_slow = agree(first_s > 5 * best_s or time.perf_counter() - started > time_limit_s)
        times[precision] = first_s if is_slow else min(time_step(step, precision, device) for _ in range(3))
    fastest = min(times, key=lambda p: times[p] * (1.1 if p != "fp32" else 1.0))
    timings = ", ".join(f"{p} {t * 1000:.0f} ms" for p, t in times.items())
    return fastest, f"{fastest} (a step of this run on this {device.type}: {timings})"


def time_step(step: Callable[[Precision], None], precision: Precision, device: torch.device) -> float:
    """Seconds that one step takes, the device's queue included."""
    started = time.perf_counter()
    step(precision)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
