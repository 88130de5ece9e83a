"""The first thing that somebody sees: training on the samples that the package carries, held-out ones translated."""

from __future__ import annotations

from pathlib import Path

from unpaired.runs.folder import RunFolder
from unpaired.terminal import Say
from unpaired.training.train import train
from unpaired.translate import Translator, translate_files

SAMPLES = Path(__file__).parent / "samples" / "emoji"
"""Fluent emoji (MIT, see its NOTICE): shaded ones in `3d`, flat ones in `flat`; 440 of each to train on, not paired."""


def demo(out: Path | None, minutes: float, say: Say) -> Path:
    """Train emoji 3d <-> flat for `minutes` of steps, translate the test emoji both ways; returns the run's folder."""
    say(f"demo: shaded emoji to flat ones and back, {minutes:g} minutes of training on this machine")
    run = train(SAMPLES / "3d", SAMPLES / "flat", out=out, minutes=minutes, pairs=True, say=say)
    assert run is not None
    translator = Translator.load(run)
    for source, target in translator.routes:
        folder = run / "translated" / target
        done = translate_files(translator, [SAMPLES / source / "test"], folder, translator.way(target, source))
        say(f"{done.done} {source} emoji translated to {target}: {folder}")
    say(f"look at the report: {RunFolder(run).report.resolve()}")
    return run
