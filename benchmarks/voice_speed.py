"""How fast voices are converted on one core, and how much memory an hour-long recording takes.

    python -m benchmarks.voice_speed [--seconds 60] [--hour 3600] [--width 32]

Real-time factors (seconds of work per second of sound) of analysis, networks and synthesis, each alone, for `world` and
for `mel`; then a synthesised recording of `--hour` seconds converted from disk to disk by a
process of its own, with the peak of its memory beside that for a tenth of the length. Networks are untrained: they take
the same time. A row goes to results.jsonl.
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
from unpaired.media.voice.conversion import make_network_converter
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import SpeakerStatistics, speaker_statistics, voice_settings
from unpaired.runs.method_builder import build_method
from unpaired.translate.translator import Translator

BLOCK_SECONDS = 10


def hum(seconds: float, rate_hz: int, f0_hz: float = 130.0) -> Wave:
    """A hum with a moving pitch, in words of a second with pauses between."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * np.cumsum(f0_hz * (1 + 0.1 * np.sin(2 * np.pi * 1.3 * t))) / rate_hz
    wave = sum(np.sin(n * phase) / n for n in range(1, 40))
    return np.asarray(0.1 * wave * (np.sin(np.pi * t / 1.25) ** 2 > 0.1), np.float32)


def settings(name: str, width: int) -> RunConfig:
    """A run that nobody trained."""
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


def factors(name: str, seconds: float, width: int) -> dict[str, float]:
    """Real-time factors of the parts."""
    config = settings(name, width)
    seen, method = build_representation(voice_settings(config)), build_method(config).eval()
    voice = speaker_statistics(config.domains[0])
    apply = make_network_converter(
        lambda x: method.translate(x, "X", "Y"), torch.device("cpu"), voice, voice, method.stride
    )
    wave = hum(seconds, seen.sample_rate_hz)
    times: dict[str, float] = {}

    def timed(part: str, work: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        out = work()
        times[part] = round((time.perf_counter() - begin) / seconds, 4)
        return out

    features = timed("analysis", lambda: list(chunking.analyse_stream([wave], seen)))
    made = timed("networks", lambda: list(chunking.convert_windows(features, apply)))
    timed("synthesis", lambda: list(seen.synthesise_stream(made)))
    return times


def peak(seconds: float, width: int) -> dict[str, float]:
    """Convert a file of that length in a process of its own: its memory in MiB and its time."""
    words = [sys.executable, "-m", "benchmarks.voice_speed", "--convert", str(seconds), "--width", str(width)]
    found: dict[str, float] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return found


def peak_mib() -> float:
    """The most memory that this process has had, in MiB (Linux).

    `getrusage` would count what the process that started it had at that time.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def converted(seconds: float, width: int) -> dict[str, float]:
    """What `peak` runs."""
    with tempfile.TemporaryDirectory() as folder:
        source, block = Path(folder) / "hour.flac", hum(BLOCK_SECONDS, 16000)
        audio_io.write(source, (block for _ in range(round(seconds / BLOCK_SECONDS))), 16000)
        config = settings("world", width)
        translator = Translator(config, build_method(config), "cpu")
        craft = translator.create_pipeline(translator.resolve_request("b"))
        before = peak_mib()
        begin = time.perf_counter()
        craft.write(Path(folder) / "out.flac", craft.prepare_file(source), None)
        spent = time.perf_counter() - begin
    after = peak_mib()
    return {
        "seconds": seconds,
        "before_mib": round(before),
        "peak_mib": round(after),
        "real_time": round(spent / seconds, 4),
    }


def main() -> None:
    """Measure, append a row and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--hour", type=float, default=3600)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--convert", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.convert:
        print(json.dumps(converted(asked.convert, asked.width)))
        return
    parts = {name: factors(name, asked.seconds, asked.width) for name in ("world", "mel")}
    for name, times in parts.items():
        print(f"{name}: " + ", ".join(f"{part} {factor:.3f}" for part, factor in times.items()) + " s per second")
    long = [peak(seconds, asked.width) for seconds in (asked.hour / 10, asked.hour)]
    for found in long:
        spent = f"{found['real_time']:.3f} s per second"
        print(f"a file of {found['seconds']:.0f} s: {found['peak_mib']:.0f} MiB at most, {spent}")
    append_row("voice-speed", {"width": asked.width, "parts": parts, "files": long}, seed=0)


if __name__ == "__main__":
    main()
