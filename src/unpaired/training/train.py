"""`unpaired.train` and its resumption: from folders to a trained run."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch

from unpaired.config.resolve import RESUMABLE_SETTINGS, SettingsRequest, validate
from unpaired.config.run_config import RunConfig, write_config
from unpaired.config.settings import TrainingSettings
from unpaired.console import LogCallback, format_duration, log_to_terminal
from unpaired.data.batches import BatchLoader
from unpaired.devices import pick_device
from unpaired.errors import DivergenceError, UsageError, WorkError
from unpaired.report.page import write_report
from unpaired.runs.files import RunFiles, describe_data_changes, read_file_lists, write_file_lists
from unpaired.runs.folder import Checkpoint, RunFolder, format_run_name, next_free_path, require_unused, save_model
from unpaired.runs.progress import Budget, Progress
from unpaired.training.checkpoint import load_checkpoint
from unpaired.training.distributed import launch_distributed
from unpaired.training.logging import TrainingLog
from unpaired.training.loop import TrainingLoop
from unpaired.training.setup import build_batches, build_on_device, discard_message, setup_training
from unpaired.training.step_benchmark import format_dry_run
from unpaired.training.trainer import Trainer


def train(
    *data: Path | str,
    method: str | None = None,
    preset: str | None = None,
    out: Path | str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    teacher: Path | str | None = None,
    log: LogCallback = log_to_terminal,
    **settings: Any,
) -> Path:
    """Train on `data` (a folder per domain, or one folder of them); returns the run's folder.

    `settings` are any of data, networks, training and the method, by their names (`size=128, steps=2000`), over those
    of the file `config`, over the preset's. `pairs` says that equal names in the test folders are true pairs. `teacher`
    is the folder of a trained run (or the file of its model) that the method learns from, where it does that. `say`
    gets what a person should read.

    Raises UsageError for wrong settings or paths, WorkError for unusable data and failures while training, Interrupted
    after a signal once the state is saved.
    """
    request = SettingsRequest.read(method, preset, settings, config)
    setup = setup_training(data, request, pairs, teacher, out, log)
    folder = RunFolder(setup.distributed.run_on_first(partial(make_run_folder, setup.config, out, setup.files)))
    setup.log(f"run: {folder.path}")
    training = setup.config.training
    loop = TrainingLoop(setup.method, setup.distributed, training.precision, training.ema_decay, training.seed)  # type: ignore[arg-type]
    progress = Progress(world_size=setup.distributed.world_size)
    return run_training(setup.config, folder, loop, setup.batches, progress, setup.log, is_resumed=False)


def dry_run(
    *data: Path | str,
    method: str | None = None,
    preset: str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    teacher: Path | str | None = None,
    log: LogCallback = log_to_terminal,
    **settings: Any,
) -> str:
    """What `train` would do with the same arguments: its settings, networks and the cost of a step; nothing is done.

    Raises as `train`; ranks other than the first give an empty text.
    """
    request = SettingsRequest.read(method, preset, settings, config)
    setup = setup_training(data, request, pairs, teacher, None, log)
    with closing(setup.batches):
        text = format_dry_run(setup.config, setup.method, setup.batches, setup.distributed)
    return text if setup.distributed.is_first else ""


def resume(
    run_path: Path | str, changed_data: bool = False, log: LogCallback = log_to_terminal, **settings: Any
) -> Path:
    """Continue a run where its newest checkpoint stands, equal to the last bit to one that was never stopped.

    `settings` may give a new budget (`steps` or `minutes`; the schedule then follows it) and the intervals of saving
    and looking. Files that have changed since the run began are refused, unless `changed_data`.

    Raises UsageError where `run_path` is no run or is complete, WorkError where nothing has been saved yet, for damaged
    files and changed data, else as `train`.
    """
    folder = RunFolder(Path(run_path))
    config = folder.load_config()
    if config.imported_from is not None:
        raise UsageError(
            f"{run_path}: imported from {config.imported_from}: a generator alone, without critics, optimizers or "
            "data, so there is nothing to resume"
        )
    extended_config = extend_config(config, settings)
    fabric, distributed = launch_distributed(
        pick_device(config.training.device).type, config.training.devices, config.training.nodes
    )
    log = log if distributed.is_first else discard_message
    files = distributed.run_on_first(partial(require_same_files, config, folder, changed_data, log))
    with distributed.report_errors_once():
        method = build_on_device(config, fabric)
    loop = TrainingLoop(method, distributed, config.training.precision, config.training.ema_decay, config.training.seed)  # type: ignore[arg-type]
    progress = load_checkpoint(folder.checkpoints, loop, config.method)
    distributed.run_on_first(partial(save_models, extended_config, folder, loop, progress))
    training = extended_config.training
    budget = Budget(training.steps, training.minutes)
    if budget.spent_fraction(progress.step, progress.spent_s) >= 1:
        message = f"already complete ({progress.step} steps, {format_duration(progress.spent_s)})"
        raise distributed.mark_reported_once(
            UsageError(f"{run_path}: {message}; give a larger budget: --steps or --minutes")
        )
    if budget != (old_budget := Budget(config.training.steps, config.training.minutes)):
        log(f"budget: {budget} (was {old_budget}); the schedule follows it")
    with distributed.report_errors_once():
        batches = build_batches(extended_config, files, log)
    if distributed.is_first and extended_config != config:
        write_config(folder.config, extended_config)
    log(f"resuming {folder.path} at step {progress.step}")
    return run_training(extended_config, folder, loop, batches, progress, log, is_resumed=True)


def run_training(
    config: RunConfig,
    folder: RunFolder,
    loop: TrainingLoop,
    batches: BatchLoader,
    progress: Progress,
    log: LogCallback,
    is_resumed: bool,
) -> Path:
    """Train to the end of the budget, then evaluate on the test items and write the report."""
    training_log: TrainingLog | None = None

    def load_batch(step: int, shard: int, shards: int) -> dict[str, torch.Tensor]:
        return batches.load_batch(step, shard, shards, config.training.batch_size)

    try:
        training_log = (
            TrainingLog(folder, log, progress.step if is_resumed else None) if loop.distributed.is_first else None
        )
        validator = (
            config.get_medium().create_validator(config, folder, loop.ema.method, batches, training_log)
            if training_log is not None
            else None
        )
        trainer = Trainer(config, folder, loop, load_batch, training_log, validator, progress)
        try:
            trainer.run()
        except DivergenceError as error:
            if training_log is not None:
                training_log.history.add("notice", trainer.step, message=str(error))
            raise
        evaluation_time = format_duration(trainer.evaluation_s)
        log(f"{trainer.step} steps in {format_duration(trainer.spent_s)}, and {evaluation_time} of evaluations")
        if validator is not None:
            validator.finish(trainer.step)
    except OSError as error:
        raise WorkError(f"{folder.path}: cannot be written ({error}); the last checkpoint is whole") from error
    finally:
        batches.close()
        if training_log is not None:
            training_log.close()
            with suppress(WorkError):  # a page that cannot be written must not hide why training stopped
                write_report(folder.path)
    loop.distributed.barrier()
    return folder.path


def save_models(config: RunConfig, folder: RunFolder, loop: TrainingLoop, progress: Progress) -> None:
    """Write the networks of the checkpoint just loaded: a kill may have come between saving it and saving them."""
    for checkpoint in get_args(Checkpoint):
        if checkpoint == "last" or progress.best_step == progress.step:
            save_model(folder.model_path(checkpoint), loop.ema.method, config, progress.step)


def make_run_folder(config: RunConfig, out: Path | str | None, files: RunFiles) -> Path:
    """Create the run's folder with its configuration and lists of files; never one that exists with something in it."""
    if out is None:
        path = next_free_path(Path("runs") / format_run_name([domain.name for domain in config.domains]))
    else:
        path = Path(out)
        require_unused(path)
    folder = RunFolder(path)
    try:
        folder.files.mkdir(parents=True)
        if not os.access(path, os.W_OK):
            raise PermissionError("not writable")
        write_config(folder.config, config)
        write_file_lists(folder, config, files)
    except OSError as error:
        raise WorkError(f"{path}: the run's folder cannot be written ({error})") from error
    return path


def require_same_files(config: RunConfig, folder: RunFolder, accept_changes: bool, log: LogCallback) -> RunFiles:
    """The run's lists of files, if the folders still hold them."""
    files = read_file_lists(folder, config)
    differences = describe_data_changes(config, files)
    if differences and not accept_changes:
        raise WorkError(
            f"the data have changed since the run began: {'; '.join(differences)}. Restore them, or give "
            "--changed-data to go on with those of the run's files that are left"
        )
    for difference in differences:
        log(f"changed since the run began: {difference}")
    return files


def extend_config(config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """The configuration with a new budget or intervals; raises UsageError for any other setting."""
    if refused := settings.keys() - RESUMABLE_SETTINGS:
        raise UsageError(
            f"{min(refused)}: a resumed run keeps its own; {', '.join(sorted(RESUMABLE_SETTINGS))} may change"
        )
    changed = {name: value for name, value in settings.items() if value is not None or name not in ("steps", "minutes")}
    if "steps" in changed and "minutes" in changed:
        raise UsageError("both --steps and --minutes are given; the budget is one of them")
    cleared_budget = {"steps": None, "minutes": None} if changed.keys() & {"steps", "minutes"} else {}
    values = config.training.model_dump() | cleared_budget | changed
    return config.model_copy(update={"training": validate(TrainingSettings, values, "setting of training")})
