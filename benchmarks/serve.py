"""Load test of `unpaired serve`: many requests from many clients, slow clients, a kill and a graceful stop.

    python -m benchmarks.serve [--run RUN --picture FILE] [--requests 1000] [--clients 1,5,20] [--record]

Without --run, a tiny run is trained. Prints for each number of clients the requests per second, the median, 95th and
99th percentile of the latency, and errors: an answer other than 200, or other bytes than the first answer for the same
picture. Meanwhile, ten clients send a byte per second. Exit code 1 if there was an error, if memory grew by more than
64 MiB after the first tenth, if the private folder of a killed server remains, or if SIGTERM lost a request.
"""

from __future__ import annotations

import argparse
import http.client
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.load import train_tiny_run
from benchmarks.results import append_row

MAX_GROWTH_MIB = 64.0
SLOW_CLIENTS = 10
PICTURES = 5
_BOUNDARY = "unpaired-benchmark"


@dataclass
class Load:
    """Result of one number of clients: latencies in s, errors, duration in s, memory in MiB after a tenth and all."""

    clients: int
    latencies: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    tenth_mib: float = 0.0
    end_mib: float = 0.0

    def get_figures(self) -> dict[str, Any]:
        """Return the figures of a row."""
        p50, p95, p99 = (round(1000 * float(np.percentile(self.latencies, q)), 1) for q in (50, 95, 99))
        return {
            "clients": self.clients,
            "requests": len(self.latencies),
            "errors": len(self.errors),
            "per_second": round(len(self.latencies) / self.seconds, 1),
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "memory_mib": [round(self.tenth_mib), round(self.end_mib)],
        }


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    start_s: float


@contextmanager
def start_server(run: Path, folder: Path, port: int = 0, *flags: str) -> Iterator[Server]:
    """Run `unpaired serve`, with its private folder in `folder`; it is killed at the end if it still runs."""
    command = [sys.executable, "-m", "unpaired", "serve", str(run), "--port", str(port), "--device", "cpu", *flags]
    started = time.perf_counter()
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            match = re.search(r"http://[^ ]*?:(\d+)/", line)
            if match is None:
                raise SystemExit(f"the server did not start: {line}{process.stderr.read()}")
            yield Server(process, int(match[1]), time.perf_counter() - started)
        finally:
            process.kill()


def encode_request(name: str, data: bytes, to: str) -> bytes:
    """Return a multipart body with one file."""
    return (
        (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="to"\r\n\r\n{to}\r\n--{_BOUNDARY}\r\n'
            f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        ).encode()
        + data
        + f"\r\n--{_BOUNDARY}--\r\n".encode()
    )


def send(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
    """Send a translation; returns the status and the content of the answer."""
    headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    connection.request("POST", "/v1/translate", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def draw_pictures(path: Path | None) -> list[bytes]:
    """Return picture files: the given one in several brightnesses, or random ones of 64 x 64 pixels."""
    files = []
    for seed in range(PICTURES):
        if path is None:
            image = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8))
        else:
            with Image.open(path) as opened:
                image = opened.convert("RGB").point(lambda value, change=seed: max(0, value - change))
        file = io.BytesIO()
        image.save(file, "PNG")
        files.append(file.getvalue())
    return files


def measure_load(server: Server, bodies: Sequence[bytes], clients: int, requests: int) -> Load:
    """Send `requests` requests from `clients` clients, each with a connection of its own."""
    load, lock = Load(clients), threading.Lock()
    expected: dict[int, bytes] = {}
    numbers = iter(range(requests))

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
        while True:
            with lock:
                number = next(numbers, None)
                if number is not None and number == requests // 10:
                    load.tenth_mib = read_memory_mib(server.process.pid)
            if number is None:
                return
            index, started = number % len(bodies), time.perf_counter()
            try:
                status, content = send(connection, bodies[index])
            except (OSError, http.client.HTTPException) as error:
                status, content = 0, repr(error).encode()
                connection.close()
            with lock:
                load.latencies.append(time.perf_counter() - started)
                if status != 200:
                    load.errors.append(f"status {status}: {content[:200].decode(errors='replace')}")
                elif expected.setdefault(index, content) != content:
                    load.errors.append(f"request {number}: other bytes than before")

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(work) for _ in range(clients)]:
            future.result()
    load.seconds = time.perf_counter() - started
    load.end_mib = read_memory_mib(server.process.pid)
    return load


@contextmanager
def slow_clients(port: int, count: int) -> Iterator[None]:
    """Keep `count` connections open that send a byte of an upload per second."""
    stop = threading.Event()
    head = (
        "POST /v1/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
        f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
    ).encode()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(head)
        while not stop.wait(1):
            with suppress(OSError):  # the server has closed it
                connection.sendall(b"-")

    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        for _ in range(count):
            pool.submit(trickle, stack.enter_context(socket.create_connection(("127.0.0.1", port))))
        try:
            yield
        finally:
            stop.set()


def read_memory_mib(pid: int) -> float:
    """Return the memory of a process in MiB (Linux)."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    match = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(match[1]) / 1024 if match else 0.0


def measure_stop(run: Path, folder: Path, body: bytes) -> tuple[float, list[str]]:
    """Kill a server under load, restart it on the same port, and stop it under load; returns seconds to restart."""
    faults: list[str] = []
    with start_server(run, folder, 0, "--no-page") as server, ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(send_until_refused, server.port, body)
        time.sleep(0.5)
        server.process.kill()
        server.process.wait()
    left = list(folder.glob("unpaired-serve-*"))
    with start_server(run, folder, server.port, "--no-page") as again, ThreadPoolExecutor(4) as pool:
        if any(path.exists() for path in left) or not left:
            faults.append(f"the killed server's folder: {left} before, still there after the restart")
        results = [pool.submit(send_until_refused, again.port, body) for _ in range(4)]
        time.sleep(0.5)
        again.process.send_signal(signal.SIGTERM)
        code = again.process.wait(60)
        if code != 0:
            faults.append(f"SIGTERM: exit code {code}")
        faults += [fault for result in results for fault in result.result()]
    if rest := list(folder.glob("unpaired-serve-*")):
        faults.append(f"left after SIGTERM: {rest}")
    return again.start_s, faults


def send_until_refused(port: int, body: bytes) -> list[str]:
    """Send requests until the server refuses new ones; returns those that were accepted and got no full answer."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except OSError:
            return []
        try:
            status, _ = send(connection, body)
        except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected):
            return []  # the connection was open, but its request was not accepted yet
        except http.client.IncompleteRead as error:
            return [f"an answer was cut off: {error}"]
        if status == 503:
            return []
        if status != 200:
            return [f"status {status} during the stop"]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and optionally record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--to", default="two")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", default="1,5,20")
    parser.add_argument("--record", action="store_true", help="append a row to results.jsonl")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = args.run or train_tiny_run(folder / "data")
        files = draw_pictures(args.picture)
        bodies = [encode_request(f"{index}.png", data, args.to) for index, data in enumerate(files)]
        loads, faults = [], []
        with start_server(run, folder) as server:
            for clients in map(int, args.clients.split(",")):
                with slow_clients(server.port, SLOW_CLIENTS):
                    load = measure_load(server, bodies, clients, args.requests)
                loads.append(load)
                print(load.get_figures(), flush=True)
                faults += [f"{clients} clients: {error}" for error in load.errors[:3]]
            growth = loads[-1].end_mib - loads[0].tenth_mib
            if growth > MAX_GROWTH_MIB:
                faults.append(f"memory grew by {growth:.0f} MiB")
        restart_s, stop_faults = measure_stop(run, folder, bodies[0])
    faults += stop_faults
    figures = {
        "loads": [load.get_figures() for load in loads],
        "slow_clients": SLOW_CLIENTS,
        "start_s": round(server.start_s, 1),
        "restart_s": round(restart_s, 1),
        "faults": len(faults),
    }
    print(f"start {server.start_s:.1f} s, restart without page {restart_s:.1f} s")
    if args.record:
        append_row("serve", figures, seed=0)
    for fault in faults:
        print(f"fault: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
