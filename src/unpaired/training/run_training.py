"""Training of a prepared run: the loop with its logs, validation, report and recovery from lack of memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import torch

from unpaired.config.run_config import RunConfig, write_config
from unpaired.console import LogCallback, format_duration
from unpaired.data.batches import BatchLoader
from unpaired.errors import DivergenceError, format_first_line, format_system_error
from unpaired.methods.base import Method
from unpaired.report.page import write_report
from unpaired.runs.files import RunFiles
from unpaired.runs.folder import Checkpoint, RunFolder, save_model
from unpaired.runs.history import History
from unpaired.runs.progress import Progress, list_checkpoints
from unpaired.training.checkpoint import load_checkpoint
from unpaired.training.distributed import Distributed
from unpaired.training.experiment_loggers import create_logger
from unpaired.training.finish import describe_early_stop
from unpaired.training.init_weights import init_from_run
from unpaired.training.logging import TrainingLog
from unpaired.training.loop import TrainingLoop
from unpaired.training.memory_limits import repeat_within_memory
from unpaired.training.setup import build_batches, build_on_device
from unpaired.training.step_report import OnStep
from unpaired.training.trainer import Trainer, format_resume_command


def run_within_memory(
    begin: Callable[[], Path],
    folder: RunFolder,
    files: RunFiles,
    method: Method,
    distributed: Distributed,
    log: LogCallback,
    on_step: OnStep | None,
    init: Path | str | None = None,
) -> Path:
    """Call `begin`; if the device runs out of memory, continue the run with smaller micro-batches.

    The run continues as in a new process: from its last checkpoint, or from its start if there is none, since half a
    step may have changed weights, optimizers and image pools. The new settings are written to its configuration.
    """
    given_config = folder.load_config()

    def attempt(config: RunConfig) -> Path:
        if config is given_config:
            return begin()
        write_config(folder.config, config)
        new_method = build_on_device(config, distributed.fabric)
        if init is not None:
            init_from_run(new_method, Path(init), config, log)
        loop = create_loop(config, new_method, distributed)
        progress = Progress(world_size=distributed.world_size)
        if list_checkpoints(folder.checkpoints):
            progress = load_checkpoint(folder.checkpoints, loop, config.method)
        log(f"continuing at step {progress.step}")
        return run_training(config, folder, loop, build_batches(config, files, log), progress, log, True, on_step)

    return repeat_within_memory(attempt, given_config, method, distributed, log)


def create_loop(config: RunConfig, method: Method, distributed: Distributed) -> TrainingLoop:
    """Create the training loop of a configuration whose precision is chosen (not "auto")."""
    training = config.training
    return TrainingLoop(method, distributed, training.precision, training.ema_decay, training.seed)  # type: ignore[arg-type]


def run_training(
    config: RunConfig,
    folder: RunFolder,
    loop: TrainingLoop,
    batches: BatchLoader,
    progress: Progress,
    log: LogCallback,
    is_resumed: bool,
    on_step: OnStep | None = None,
    expected_step_s: float | None = None,
) -> Path:
    """Train to the end of the budget or patience, evaluate on the test split, write the report; return the folder.

    Raises as `train` does.
    """
    training_log: TrainingLog | None = None

    def load_batch(step: int, micro_batch: int, micro_batch_count: int) -> dict[str, torch.Tensor]:
        return batches.load_batch(step, micro_batch, micro_batch_count, config.training.batch_size)

    try:
        resumed_at = progress.step if is_resumed else None
        training_log = create_training_log(config, folder, log, resumed_at) if loop.distributed.is_first else None
        validator = (
            config.get_medium().create_validator(config, folder, loop.ema.method, batches, training_log)
            if training_log is not None
            else None
        )
        trainer = Trainer(config, folder, loop, load_batch, training_log, validator, progress, on_step, expected_step_s)
        try:
            trainer.run()
        except DivergenceError as error:
            if training_log is not None:
                training_log.add_record("notice", trainer.step, message=str(error))
            raise
        log(
            f"{trainer.step} steps in {format_duration(trainer.spent_s)}, plus "
            f"{format_duration(trainer.evaluation_s)} of evaluations"
        )
        if training_log is not None and trainer.is_stopped_early and trainer.spent_fraction < 1:
            training_log.log_notice(trainer.step, describe_early_stop(config, trainer.progress))
        if trainer.is_canceled:
            log(f"stopped by on_step at step {trainer.step}; continue with: {format_resume_command(folder.path)}")
        elif validator is not None:
            validator.finish(trainer.step)
    except BaseException:
        if training_log is not None:
            close_after_error(folder, training_log)
        raise
    finally:
        batches.close()
    if training_log is not None:
        close_after_end(folder, training_log, None if trainer.is_canceled else trainer.step)
    loop.distributed.barrier()
    return folder.path


def create_training_log(config: RunConfig, folder: RunFolder, log: LogCallback, resumed_at: int | None) -> TrainingLog:
    """Create the log of a run, with its experiment tracker if one is set."""
    return TrainingLog(folder, log, resumed_at, create_logger(config.training.logger, folder, config, log))


def close_after_error(folder: RunFolder, training_log: TrainingLog) -> None:
    """Close the log and write the report; log an error of either, which must not hide the one that stopped training."""
    for action in (training_log.close, partial(write_report, folder.path)):
        try:
            action()
        except Exception as error:  # the first error may have any consequence, such as a full disk or lost memory
            reason = format_system_error(error) if isinstance(error, OSError) else format_first_line(error)
            training_log.log(f"note: after the error, closing the run failed as well: {reason}")


def close_after_end(folder: RunFolder, training_log: TrainingLog, last_step: int | None) -> None:
    """Close the log and write the report, and record that the run ended at `last_step` (None: it was canceled)."""
    training_log.close()
    write_report(folder.path)
    if last_step is not None:
        training_log.add_record("end", last_step)


def has_ended(folder: RunFolder, step: int) -> bool:
    """Return whether the run was evaluated and its report written at `step`; if not, it was stopped before."""
    return folder.report.is_file() and any(line["step"] == step for line in History(folder.history).read("end"))


def save_models(config: RunConfig, folder: RunFolder, loop: TrainingLoop, progress: Progress) -> None:
    """Write the model files of the loaded checkpoint again, in case the process was killed between the two saves."""
    for checkpoint in get_args(Checkpoint):
        if checkpoint == "last" or progress.best_step == progress.step:
            save_model(folder.model_path(checkpoint), loop.ema.method, config, progress.step)
