"""Rows of figures, kept in `results.jsonl`: what was run, where, with which seed, and what came out."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

FILE = Path(__file__).with_name("results.jsonl")
FAST = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Instruction sets that decide how fast a step is, and in which numbers."""


def machine(device: str = "cpu") -> dict[str, Any]:
    """The machine in words and numbers: processor, threads, instruction sets, torch, and the GPU where one is used."""
    about: dict[str, Any] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": version("torch"),
    }
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines()]
        facts = {key.strip(): value.strip() for key, _, value in reversed(lines)}
        about["processor"] = facts.get("model name", about["processor"])
        flags = facts.get("flags", "").split()
        about["instructions"] = [name for name in FAST if name in flags]
    if device.startswith("cuda"):
        about["gpu"] = torch.cuda.get_device_name(device)
    return about


def append_row(
    benchmark: str, figures: Mapping[str, Any], seed: int, device: str = "cpu", path: Path = FILE
) -> dict[str, Any]:
    """Append a row for the command that is running (as `python -m benchmarks.NAME ...`), and return it."""
    data = os.environ.get("DATA")
    words = [f"$DATA{word.removeprefix(data)}" if data and word.startswith(data) else word for word in sys.argv[1:]]
    row = {
        "benchmark": benchmark,
        "command": " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *words]),
        "machine": machine(device),
        "seed": seed,
        "figures": dict(figures),
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return row


def rows(benchmark: str, path: Path = FILE) -> list[dict[str, Any]]:
    """All rows of a benchmark, oldest first."""
    if not path.exists():
        return []
    every = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return [row for row in every if row["benchmark"] == benchmark]
