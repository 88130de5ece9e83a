"""Rows of `results.jsonl`: command, machine, seed and figures of each benchmark run."""

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
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
"""Instruction sets that determine the speed of a step and the usable precisions."""


def machine(device: str = "cpu") -> dict[str, Any]:
    """Describe the machine: processor, cores, threads, torch, instruction sets, and the GPU if one is used."""
    info: dict[str, Any] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": version("torch"),
    }
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines()]
        facts = {key.strip(): value.strip() for key, _, value in reversed(lines)}
        info["processor"] = facts.get("model name", info["processor"])
        flags = facts.get("flags", "").split()
        info["instructions"] = [name for name in INSTRUCTION_SETS if name in flags]
    if device.startswith("cuda"):
        info["gpu"] = torch.cuda.get_device_name(device)
    return info


def append_row(
    benchmark: str, figures: Mapping[str, Any], seed: int, device: str = "cpu", path: Path = FILE
) -> dict[str, Any]:
    """Append a row for the running command (`python -m benchmarks.NAME ...`) and return it."""
    data = os.environ.get("DATA")
    arguments = [f"$DATA{word.removeprefix(data)}" if data and word.startswith(data) else word for word in sys.argv[1:]]
    row = {
        "benchmark": benchmark,
        "command": " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *arguments]),
        "machine": machine(device),
        "seed": seed,
        "figures": dict(figures),
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    return row


def rows(benchmark: str, path: Path = FILE) -> list[dict[str, Any]]:
    """Return all rows of a benchmark, oldest first."""
    if not path.exists():
        return []
    all_rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    return [row for row in all_rows if row["benchmark"] == benchmark]
