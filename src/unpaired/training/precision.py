"""In which numbers a step is computed, and a short probe that chooses them for the very device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch

Precision = Literal["fp32", "bf16-mixed", "fp16-mixed"]

BENCHMARK_ROUNDS = 3
BUSY_FACTOR = 4.0
"""A step that takes so many times its processor time, divided by the threads, waits for other programs."""
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


@dataclass(frozen=True)
class PrecisionBenchmark:
    """The fastest precision, the seconds of its fastest step, and a sentence that says what was measured.

    `busy_factor` is that step's time over the processor time of one thread that it took; far above 1 where other
    programs use the cores. 1 on other devices than the CPU.
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
) -> PrecisionBenchmark:
    """Time `step` in each candidate precision and choose the fastest.

    One unmeasured step warms each up. Then the candidates take turns, three steps each, and the fastest step of each
    counts: what another program does for a second slows all of them alike. Reduced precision must win by a tenth, since
    float32 is the safer. A candidate that takes five times the best (on a CPU in processor time too, which other
    programs do not change) is not run again, and after `time_limit_s` no further round begins. `agree` receives each
    decision of a rank and returns the first rank's, for all must make the same number of steps.
    """
    started = time.perf_counter()
    candidates = list_candidate_precisions(device)
    first_steps = {precision: measure_step(step, precision, device) for precision in candidates}
    times: dict[Precision, list[StepTime]] = {precision: [] for precision in candidates}
    for _ in range(BENCHMARK_ROUNDS):
        if agree(time.perf_counter() - started > time_limit_s):
            break
        best = {precision: min(steps or [first_steps[precision]]) for precision, steps in times.items()}
        for precision in candidates:
            if not agree(is_much_slower(best[precision], best.values(), device)):
                times[precision].append(measure_step(step, precision, device))
    best = {precision: min(steps or [first_steps[precision]]) for precision, steps in times.items()}
    fastest = min(best, key=lambda p: best[p].wall_s * (1.1 if p != "fp32" else 1.0))
    timings = ", ".join(f"{p} {t.wall_s * 1000:.0f} ms" for p, t in best.items())
    summary = f"{fastest} (a step of this run on this {device.type}: {timings})"
    thread_s = best[fastest].cpu_s / max(1, torch.get_num_threads())
    busy_factor = best[fastest].wall_s / max(thread_s, 1e-9) if device.type == "cpu" else 1.0
    return PrecisionBenchmark(fastest, best[fastest].wall_s, summary, busy_factor)


class StepTime(NamedTuple):
    """Seconds that a step took, and seconds of processor time, summed over threads."""

    wall_s: float
    cpu_s: float


def measure_step(step: Callable[[Precision], None], precision: Precision, device: torch.device) -> StepTime:
    """Time one step."""
    cpu_started = time.process_time()
    wall_s = time_step(step, precision, device)
    return StepTime(wall_s, time.process_time() - cpu_started)


def is_much_slower(candidate: StepTime, others: Iterable[StepTime], device: torch.device) -> bool:
    """Whether a step takes five times the fastest one, by the clock and on a CPU by its processor time too."""
    others = list(others)
    is_slow = candidate.wall_s > 5 * min(other.wall_s for other in others)
    return is_slow and (device.type != "cpu" or candidate.cpu_s > 5 * min(other.cpu_s for other in others))


def time_step(step: Callable[[Precision], None], precision: Precision, device: torch.device) -> float:
    """Seconds that one step takes, the device's queue included."""
    started = time.perf_counter()
    step(precision)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
