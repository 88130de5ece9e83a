"""Peak memory of `unpaired convert` for an hour of speech, and the delay of `unpaired translate --stream`.

    python -m benchmarks.voice_content_speed $DATA/voice_flite/test/slt --target $DATA/voice_flite/train/rms
    python -m benchmarks.voice_content_speed $DATA/voice_fillets/test/male --run runs/recognition-synthesis --to rms

The input repeats the recordings of a folder up to `--seconds`. With `--target`, the converter `content` is fitted and
converts it from disk to disk; the process then has used `peak_mib` of memory at most. With `--run`, it is sent to
`--stream` in real time, and the delay of a sample is the time from its arrival to its output. Appends a row to
results.jsonl and prints it.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import append_row
from benchmarks.voice_converters import RATE_HZ
from benchmarks.voice_speed import peak_mib
from unpaired.data.folders import discover_collections
from unpaired.media.voice.audio_io import Wave, read, write
from unpaired.media.voice.converter_fitting import fit_converter
from unpaired.media.voice.settings import VoiceConvertOptions
from unpaired.media.voice.streaming import translate_stream
from unpaired.translate.translator import Translator

SAMPLE_BYTES = 2


def repeat_recordings(folder: Path, seconds: float) -> Iterator[Wave]:
    """Yield the recordings of a folder, again and again, up to a length."""
    rest = round(seconds * RATE_HZ)
    for path in itertools.cycle(sorted(path for path in folder.iterdir() if path.is_file())):
        wave = read(path, RATE_HZ).wave[:rest]
        yield wave
        rest -= len(wave)
        if not rest:
            return


def convert_file(recordings: Path, target: Path, seconds: float) -> dict[str, float]:
    """Convert a file of `seconds`; return the memory before and after, and the real-time factor."""
    (files,) = discover_collections([target])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.flac"
        write(path, repeat_recordings(recordings, seconds), RATE_HZ)
        pipeline = fit_converter(files, None, VoiceConvertOptions(converter="content", vad="energy")).pipeline
        before, start = peak_mib(), time.process_time()
        pipeline.write(Path(folder) / "out.flac", pipeline.prepare_file(path), None)
        factor = (time.process_time() - start) / seconds
    return {"before_mib": round(before), "peak_mib": round(peak_mib()), "real_time": round(factor, 3)}


class RealTimeSource(io.BytesIO):
    """PCM samples of which each can be read once its time has come."""

    def __init__(self, pcm: bytes) -> None:
        super().__init__(pcm)
        self._length, self._start = len(pcm), time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def read(self, size: int | None = -1) -> bytes:
        """Return up to `size` bytes after waiting for the last of them."""
        stop = self._length if size is None or size < 0 else min(self.tell() + size, self._length)
        time.sleep(max(0.0, stop / SAMPLE_BYTES / RATE_HZ - self.elapsed_s))
        return super().read(size)


class TimedSink(io.BytesIO):
    """Sink that records the delay of the first sample of each block: when it was written, minus when it arrived."""

    def __init__(self, source: RealTimeSource) -> None:
        super().__init__()
        self.source, self.delays = source, list[float]()

    def write(self, data: Any) -> int:
        """Write a block."""
        self.delays.append(self.source.elapsed_s - self.tell() / SAMPLE_BYTES / RATE_HZ)
        return super().write(data)


def convert_stream(recordings: Path, run: Path, target: str, seconds: float) -> dict[str, float]:
    """Convert a stream of `seconds` in real time; return the first and the longest delay, and the real-time factor."""
    wave = np.concatenate(list(repeat_recordings(recordings, seconds)))
    translator = Translator.load(run, device="cpu")
    request = translator.resolve_request(target)
    translate_stream(translator, request, io.BytesIO(to_pcm(wave[:RATE_HZ])), io.BytesIO(), RATE_HZ, print)  # loads all
    start = time.process_time()
    source = RealTimeSource(to_pcm(wave))
    sink = TimedSink(source)
    translate_stream(translator, request, source, sink, RATE_HZ, print)
    factor = (time.process_time() - start) / seconds
    delays = {"first_delay_s": round(sink.delays[0], 2), "longest_delay_s": round(max(sink.delays), 2)}
    return delays | {"real_time": round(factor, 3)}


def to_pcm(wave: Wave) -> bytes:
    """Return 16-bit samples."""
    return (wave * 32767).astype("<i2").tobytes()


def main() -> None:
    """Measure, append a row and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--target", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--to")
    args = parser.parse_args()
    row: dict[str, Any] = {"seconds": args.seconds}
    if args.target is not None:
        row["file"] = convert_file(args.recordings, args.target, args.seconds)
    if args.run is not None:
        row["stream"] = convert_stream(args.recordings, args.run, args.to, args.seconds)
    append_row("voice-content-speed", row, seed=0)
    print(json.dumps(row))


if __name__ == "__main__":
    main()
