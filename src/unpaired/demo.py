"""The first thing that somebody sees: training on the samples that the package carries, held-out ones translated."""

from __future__ import annotations

from pathlib import Path

from unpaired.runs.folder import RunFolder
from unpaired.terminal import Say
from unpaired.training.train import train
from unpaired.translate import Translator, translate_files

SAMPLES = Path(__file__).parent / "samples" / "avatars"
"""Adventurer avatars (CC BY 4.0, see its NOTICE): black hair in `black`, blond in `blond`; 300 of each, not paired."""


def demo(out: Path | None, minutes: float, say: Say) -> Path:
    """Train black and blond hair for `minutes` of steps, translate the test avatars both ways; returns the run."""
    say(f"demo: black hair to blond and back, {minutes:g} minutes of training on this machine")
    run = train(SAMPLES / "black", SAMPLES / "blond", out=out, minutes=minutes, pairs=True, say=say)
    assert run is not None
    translator = Translator.load(run)
    for source, target in translator.routes:
        folder = run / "translated" / target
        done = translate_files(translator, [SAMPLES / source / "test"], folder, translator.way(target, source))
        say(f"{done.done} {source} avatars translated to {target}: {folder}")
    say(f"look at the report: {RunFolder(run).report.resolve()}")
    return run
