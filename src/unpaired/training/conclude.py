"""What a judge says after the last step, of whatever medium the items are."""

from __future__ import annotations

import shlex

import torch

from unpaired.errors import WorkError
from unpaired.evaluation import trend
from unpaired.evaluation.run import evaluate
from unpaired.runs.config import RunConfig
from unpaired.runs.folder import RunFolder
from unpaired.training.record import Record


def conclude(
    config: RunConfig, folder: RunFolder, record: Record, step: int, device: torch.device, measure: str, suffix: str
) -> None:
    """How it went in words (by `measure`, as it is called), the measures on the test items, and what to do next.

    `suffix` is that of the file in the example of translating; empty for a folder. Items are measured without judges;
    where there are such of a medium, how to ask them is said.
    """
    found = [(line["step"], line["mean_kid"]) for line in record.history.read("evaluation") if line["mean_kid"]]
    if found:
        record.notice(step, trend.words(found, measure))
    path = str(folder.path)
    try:
        with torch.random.fork_rng(devices=[]):
            record.say(evaluate(path, judges=(), device=str(device)).text())
        if config.medium == "voice":
            judged = shlex.join(("unpaired", "evaluate", path))
            record.say(f"speakers, words and naturalness judged by networks too: {judged}")
    except WorkError as error:
        record.notice(step, f"not evaluated: {error}")
    record.say(f"report: {folder.report}")
    source, target = (config.domain(key).name for key in "XY")
    translate = ("unpaired", "translate", path, f"YOUR_{source.upper()}{suffix}", "--to", target)
    record.say(f"translate: {shlex.join(translate)}")
