"""Common part of the demos: train on two domains, then translate their test files in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unpaired.console import LogCallback
from unpaired.runs.folder import RunFolder
from unpaired.training.train import train
from unpaired.translate import Translator, translate_files

SAMPLES = Path(__file__).parents[1] / "samples"


def train_and_translate(
    sources: Sequence[Path], items: str, out: Path | None, minutes: float, log: LogCallback, **settings: Any
) -> Path:
    """Train on two domains and translate their test folders, which contain true pairs; returns the run's folder.

    `items` names the items in log lines, as "avatars". `settings` are passed on to `train`.
    """
    run = train(*sources, out=out, minutes=minutes, pairs=True, log=log, **settings)
    translator = Translator.load(run)
    tests = {source.name: source / "test" for source in sources}
    for source, target in translator.routes:
        folder = run / "translated" / target
        outcome = translate_files(translator, [tests[source]], folder, translator.resolve_request(target, source))
        log(f"{outcome.done} {source} {items} translated to {target}: {folder}")
    log(f"report: {RunFolder(run).report.resolve()}")
    return run
