"""Time per step with OpenMP threads that spin while they wait (ACTIVE, libgomp's default) or sleep (PASSIVE).

Both policies alternate in separate processes (A B, B A, ...). Run it on an idle machine, and again under load.

    python -m benchmarks.wait_policy --rounds 5
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

CODE = """
import sys, time, torch
torch.set_num_threads(int(sys.argv[1]))
net = torch.nn.Sequential(*(torch.nn.Conv2d(32, 32, 3, padding=1) for _ in range(10)))
x = torch.randn(4, 32, 32, 32)
times = []
for _ in range(6):
    started = time.perf_counter()
    net(x).sum().backward()
    times.append(time.perf_counter() - started)
print(sorted(times[1:])[2])
"""
"""Program that prints the median time of five steps in seconds, after one warm-up step."""


def measure(policy: str, threads: int) -> float:
    """Return the seconds per step under a policy, measured in a new process."""
    environment = os.environ | {"OMP_WAIT_POLICY": policy}
    environment.pop("OMP_NUM_THREADS", None)
    command = [sys.executable, "-c", CODE, str(threads)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure both policies alternately and print the median step times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wait_policy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args(argv)
    times: dict[str, list[float]] = {"ACTIVE": [], "PASSIVE": []}
    for number in range(args.rounds):
        for policy in list(times)[:: 1 if number % 2 == 0 else -1]:
            times[policy].append(measure(policy, args.threads))
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
    medians = {policy: round(1000 * statistics.median(values), 1) for policy, values in times.items()}
    figures = {"threads": args.threads, "cores": cores, "load": round(os.getloadavg()[0], 1), "step_ms": medians}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
