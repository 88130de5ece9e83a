"""Time and memory of a training step, compared with plain PyTorch code of the same method in float32.

Both sides alternate in one process (A B, B A, ...) on equal networks and batches. Peak memory is measured in a separate
process for each side. `--precision fp32` gives equal arithmetic; `auto` is the precision that training chooses on this
device.

    python -m benchmarks.step --method cyclegan --preset paper --size 64 --width 32 --precision fp32
"""

from __future__ import annotations

import argparse
import copy
import itertools
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor

from benchmarks.results import append_row
from benchmarks.straight_line import StraightCycleGAN, StraightGAN, StraightUNIT
from unpaired.config.resolve import Settings, SettingsRequest, resolve_settings
from unpaired.media import MEDIA
from unpaired.media.image.settings import ImageSettings
from unpaired.methods import METHODS
from unpaired.methods.base import Method, StepContext
from unpaired.networks.image_factory import ImageNetworkFactory
from unpaired.networks.image_settings import ImageNetworkSettings
from unpaired.parameters import count_parameters
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop
from unpaired.training.precision import Precision, benchmark_precisions
from unpaired.training.step_benchmark import count_period_steps

Side = Literal["ours", "straight"]
Step = Callable[[], None]


@dataclass(frozen=True)
class Case:
    """One case to measure: resolved settings, precision, device, threads and seed."""

    settings: Settings
    precision: Precision
    device: str
    threads: int
    seed: int

    @property
    def size(self) -> int:
        """Side of the training images in pixels."""
        assert isinstance(self.settings.medium_settings, ImageSettings)
        return self.settings.medium_settings.size

    def method(self) -> Method:
        """Build the method with weights from the seed."""
        torch.manual_seed(self.seed)
        s = self.settings
        assert isinstance(s.networks, ImageNetworkSettings)
        net = ImageNetworkFactory(s.networks, {"X": 3, "Y": 3}, self.size)
        return METHODS[s.method].cls(net, **s.method_settings.model_dump()).to(self.device)

    def batch(self) -> dict[str, Tensor]:
        """Draw a random batch (B, 3, size, size) of each domain, in [-1, 1]."""
        shape = (self.settings.training.batch_size, 3, self.size, self.size)
        return {key: (torch.rand(shape) * 2 - 1).to(self.device) for key in "XY"}

    def step(self, side: Side, method: Method, batch: dict[str, Tensor]) -> Step:
        """Return a function that runs one training step and synchronizes with the device."""
        if side == "ours":
            loop, last = self._loop(method), self.settings.training.memory_format == "channels_last"
            layout = torch.channels_last if last else torch.contiguous_format
            method.to(memory_format=layout)  # type: ignore[call-overload]
            formatted = {key: x.contiguous(memory_format=layout) for key, x in batch.items()}
            count = iter(range(10**9))

            def ours() -> None:
                loop.step([formatted], StepContext(next(count), 0.0))
                self._wait()

            return ours
        plain = straight(method, self.settings.method_settings.model_dump())

        def plain_step() -> None:
            plain.step(batch["X"], batch["Y"])
            self._wait()

        return plain_step

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()

    def _loop(self, method: Method) -> TrainingLoop:
        distributed = Distributed(Fabric(accelerator=self.device.partition(":")[0], devices=1))
        return TrainingLoop(method, distributed, self.precision, seed=self.seed)


def straight(method: Method, settings: dict[str, Any]) -> StraightCycleGAN | StraightGAN | StraightUNIT:
    """Return the plain implementation of `method`, with its networks and settings."""
    nets, rate = dict(method.named_children()), settings["lr"]
    if isinstance(settings.get("cycle_direction"), str):
        return StraightCycleGAN(nets, rate, settings["pool_size"], settings["identity_weight"])
    return StraightGAN(nets, rate, settings["pool_size"]) if "depth" in settings else StraightUNIT(nets, rate)


def times(case: Case, rounds: int) -> dict[Side, list[tuple[float, float]]]:
    """Measure wall and CPU seconds of alternating steps of each side; the first round (warm-up) is dropped."""
    method, batch = case.method(), case.batch()
    steps: dict[Side, Step] = {
        "straight": case.step("straight", copy.deepcopy(method), batch),
        "ours": case.step("ours", method, batch),
    }
    seconds: dict[Side, list[tuple[float, float]]] = {"straight": [], "ours": []}
    order: list[Side] = ["straight", "ours"]
    for _ in range(rounds + 1):
        for side in order:
            wall, processor = time.perf_counter(), time.process_time()
            steps[side]()
            seconds[side].append((time.perf_counter() - wall, time.process_time() - processor))
        order.reverse()
    return {side: values[1:] for side, values in seconds.items()}


def resident_peak() -> float:
    """Return the peak resident memory of this process in MiB.

    On Linux, `getrusage` would include the parent's memory before exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        return int(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def peak(case: Case, side: Side, results: multiprocessing.SimpleQueue[float]) -> None:
    """Put the MiB that two steps add to the memory of the libraries (on a GPU: the MiB that torch allocates)."""
    torch.set_num_threads(case.threads)
    before = resident_peak()
    step = case.step(side, case.method(), case.batch())
    step()
    step()
    if case.device.startswith("cuda"):
        results.put(torch.cuda.max_memory_allocated() / 2**20)
    else:
        results.put(resident_peak() - before)


def memory(case: Case, side: Side) -> float:
    """Run `peak` in a new process and return its result in MiB."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=peak, args=(case, side, results))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"measuring the memory of {side} failed with exit code {process.exitcode}")
    return float(results.get())


def chosen_precision(case: Case) -> Precision:
    """Return the precision that training would choose for this case."""
    method, batch = case.method(), case.batch()
    step_count = count_period_steps(method)
    steps = itertools.cycle(range(step_count))

    def step(precision: Precision) -> None:
        TrainingLoop(method, Distributed(Fabric(accelerator=case.device, devices=1)), precision).step(
            [batch], StepContext(next(steps), 0.0)
        )

    return benchmark_precisions(step, torch.device(case.device), step_count=step_count).precision


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Measure a case; `ratio` is the median over rounds of plain / package time (above 1: the package is faster)."""
    seconds = times(case, rounds)
    pairs = list(zip(seconds["straight"], seconds["ours"], strict=True))
    s, method = case.settings, case.method()
    return {
        "method": s.method,
        "preset": s.preset,
        "size": case.size,
        "batch_size": s.training.batch_size,
        "precision": case.precision,
        "memory_format": s.training.memory_format,
        "parameters": count_parameters(method),
        "seconds": round(statistics.median(wall for wall, _ in seconds["ours"]), 4),
        "straight_seconds": round(statistics.median(wall for wall, _ in seconds["straight"]), 4),
        "ratio": round(statistics.median(a[0] / b[0] for a, b in pairs), 3),
        "processor_ratio": round(statistics.median(a[1] / b[1] for a, b in pairs), 3),
        "memory_mib": round(memory(case, "ours")),
        "straight_memory_mib": round(memory(case, "straight")),
        "rounds": rounds,
        "load_before": round(os.getloadavg()[0], 1),
    }


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--method", choices=METHODS, default="cyclegan")
    parser.add_argument("--preset", choices=("tiny", "small", "paper"), default="paper")
    parser.add_argument("--size", type=int, help="side of the images in pixels (default: the preset's)")
    parser.add_argument("--batch-size", type=int, help="items per domain (default: the preset's)")
    parser.add_argument("--width", type=int, help="channels of the first layers (default: the preset's)")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16-mixed", "fp16-mixed"), default="auto")
    parser.add_argument("--memory-format", choices=("contiguous", "channels_last"), default="contiguous")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--no-row", action="store_true", help="print the results without appending a row to results.jsonl"
    )
    return parser


def main() -> None:
    """Measure one case, print it and append a row."""
    args = arguments().parse_args()
    torch.set_num_threads(args.threads)
    flags = {
        "size": args.size,
        "batch_size": args.batch_size,
        "width": args.width,
        "discriminator_width": args.width,
    }
    overrides = {key: value for key, value in flags.items() if value is not None}
    overrides |= {"augment": (), "memory_format": args.memory_format}
    request = SettingsRequest(args.method, args.preset, overrides)
    settings = resolve_settings(request, MEDIA["image"], args.preset)
    case = Case(settings, "fp32", args.device, args.threads, args.seed)
    precision = chosen_precision(case) if args.precision == "auto" else args.precision
    figures = measure(Case(settings, precision, args.device, args.threads, args.seed), args.rounds)
    if not args.no_row:
        append_row("step", figures, args.seed, args.device)
    width = max(map(len, figures))
    print("\n".join(f"{name:{width}}  {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
