"""Benchmark of precisions on idle and busy machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY

from unpaired.methods.base import StepContext
from unpaired.training.loop import TrainingLoop
from unpaired.training.precision import Precision, benchmark_precisions
from unpaired.training.train import dry_run

CPU = torch.device("cpu")


class Machine:
    """Machine whose steps take the given seconds; `load` multiplies the wall time of a step, not its CPU time."""

    def __init__(self, seconds: dict[Precision, float], load: Callable[[int], float] = lambda _: 1.0) -> None:
        self.seconds, self.load = seconds, load
        self.wall_s = self.cpu_s = 0.0
        self.steps: list[Precision] = []

    def step(self, name: Precision) -> None:
        self.wall_s += self.seconds[name] * self.load(len(self.steps))
        self.cpu_s += self.seconds[name] * torch.get_num_threads()
        self.steps.append(name)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Machine], Machine]]:
    def install_machine(machine: Machine) -> Machine:
        monkeypatch.setattr("unpaired.training.precision.time.perf_counter", lambda: machine.wall_s)
        monkeypatch.setattr("unpaired.training.precision.time.process_time", lambda: machine.cpu_s)
        return machine

    yield install_machine


def test_reduced_precision_must_be_a_tenth_faster(install: Callable[[Machine], Machine]) -> None:
    for bf16_s, expected in ((0.5, "bf16-mixed"), (0.95, "fp32"), (2.0, "fp32")):
        machine = install(Machine({"fp32": 1.0, "bf16-mixed": bf16_s}))
        result = benchmark_precisions(machine.step, CPU)
        assert (result.precision, result.step_s) == (expected, min(1.0, bf16_s) if expected != "fp32" else 1.0)
        assert result.busy_factor == pytest.approx(1.0)


@pytest.mark.parametrize("slow", [0, 1, 2, 3, 4, 5])
def test_short_load_does_not_change_choice(slow: int, install: Callable[[Machine], Machine]) -> None:
    """Two consecutive steps take a hundred times as long."""
    machine = install(Machine({"fp32": 0.1, "bf16-mixed": 0.05}, lambda i: 100.0 if i in (slow, slow + 1) else 1.0))
    assert benchmark_precisions(machine.step, CPU).precision == "bf16-mixed"


def test_very_slow_precision_is_timed_once(install: Callable[[Machine], Machine]) -> None:
    machine = install(Machine({"fp32": 0.1, "bf16-mixed": 5.0}))
    assert benchmark_precisions(machine.step, CPU).precision == "fp32"
    assert machine.steps.count("bf16-mixed") == 1


def test_busy_factor_of_busy_machine(install: Callable[[Machine], Machine]) -> None:
    machine = install(Machine({"fp32": 0.1, "bf16-mixed": 0.2}, lambda _: 10.0))
    result = benchmark_precisions(machine.step, CPU)
    assert result.busy_factor == pytest.approx(10.0) and result.precision == "fp32"


def test_benchmark_stops_at_time_limit(install: Callable[[Machine], Machine]) -> None:
    machine = install(Machine({"fp32": 15.0, "bf16-mixed": 14.0}))
    benchmark_precisions(machine.step, CPU, time_limit_s=20.0)
    assert machine.steps == ["fp32", "bf16-mixed"]


def test_a_measurement_is_the_mean_of_the_steps_of_a_period(install: Callable[[Machine], Machine]) -> None:
    """Of three steps one takes 0.9 s, the others 0.15 s."""
    machine = install(Machine({"fp32": 0.15, "bf16-mixed": 0.3}, lambda i: 6.0 if i % 3 == 0 else 1.0))
    result = benchmark_precisions(machine.step, CPU, step_count=3)
    assert result.precision == "fp32" and result.step_s == pytest.approx(0.4)
    assert "400 ms" in result.summary


@pytest.mark.parametrize(
    ("method", "setting", "period"),
    [("cyclegan", "", 1), ("dualgan", "n_critic", 3), ("discogan", "discriminator_every", 2)],
)
def test_the_benchmark_and_the_dry_run_time_whole_periods_of_turns(
    method: str, setting: str, period: int, discs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: dict[str, list[int]] = {}
    original = TrainingLoop.step

    def step(loop: TrainingLoop, batches: Any, context: StepContext, lr_factor: float = 1.0) -> Any:
        steps.setdefault(loop.precision, []).append(context.step)
        return original(loop, batches, context, lr_factor)

    monkeypatch.setattr(TrainingLoop, "step", step)
    settings = {**TINY, "method": method, "steps": 1, **({setting: period} if setting else {})}
    dry_run(discs, log=lambda _: None, **settings)
    assert steps.pop("fp32") == list(range(period)) * (1 + 6 // period)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unpaired.training.train.format_dry_run", lambda *_: "")
        dry_run(discs, log=lambda _: None, **{**settings, "precision": "auto"})
    for precision in ("fp32", "bf16-mixed"):
        numbers = steps[precision]
        assert numbers == list(range(period)) * (len(numbers) // period)
