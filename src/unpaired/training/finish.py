"""End of training: evaluation on the test split, and the commands to use next."""

from __future__ import annotations

import shlex

import torch

from unpaired.config.run_config import RunConfig
from unpaired.errors import WorkError
from unpaired.evaluation.run import evaluate
from unpaired.metrics import trend
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import Progress
from unpaired.runs.summary import read_run_summary
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
    summary = read_run_summary(folder.path)
    if summary.trend_points:
        training_log.log_notice(step, trend.describe_trend(summary.trend_points, summary.validation_metric))
    path = str(folder.path)
    try:
        with torch.random.fork_rng(devices=[]):
            training_log.show_activity("measuring the test items ...")
            evaluation = evaluate(path, device=str(device), **medium.quick_evaluate_options)
            training_log.log(evaluation.text(max_width=training_log.max_width))
        if medium.quick_evaluate_note:
            training_log.log(f"{medium.quick_evaluate_note}: {shlex.join(('unpaired', 'evaluate', path))}")
    except WorkError as error:
        training_log.log_notice(step, f"not evaluated: {error}")
    training_log.log(f"report: {folder.report}")
    source, target = config.domains[0].name, config.domains[:2][-1].name
    translate_command = ("unpaired", "translate", path, f"YOUR_{source.upper()}{suffix}", "--to", target)
    training_log.log(f"translate: {shlex.join(translate_command)}")


def describe_early_stop(config: RunConfig, progress: Progress) -> str:
    """Describe why training stopped before the end of its budget, and where the best checkpoint is."""
    metric = config.get_medium().validation_metric
    best = "" if progress.best_value is None else f" (mean {metric.short} {progress.best_value:.3g})"
    return (
        f"stopped early at step {progress.step}: {metric.short} has not improved for {config.training.patience} "
        f"evaluations (--patience); the best checkpoint is that of step {progress.best_step}{best}. The learning rates "
        "of the last checkpoint had not fallen to the end of their schedule"
    )
