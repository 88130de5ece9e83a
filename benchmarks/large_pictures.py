"""Measure the translation of large pictures: memory and time against the size, and the difference to a whole pass.

    python -m benchmarks.large_pictures --sizes 1024,2048,4096,8000
    python -m benchmarks.large_pictures --preset paper --sizes 1024 --whole 1024
    python -m benchmarks.large_pictures --run runs/photos-paintings --sizes 2048 --whole 2048

Each size is translated in a process of its own with `--scale native`, to a BMP file. The picture is synthetic: waves
and noise, different in each corner, so that statistics by tile would differ. Without `--run` the networks of a preset
have random weights as large as those of trained networks (Kaiming initialization). Prints one JSON row per size.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from unpaired.config.run_config import RunConfig, write_config
from unpaired.cores import count_cores
from unpaired.media.image.settings import PRESETS
from unpaired.runs.folder import RunFolder, save_model
from unpaired.runs.method_builder import build_method

SEED = 0


def create_picture(path: Path, side: int) -> None:
    """Write a picture of `side` x `side` pixels as an uncompressed BMP file."""
    random = np.random.default_rng(SEED)
    picture = np.empty((side, side, 3), np.uint8)
    columns = np.arange(side)
    for row in range(side):
        wave = np.sin(columns * (0.002 + 0.05 * row / side)) * (0.2 + 0.8 * columns / side)
        noise = random.uniform(-0.3, 0.3, (side, 3)) * row / side
        picture[row] = np.clip(127.5 + 100 * (wave[:, None] * (0.5, 0.8, 1.0) + noise), 0, 255)
    Image.fromarray(picture).save(path)


def create_run(folder: Path, preset: str) -> None:
    """Write a run of CycleGAN with the networks of a preset and random weights."""
    sections = PRESETS[preset]  # type: ignore[index]
    domains = [{"name": name, "sources": [f"data/{name}"], "statistics": {"color": True}} for name in ("x", "y")]
    networks = {**sections["networks"], "residual": False, "augment": []}
    config = RunConfig.model_validate(
        {
            "unpaired_version": "0",
            "method": "cyclegan",
            "preset": preset,
            "method_settings": {},
            "medium": "image",
            "medium_settings": {"resize_mode": "crop", "channels": "3", **sections["medium_settings"]},
            "domains": domains,
            "data": {},
            "networks": networks,
            "training": {},
        }
    )
    torch.manual_seed(SEED)
    method = build_method(config)
    for module in method.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    folder.mkdir()
    write_config(RunFolder(folder).config, config)
    save_model(RunFolder(folder).model_path("last"), method, config, 0)


def measure(run: Path, source: Path, out: Path, tile: str) -> dict[str, Any]:
    """Translate one file in this process; return seconds and the peak memory."""
    import resource  # noqa: PLC0415 - absent on Windows

    from unpaired.translate import Translator, translate_files  # noqa: PLC0415

    translator = Translator.load(run, device="cpu")
    options: dict[str, Any] = {"scale": "native", "tile": tile if not tile.isdecimal() else int(tile)}
    started = time.perf_counter()
    outcome = translate_files(
        translator, [source], out, translator.resolve_request(translator.routes[0][1], options=options)
    )
    seconds = time.perf_counter() - started
    if outcome.failed:
        return {"failed": outcome.failed[0][1]}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": round(seconds, 1), "peak_mb": round(peak / 1e6), "warnings": outcome.warnings}


def measure_in_process(run: Path, source: Path, out: Path, tile: str) -> dict[str, Any]:
    """Translate one file in a new process."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.large_pictures",
        "--one",
        *map(str, (run, source, out)),
        "--tile",
        tile,
    ]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    row: dict[str, Any] = json.loads(text.splitlines()[-1])
    return row


def compare(one: Path, other: Path) -> dict[str, float]:
    """Return the largest difference of two pictures in 1/255, and the fraction of their values that differ."""
    a, b = (np.asarray(Image.open(next(folder.glob("*.bmp")))).astype(np.int16) for folder in (one, other))
    return {"max_difference": float(np.abs(a - b).max()), "differing": round(float((a != b).mean()), 6)}


def main() -> None:
    """Print one row per size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of a run (default: networks of --preset, random weights)")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="tiny")
    parser.add_argument("--sizes", default="1024,2048,4096,8000", help="sides of the pictures in pixels")
    parser.add_argument("--whole", type=int, default=2048, help="largest side that is also translated as a whole")
    parser.add_argument("--tile", default="512", help="--tile of the translation")
    parser.add_argument("--one", type=Path, nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one[0], args.one[1], args.one[2], args.tile)))
        return
    with tempfile.TemporaryDirectory(dir="/var/tmp" if Path("/var/tmp").is_dir() else None) as folder:
        run = args.run or Path(folder, "run")
        if args.run is None:
            create_run(run, args.preset)
        for side in map(int, args.sizes.split(",")):
            source = Path(folder, f"{side}.bmp")
            create_picture(source, side)
            row = {"side": side, "network": str(args.run or args.preset), "tile": args.tile}
            row |= measure_in_process(run, source, Path(folder, f"tiles-{side}"), args.tile)
            if side <= args.whole:
                whole = measure_in_process(run, source, Path(folder, f"whole-{side}"), "off")
                row |= {"whole_seconds": whole.get("seconds"), "whole_peak_mb": whole.get("peak_mb")}
                row |= compare(Path(folder, f"tiles-{side}"), Path(folder, f"whole-{side}"))
            row |= {
                "machine": platform.machine(),
                "cores": count_cores(),
                "threads": torch.get_num_threads(),
                "seed": SEED,
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
