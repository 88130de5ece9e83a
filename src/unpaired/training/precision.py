"""Mixed precision: autocast, loss scaling, and a short benchmark that chooses the precision for a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch

Precision = Literal["fp32", "bf16-mixed", "fp16-mixed"]

BENCHMARK_ROUNDS = 3
"""Number of measurements of each precision."""
BUSY_FACTOR = 4.0
"""Ratio of a step's wall time to its CPU time per thread above which other programs slow the machine down."""
AUTOCAST_DTYPES = {"bf16-mixed": torch.bfloat16, "fp16-mixed": torch.float16}


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Return the autocast context of one turn.

    Each turn needs a new one, because autocast caches cast weights, which an optimizer step invalidates.
    """
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, AUTOCAST_DTYPES[precision])


def build_grad_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler | None:
    """Return a loss scaler for float16, or None for other precisions.

    Each set of players with a joint turn needs its own, because their losses have different scales.
    """
    return torch.amp.GradScaler(device.type) if precision == "fp16-mixed" else None


def list_candidate_precisions(device: torch.device) -> list[Precision]:
    """Return the precisions to benchmark on `device`, float32 first."""
    if device.type == "cuda":
        return ["fp32", "bf16-mixed" if torch.cuda.is_bf16_supported() else "fp16-mixed"]
    return ["fp32", "bf16-mixed"] if device.type == "cpu" else ["fp32"]


@dataclass(frozen=True)
class PrecisionBenchmark:
    """Fastest precision, seconds of a step in its fastest measurement, and a text with the timings.

    `busy_factor` is the ratio of that step's wall time to its CPU time per thread: far above 1 if other programs use
    the cores; always 1 on devices other than the CPU.
    """

    precision: Precision
    step_s: float
    summary: str
    busy_factor: float = 1.0


def benchmark_precisions(
    step: Callable[[Precision], None],
    device: torch.device,
    time_limit_s: float = 20.0,
    agree: Callable[[bool], bool] = bool,
    step_count: int = 1,
) -> PrecisionBenchmark:
    """Time `step` in each candidate precision and choose the fastest.

    A measurement is the mean of `step_count` steps. After one of each candidate as warm-up, three rounds make one of
    each; the fastest of each counts. Alternating the candidates spreads the load of other programs over all of them. A
    reduced precision is chosen only if float32, which is numerically safer, takes at least 1.1 times as long. A
    candidate whose best measurement takes five times the overall best (on a CPU also in CPU time, which other programs
    do not change) is not run again. After `time_limit_s` seconds no further round begins. `agree` receives each
    decision of a rank and returns the first rank's, because all ranks must execute the same number of steps.
    """
    started = time.perf_counter()
    candidates = list_candidate_precisions(device)
    first_steps = {precision: measure_steps(step, precision, device, step_count) for precision in candidates}
    times: dict[Precision, list[StepTime]] = {precision: [] for precision in candidates}
    for _ in range(BENCHMARK_ROUNDS):
        if agree(time.perf_counter() - started > time_limit_s):
            break
        best = {precision: min(steps or [first_steps[precision]]) for precision, steps in times.items()}
        for precision in candidates:
            if not agree(is_much_slower(best[precision], best.values(), device)):
                times[precision].append(measure_steps(step, precision, device, step_count))
    best = {precision: min(steps or [first_steps[precision]]) for precision, steps in times.items()}
    fastest = min(best, key=lambda p: best[p].wall_s * (1.1 if p != "fp32" else 1.0))
    timings = ", ".join(f"{p} {t.wall_s * 1000:.0f} ms" for p, t in best.items())
    summary = f"{fastest} (a step of this run on this {device.type}: {timings})"
    thread_s = best[fastest].cpu_s / max(1, torch.get_num_threads())
    busy_factor = best[fastest].wall_s / max(thread_s, 1e-9) if device.type == "cpu" else 1.0
    return PrecisionBenchmark(fastest, best[fastest].wall_s, summary, busy_factor)


class StepTime(NamedTuple):
    """Wall time of a step in seconds, and its CPU time in seconds, summed over threads."""

    wall_s: float
    cpu_s: float


def measure_steps(
    step: Callable[[Precision], None], precision: Precision, device: torch.device, count: int = 1
) -> StepTime:
    """Execute `count` steps and return their mean wall time and CPU time."""
    cpu_started = time.process_time()
    wall_s = sum(time_step(step, precision, device) for _ in range(count))
    return StepTime(wall_s / count, (time.process_time() - cpu_started) / count)


def is_much_slower(candidate: StepTime, others: Iterable[StepTime], device: torch.device) -> bool:
    """Return whether a step takes over five times the fastest one in wall time and, on a CPU, also in CPU time."""
    others = list(others)
    is_slow = candidate.wall_s > 5 * min(other.wall_s for other in others)
    return is_slow and (device.type != "cpu" or candidate.cpu_s > 5 * min(other.cpu_s for other in others))


def time_step(step: Callable[[Precision], None], precision: Precision, device: torch.device) -> float:
    """Execute one step, wait for the device, and return the seconds."""
    started = time.perf_counter()
    step(precision)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
