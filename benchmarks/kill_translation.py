"""Translation that is killed and continued, compared with one that was never killed."""

from __future__ import annotations

import functools
import mmap
import random
import shutil
import struct
import time
from pathlib import Path

from benchmarks.kill_worker import COMMON, SETTINGS, KillReport, MediumName, Worker, discard_line, make_data
from unpaired.media.image import image_io
from unpaired.media.image.pipeline import ImagePipeline
from unpaired.media.voice import audio_io
from unpaired.media.voice.pipeline import VoicePipeline
from unpaired.runs.lock import LOCK_FILE
from unpaired.training import train
from unpaired.translate import Translator, translate_files
from unpaired.translate.manifest import DATABASE_NAME, Manifest

TRANSLATE_PHASES: dict[MediumName, dict[str, tuple[object, str]]] = {
    "image": {
        "batch": (ImagePipeline, "run"),
        "writing a file": (image_io, "atomic_write"),
        "record": (Manifest, "mark_finished"),
        "beginning of a record": (Manifest, "mark_started"),
    },
    "voice": {
        "batch": (VoicePipeline, "run"),
        "writing a file": (audio_io, "_write_blocks"),
        "record": (Manifest, "mark_finished"),
        "beginning of a record": (Manifest, "mark_started"),
    },
}


def try_translation(medium: MediumName, instants: int, seed: int, folder: Path) -> KillReport:
    """Kill the translation of a folder `instants` times; repeat the same call until all files are done."""
    report, rng, worker = KillReport(), random.Random(seed), Worker(TRANSLATE_PHASES[medium])
    data = make_data(medium, folder / "data")
    run = folder / "run"
    settings = COMMON | SETTINGS[medium] | {"steps": 1, "checkpoint_every": None, "evaluate_every": 0}
    code, _ = Worker({}).run(lambda: train.train(*data, out=run, log=discard_line, **settings), None)
    if code != 0:
        report.faults.append("the training of the run failed")
        return report
    counts = mmap.mmap(-1, 16)

    def translate(out: Path) -> None:
        translator = Translator.load(run, device="cpu")
        outcome = translate_files(translator, [data[0]], out, translator.resolve_request("two"), batch_size=2)
        struct.pack_into("qq", counts, 0, outcome.done, outcome.skipped)
        if outcome.failed:
            raise RuntimeError(str(outcome.failed[0]))

    worker.run(functools.partial(translate, folder / "warm"), None)
    started = time.perf_counter()
    worker.run(functools.partial(translate, folder / "reference"), None)
    total_s = time.perf_counter() - started
    expected = read_outputs(folder / "reference")
    if len(expected) != len(list(data[0].iterdir())):
        report.faults.append("the reference did not finish")
        return report
    trial, out_count = 0, 0
    while trial < instants:
        out_count += 1
        out = folder / f"out-{out_count}"
        code = -9
        while code == -9:
            target = worker.choose_target(rng, total_s, trial) if trial < instants else None
            code, phase = worker.run(functools.partial(translate, out), target)
            trial += target is not None
            report.finished_before += target is not None and code != -9
            if code == -9:
                report.kills[phase] += 1
                report.faults += [
                    f"{out.name}/{name}: incomplete or different file"
                    for name, content in read_outputs(out).items()
                    if expected.get(name) != content
                ]
        done, skipped = struct.unpack_from("qq", counts, 0)
        if code != 0 or done + skipped != len(expected):
            report.faults.append(f"{out.name}: exit code {code}, {done} done and {skipped} skipped of {len(expected)}")
        if read_outputs(out) != expected:
            report.faults.append(f"{out.name}: outputs differ from an uninterrupted translation")
        report.faults += [
            f"{out.name}/{left.name}: temporary file left"
            for left in out.iterdir()
            if left.name.startswith(".") and left.name not in (DATABASE_NAME, LOCK_FILE)
        ]
        shutil.rmtree(out, ignore_errors=True)
    return report


def read_outputs(out: Path) -> dict[str, bytes]:
    """Return the visible files of an output folder: name -> content."""
    if not out.is_dir():
        return {}
    return {file.name: file.read_bytes() for file in sorted(out.iterdir()) if not file.name.startswith(".")}
