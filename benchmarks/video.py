"""Measure the translation of clips: frames per second beside the networks alone, and memory against the length.

    python -m benchmarks.video
    python -m benchmarks.video --preset tiny --frames 250,2500

A clip of each length, a square that moves over a gradient (H.264, 25 frames/s, with sound), is translated in a process
of its own by a run with random weights; the decoder and the encoder work beside the networks. Then the same number of
frames, at most 40, passes the networks alone, in equal batches. On a busy machine, compare the processor times. A row
per length goes to results.jsonl. Needs `unpaired[video]`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from benchmarks.large_pictures import create_run
from benchmarks.results import append_row

SAMPLE_RATE = 48000
MAX_FRAMES_ALONE = 40


def create_clip(path: Path, side: int, frames: int) -> None:
    """Write a clip of `side` x `side` pixels with a tone."""
    y, x = np.mgrid[:side, :side] / side
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=25)
        video.width = video.height = side
        video.pix_fmt = "yuv420p"
        sound: Any = out.add_stream("aac", rate=SAMPLE_RATE)
        for i in range(frames):
            pixels = np.stack([x, y, np.full_like(x, 0.5)], axis=-1) * 200
            left = 3 * i % (side - 32)
            pixels[40:72, left : left + 32] = (230, 80, 20)
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels.astype(np.uint8), format="rgb24")))
        samples = frames * SAMPLE_RATE // 25
        for start in range(0, samples, 1024):
            wave = 0.3 * np.sin(np.arange(start, start + 1024) * 0.05)
            frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            out.mux(sound.encode(frame))
        out.mux([*video.encode(None), *sound.encode(None)])


def measure(run: Path, clip: Path, out: Path, frames: int) -> dict[str, Any]:
    """Translate a clip in this process; return frames per second, those of the networks alone, and the peak memory."""
    from unpaired import Translator  # noqa: PLC0415 - torch is part of the memory measured
    from unpaired.media.video.pipeline import ClipPipeline  # noqa: PLC0415
    from unpaired.media.video.settings import BATCH_FRAMES  # noqa: PLC0415
    from unpaired.translate.files import translate_files  # noqa: PLC0415

    translator = Translator.load(run)
    request = translator.resolve_request("y")
    pipeline = translator.create_pipeline(request)
    assert isinstance(pipeline, ClipPipeline)
    picture = out.with_suffix(".png")
    Image.fromarray(np.zeros((256, 256, 3), np.uint8)).save(picture)
    item = pipeline.pictures.prepare_picture(picture, ".png")
    batch = [item] * BATCH_FRAMES
    pipeline.pictures.run_networks(batch)  # first pass: allocation
    start, cpu_start = time.perf_counter(), time.process_time()
    outcome = translate_files(translator, [clip], out, request)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    assert outcome.done == 1, outcome.failed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    alone = min(frames, MAX_FRAMES_ALONE) // BATCH_FRAMES
    start, cpu_start = time.perf_counter(), time.process_time()
    for _ in range(alone):
        pipeline.pictures.run_networks(batch)
    alone_cpu_seconds = (time.process_time() - cpu_start) / (alone * BATCH_FRAMES)
    alone_rate = alone * BATCH_FRAMES / (time.perf_counter() - start)
    return {
        "frames": frames,
        "frames_per_second": round(frames / seconds, 3),
        "networks_alone": round(alone_rate, 3),
        "ratio": round(frames / seconds / alone_rate, 3),
        "cpu_seconds_per_frame": round(cpu_seconds / frames, 4),
        "networks_cpu_seconds_per_frame": round(alone_cpu_seconds, 4),
        "peak_mb": round(peak),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure each length in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--frames", default="60")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.measure:
        run, clip, out, frames = args.measure
        print(json.dumps(measure(Path(run), Path(clip), Path(out), int(frames))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        create_run(folder / "run", args.preset)
        for frames in map(int, args.frames.split(",")):
            clip, out = folder / f"{frames}.mp4", folder / f"out{frames}"
            create_clip(clip, args.side, frames)
            arguments = [str(folder / "run"), str(clip), str(out), str(frames)]
            command = [sys.executable, "-m", "benchmarks.video", "--measure", *arguments]
            row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(append_row("video", {"preset": args.preset, "side": args.side, **row}, 0), flush=True)


if __name__ == "__main__":
    main()
