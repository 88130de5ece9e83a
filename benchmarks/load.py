"""Load test: one process translates many pictures; each has one output, and memory does not grow with their number.

    python -m benchmarks.load [--files 20000]

Prints files per second, peak memory after a tenth and after all, and the duration of a second call, which finds
everything up to date. Exit code 1 if an output is missing or superfluous, or if memory grew by more than 64 MiB.
"""

from __future__ import annotations

import argparse
import io
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unpaired import Translator, train
from unpaired.translate import Outcome, translate_files

MAX_GROWTH_MIB = 64.0
FILES_PER_FOLDER = 1000


@dataclass(frozen=True)
class LoadResult:
    """Measurements of one load: duration of both calls in s, peak memory in MiB, and what went wrong."""

    seconds: float
    again_s: float
    tenth_mib: float
    peak_mib: float
    faults: list[str]


def draw_picture(seed: int) -> bytes:
    """Return a PNG file of 16 x 16 random pixels."""
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write_pictures(folder: Path, count: int) -> None:
    """Write `count` small pictures into numbered folders."""
    content = draw_picture(0)
    for index in range(count):
        path = folder / f"{index // FILES_PER_FOLDER:04d}" / f"{index:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def train_tiny_run(folder: Path) -> Path:
    """Train one step of tiny networks on two domains of eight pictures; return the run's folder."""
    for domain, first in (("one", 0), ("two", 8)):
        (folder / domain).mkdir(parents=True)
        for seed in range(first, first + 8):
            (folder / domain / f"{seed}.png").write_bytes(draw_picture(seed))
    tiny: dict[str, Any] = {
        "preset": "tiny",
        "size": 16,
        "width": 4,
        "blocks": 1,
        "discriminator_width": 4,
        "batch_size": 2,
    }
    settings = {**tiny, "precision": "fp32", "device": "cpu", "steps": 1, "evaluate_every": 0}
    return train(folder / "one", folder / "two", out=folder / "run", log=lambda _: None, **settings)


def get_peak_mib() -> float:
    """Return the peak memory of this process in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes on macOS, else KiB


def measure_load(count: int, folder: Path) -> LoadResult:
    """Translate a tenth of `count` pictures, then all of them, then all of them again."""
    translator = Translator.load(train_tiny_run(folder), device="cpu")

    def translate(inputs: Path, out: str) -> tuple[Outcome, float]:
        started = time.perf_counter()
        outcome = translate_files(translator, [inputs], folder / out, translator.resolve_request("two"), batch_size=32)
        return outcome, time.perf_counter() - started

    write_pictures(folder / "tenth", count // 10)
    write_pictures(folder / "all", count)
    translate(folder / "tenth", "out tenth")
    tenth_mib = get_peak_mib()
    outcome, seconds = translate(folder / "all", "out")
    peak_mib = get_peak_mib()
    again, again_s = translate(folder / "all", "out")
    names = {path.relative_to(folder / "all") for path in (folder / "all").rglob("*.png")}
    outputs = {path.relative_to(folder / "out") for path in (folder / "out").rglob("*.png")}
    faults = [f"{len(names ^ outputs)} outputs are missing or superfluous"] if names != outputs else []
    if (outcome.done, len(outcome.failed), again.skipped) != (count, 0, count):
        faults.append(
            f"{outcome.done} done, {len(outcome.failed)} failed, then {again.skipped} skipped; expected {count}"
        )
    if peak_mib - tenth_mib > MAX_GROWTH_MIB:
        faults.append(f"peak memory grew from {tenth_mib:.0f} to {peak_mib:.0f} MiB")
    return LoadResult(seconds, again_s, tenth_mib, peak_mib, faults)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the load test; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20000, help="number of pictures")
    count = parser.parse_args(arguments).files
    with tempfile.TemporaryDirectory() as folder:
        result = measure_load(count, Path(folder))
    print(
        f"{count} pictures in {result.seconds:.0f} s ({count / result.seconds:.0f}/s), again in {result.again_s:.0f} s"
    )
    print(f"peak memory: {result.tenth_mib:.0f} MiB after a tenth, {result.peak_mib:.0f} MiB after all")
    for fault in result.faults:
        print(f"FAULT: {fault}")
    return int(bool(result.faults))


if __name__ == "__main__":
    sys.exit(main())
