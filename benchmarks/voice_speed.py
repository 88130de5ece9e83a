"""Speed of voice conversion on one core, and peak memory for an hour-long recording.

    python -m benchmarks.voice_speed [--seconds 60] [--hour 3600] [--width 32]

Measures real-time factors (seconds of work per second of audio) of analysis, networks and synthesis for `world` and
`mel`. Then converts a synthetic recording of `--hour` seconds, and one of a tenth of the length, from disk to disk in
separate processes and measures their peak memory. The networks are untrained, which does not change their speed.
Appends a row to results.jsonl.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.results import append_row
from unpaired.config.run_config import RunConfig
from unpaired.data.domain import Domain
from unpaired.media.voice import audio_io, chunking
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.conversion import bind_network, make_feature_converter, wrap_with_normalisation
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import SpeakerStatistics, speaker_statistics, voice_settings
from unpaired.runs.method_builder import build_method
from unpaired.translate.torch_network import TorchNetwork
from unpaired.translate.translator import Translator

BLOCK_SECONDS = 10


def hum(seconds: float, rate_hz: int, f0_hz: float = 130.0) -> Wave:
    """Return a synthetic voice with varying pitch and short pauses, in [-1, 1]."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * np.cumsum(f0_hz * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * t))) / rate_hz
    wave = sum(np.sin(n * phase) / n for n in range(1, 40))
    return np.asarray(0.1 * wave * (np.sin(np.pi * t / 1.25) ** 2 > 0.1), np.float32)


def make_config(name: str, width: int) -> RunConfig:
    """Return the configuration of an untrained run."""
    count = {"world": 24, "mel": 80}[name]
    statistics = SpeakerStatistics(
        mean=(0.0,) * count,
        std=(1.0,) * count,
        scale=(1.0,) * count,
        log_f0_mean=4.9,
        log_f0_std=0.2,
        voiced_fraction=0.6,
        lufs=-23,
        frames=1000,
    )
    return RunConfig.model_validate(
        {
            "unpaired_version": "0",
            "method": "cyclegan",
            "preset": "small",
            "method_settings": {},
            "domains": [Domain(name=n, sources=(n,), statistics=statistics) for n in ("a", "b")],
            "medium": "voice",
            "medium_settings": {"representation": name},
            "data": {},
            "networks": {"width": width, "discriminator_width": 8, "residual": True},
            "training": {"steps": 1},
        }
    )


def measure_factors(name: str, seconds: float, width: int) -> dict[str, float]:
    """Measure the real-time factor of each stage."""
    config = make_config(name, width)
    representation, method = build_representation(voice_settings(config)), build_method(config).eval()
    voice = speaker_statistics(config.domains[0])
    network = TorchNetwork(method, torch.device("cpu"))
    translate = wrap_with_normalisation(bind_network(network, network.routes[0]), voice, voice, network.stride)
    apply = make_feature_converter(translate, voice, voice)
    wave = hum(seconds, representation.sample_rate_hz)
    times: dict[str, float] = {}

    def timed(part: str, work: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        out = work()
        times[part] = round((time.perf_counter() - begin) / seconds, 4)
        return out

    features = timed("analysis", lambda: list(chunking.analyse_stream([wave], representation)))
    converted_windows = timed("networks", lambda: list(chunking.convert_windows(features, apply)))
    timed("synthesis", lambda: list(representation.synthesize_stream(converted_windows)))
    return times


def convert_in_process(seconds: float, width: int) -> dict[str, float]:
    """Run `converted` in a new process and return its result."""
    command = [sys.executable, "-m", "benchmarks.voice_speed", "--convert", str(seconds), "--width", str(width)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def peak_mib() -> float:
    """Return the peak resident memory of this process in MiB (Linux).

    `getrusage` would include the parent's memory before exec.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def measure_conversion(seconds: float, width: int) -> dict[str, float]:
    """Convert a recording of `seconds`; return its peak memory in MiB and its real-time factor."""
    with tempfile.TemporaryDirectory() as folder:
        source, block = Path(folder) / "hour.flac", hum(BLOCK_SECONDS, 16000)
        audio_io.write(source, (block for _ in range(round(seconds / BLOCK_SECONDS))), 16000)
        config = make_config("world", width)
        translator = Translator(config, build_method(config), "cpu")
        pipeline = translator.create_pipeline(translator.resolve_request("b"))
        before = peak_mib()
        begin = time.perf_counter()
        pipeline.write(Path(folder) / "out.flac", pipeline.prepare_file(source), None)
        elapsed_s = time.perf_counter() - begin
    after = peak_mib()
    return {
        "seconds": seconds,
        "before_mib": round(before),
        "peak_mib": round(after),
        "real_time": round(elapsed_s / seconds, 4),
    }


def main() -> None:
    """Measure, print the results and append a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hour", type=float, default=3600)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--convert", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.convert:
        print(json.dumps(measure_conversion(args.convert, args.width)))
        return
    parts = {name: measure_factors(name, args.seconds, args.width) for name in ("world", "mel")}
    for name, times in parts.items():
        print(f"{name}: " + ", ".join(f"{part} {factor:.3f}" for part, factor in times.items()) + " s per second")
    long = [convert_in_process(seconds, args.width) for seconds in (args.hour / 10, args.hour)]
    for result in long:
        real_time = f"{result['real_time']:.3f} s per second"
        print(f"a file of {result['seconds']:.0f} s: {result['peak_mib']:.0f} MiB peak, {real_time}")
    append_row("voice-speed", {"width": args.width, "parts": parts, "files": long}, seed=0)


if __name__ == "__main__":
    main()
