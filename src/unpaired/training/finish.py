"""What a judge says after the last step, of whatever medium the items are."""

from __future__ import annotations

import shlex

import torch

from unpaired.config.run_config import RunConfig
from unpaired.errors import WorkError
from unpaired.evaluation.run import evaluate
from unpaired.metrics import trend
from unpaired.runs.folder import RunFolder
from unpaired.training.logging import TrainingLog


def finish_training(
    config: RunConfig,
    folder: RunFolder,
    training_log: TrainingLog,
    step: int,
    device: torch.device,
    metric_name: str,
    suffix: str,
) -> None:
    """How it went in words (by `measure`, as it is called), the measures on the test items, and what to do next.

    `suffix` is that of the file in the example of translating; empty for a folder. Items are measured without judges;
    where there are such of a medium, how to ask them is said.
    """
    values = [
        (line["step"], line["validation_metric"])
        for line in training_log.history.read("evaluation")
        if line["validation_metric"]
    ]
    if values:
        training_log.log_notice(step, trend.describe_trend(values, metric_name))
    path = str(folder.path)
    try:
        with torch.random.fork_rng(devices=[]):
            training_log.log(evaluate(path, judges=(), device=str(device)).text())
        if config.medium == "voice":
            command = shlex.join(("unpaired", "evaluate", path))
            training_log.log(f"speakers, words and naturalness judged by networks too: {command}")
    except WorkError as error:
        training_log.log_notice(step, f"not evaluated: {error}")
    training_log.log(f"report: {folder.report}")
    source, target = (config.get_domain(key).name for key in "XY")
    translate_command = ("unpaired", "translate", path, f"YOUR_{source.upper()}{suffix}", "--to", target)
    training_log.log(f"translate: {shlex.join(translate_command)}")
