"""End of training: evaluation on the test split, and the commands to use next."""

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
    config: RunConfig, folder: RunFolder, training_log: TrainingLog, step: int, device: torch.device, suffix: str = ""
) -> None:
    """Log the trend of the validation metric, the metrics on the test split, and the commands to use next.

    Only the medium's quick metrics are computed; a note names the command that computes all. `suffix` is the file
    suffix in the example command of translation; empty if the example is a folder. If the evaluation raises WorkError,
    the error is logged.
    """
    medium = config.get_medium()
    values = [
        (line["step"], line["value"])
        for line in training_log.history.read("evaluation")
        if line["value"] is not None and line["metric"] == medium.validation_metric.name
    ]
    if values:
        training_log.log_notice(step, trend.describe_trend(values, medium.validation_metric))
    path = str(folder.path)
    try:
        with torch.random.fork_rng(devices=[]):
            training_log.log(evaluate(path, device=str(device), **medium.quick_evaluate_options).text())
        if medium.quick_evaluate_note:
            training_log.log(f"{medium.quick_evaluate_note}: {shlex.join(('unpaired', 'evaluate', path))}")
    except WorkError as error:
        training_log.log_notice(step, f"not evaluated: {error}")
    training_log.log(f"report: {folder.report}")
    source, target = config.domains[0].name, config.domains[:2][-1].name
    translate_command = ("unpaired", "translate", path, f"YOUR_{source.upper()}{suffix}", "--to", target)
    training_log.log(f"translate: {shlex.join(translate_command)}")
