"""The choice of a precision, on machines that other programs use too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from unpaired.training.precision import Precision, benchmark_precisions

CPU = torch.device("cpu")


class Machine:
    """A machine whose steps take the given time; `load` multiplies the time of a step, not its processor time."""

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
    def put(machine: Machine) -> Machine:
        monkeypatch.setattr("unpaired.training.precision.time.perf_counter", lambda: machine.wall_s)
        monkeypatch.setattr("unpaired.training.precision.time.process_time", lambda: machine.cpu_s)
        return machine

    yield put


def test_the_fastest_is_taken_if_it_wins_by_a_tenth(install: Callable[[Machine], Machine]) -> None:
    for bf16_s, expected in ((0.5, "bf16-mixed"), (0.95, "fp32"), (2.0, "fp32")):
        machine = install(Machine({"fp32": 1.0, "bf16-mixed": bf16_s}))
        found = benchmark_precisions(machine.step, CPU)
        assert (found.precision, found.step_s) == (expected, min(1.0, bf16_s) if expected != "fp32" else 1.0)
        assert found.busy_factor == pytest.approx(1.0)


@pytest.mark.parametrize("slow", [0, 1, 2, 3, 4, 5])
def test_another_programs_burst_does_not_decide(slow: int, install: Callable[[Machine], Machine]) -> None:
    """One or two steps in a row take a hundred times as long."""
    machine = install(Machine({"fp32": 0.1, "bf16-mixed": 0.05}, lambda i: 100.0 if i in (slow, slow + 1) else 1.0))
    assert benchmark_precisions(machine.step, CPU).precision == "bf16-mixed"


def test_a_precision_that_the_processor_cannot_is_tried_once(install: Callable[[Machine], Machine]) -> None:
    machine = install(Machine({"fp32": 0.1, "bf16-mixed": 5.0}))
    assert benchmark_precisions(machine.step, CPU).precision == "fp32"
    assert machine.steps.count("bf16-mixed") == 1


def test_a_busy_machine_is_said(install: Callable[[Machine], Machine]) -> None:
    machine = install(Machine({"fp32": 0.1, "bf16-mixed": 0.2}, lambda _: 10.0))
    found = benchmark_precisions(machine.step, CPU)
    assert found.busy_factor == pytest.approx(10.0) and found.precision == "fp32"


def test_it_ends_in_time(install: Callable[[Machine], Machine]) -> None:
    machine = install(Machine({"fp32": 15.0, "bf16-mixed": 14.0}))
    benchmark_precisions(machine.step, CPU, time_limit_s=20.0)
    assert machine.steps == ["fp32", "bf16-mixed"]
