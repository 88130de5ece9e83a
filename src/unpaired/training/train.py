"""Training of a run, resumption and dry run: `unpaired.train`, `unpaired.resume` and `unpaired.dry_run`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unpaired.atomic import remove_parts
from unpaired.config.resolve import SettingsRequest
from unpaired.config.run_config import RunConfig, write_config
from unpaired.console import LogCallback, format_duration, log_to_terminal
from unpaired.errors import UsageError, WorkError
from unpaired.runs.files import RunFiles, write_file_lists
from unpaired.runs.folder import RunFolder, format_run_name, next_free_path, require_unused
from unpaired.runs.progress import Budget, Progress
from unpaired.runs.relocation import relocate_data
from unpaired.training.checkpoint import load_checkpoint
from unpaired.training.distributed import Distributed, launch_distributed
from unpaired.training.feasibility import require_validation
from unpaired.training.resumption import (
    adapt_to_machine,
    describe_machine_changes,
    extend_config,
    lock_run,
    require_same_files,
)
from unpaired.training.run_training import create_loop, has_ended, run_training, run_within_memory, save_models
from unpaired.training.setup import build_batches, build_on_device, discard_message, setup_training
from unpaired.training.step_benchmark import choose_precision, format_dry_run
from unpaired.training.step_report import OnStep

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def train(
    *data: Path | str,
    method: str | None = None,
    preset: str | None = None,
    out: Path | str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    teacher: Path | str | None = None,
    init: Path | str | None = None,
    log: LogCallback = log_to_terminal,
    on_step: OnStep | None = None,
    **settings: Any,
) -> Path:
    """Train on `data` (a folder per domain, or one folder of them); returns the run's folder.

    `settings` are settings of data, medium, networks, training and the method by name (`size=128, steps=2000`); they
    override those of the file `config`, which override the preset's. `pairs` states that test files of equal names are
    true pairs. `teacher` is the folder of a trained run (or its model file) to distill from, for methods that support
    it. `init` is the folder of a run whose weights training starts with, matched by role and shape. `log` receives
    messages. `on_step` receives a StepReport after each step; if it returns False, training saves its state and stops.

    Raises UsageError for invalid settings or paths, WorkError for unusable data and for failures during training
    (DivergenceError if a loss diverges), TrainingInterrupt after a stop signal, once the state is saved. Errors of
    `log` and `on_step` pass unchanged.
    """
    request = SettingsRequest.read(method, preset, settings, config)
    setup = setup_training(data, request, pairs, teacher, out, log, init)
    folder = RunFolder(setup.distributed.run_on_first(partial(make_run_folder, setup.config, out, setup.files)))
    with lock_run(folder, setup.distributed) or nullcontext():
        setup.log(f"run: {folder.path}")
        loop = create_loop(setup.config, setup.method, setup.distributed)
        progress = Progress(world_size=setup.distributed.world_size)
        begin = partial(
            run_training,
            setup.config,
            folder,
            loop,
            setup.batches,
            progress,
            setup.log,
            False,
            on_step,
            setup.expected_step_s,
        )
        return run_within_memory(begin, folder, setup.files, setup.method, setup.distributed, setup.log, on_step, init)


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
    """Return what `train` would do with these arguments: settings, networks and time of a step. Writes no files.

    Raises as `train` does. On ranks other than the first the text is empty.
    """
    request = SettingsRequest.read(method, preset, settings, config)
    setup = setup_training(data, request, pairs, teacher, None, log)
    with closing(setup.batches):
        text = format_dry_run(setup.config, setup.method, setup.batches, setup.distributed)
    return text if setup.distributed.is_first else ""


def resume(
    run_path: Path | str,
    changed_data: bool = False,
    log: LogCallback = log_to_terminal,
    on_step: OnStep | None = None,
    data: Sequence[Path | str] = (),
    **settings: Any,
) -> Path:
    """Continue a run from its newest checkpoint; the result is bit-identical to an uninterrupted run.

    `settings` may contain a new budget (`steps` or `minutes`, to which the schedule adapts), new intervals of
    checkpoints, evaluations and samples, and `device`, `precision`, `threads` and `workers` for another machine. After
    a change of the latter the result is not bit-identical, which is logged. `data` are the folders of the run's data if
    they moved; names and sizes of the files must be the recorded ones. `changed_data` accepts files that changed since
    the run began.

    Raises UsageError if `run_path` is not a run or is complete; WorkError if it has no checkpoint, another process
    trains it, or its files are damaged or its data changed; else as `train` does.
    """
    folder = RunFolder(Path(run_path))
    config = folder.load_config()
    if config.imported_from is not None:
        raise UsageError(
            f"{run_path}: imported from {config.imported_from}, without discriminators, optimizers and data, so it "
            "cannot be resumed; train a new run"
        )
    new_config = adapt_to_machine(folder.path, config, extend_config(config, settings), settings)
    training = new_config.training
    fabric, distributed = launch_distributed(training.device, training.devices, training.nodes)
    log = log if distributed.is_first else discard_message
    with lock_run(folder, distributed) or nullcontext():
        if distributed.is_first:
            for written_folder in (folder.path, folder.files, folder.samples):
                remove_parts(written_folder)
        if data:
            new_config = distributed.run_on_first(partial(relocate_data, new_config, data))
        files = distributed.run_on_first(partial(require_same_files, new_config, folder, changed_data, log))
        return _resume_locked(folder, config, new_config, files, fabric, distributed, log, on_step, is_moved=bool(data))


def _resume_locked(
    folder: RunFolder,
    config: RunConfig,
    new_config: RunConfig,
    files: RunFiles,
    fabric: Fabric,
    distributed: Distributed,
    log: LogCallback,
    on_step: OnStep | None,
    is_moved: bool,
) -> Path:
    """Load the newest checkpoint of a locked run and continue training."""
    with distributed.report_errors_once():
        require_validation(new_config.training, new_config.get_medium(), files.splits)
        method = build_on_device(new_config, fabric)
        batches = build_batches(new_config, files, log)
    expected_step_s: float | None = None
    if new_config.training.precision == "auto":
        new_config, expected_step_s = choose_precision(new_config, method, batches, distributed, log)
    training = new_config.training
    loop = create_loop(new_config, method, distributed)
    progress = load_checkpoint(folder.checkpoints, loop, config.method)
    distributed.run_on_first(partial(save_models, new_config, folder, loop, progress))
    budget = Budget(training.steps, training.minutes)
    is_budget_spent = budget.spent_fraction(progress.step, progress.spent_s) >= 1
    is_stopped_early = progress.is_out_of_patience(training.patience)
    is_complete = (is_budget_spent or is_stopped_early) and has_ended(folder, progress.step)
    if is_complete and not is_moved:
        batches.close()
        message = f"already complete ({progress.step} steps, {format_duration(progress.spent_s)})"
        advice = "give a larger budget: --steps or --minutes"
        if is_stopped_early:
            message = (
                f"stopped early at step {progress.step}, after {training.patience} evaluations without improvement"
            )
            advice = "give a larger --patience, or --patience none"
        raise distributed.mark_reported_once(UsageError(f"{folder.path}: {message}; {advice}"))
    if budget != (old_budget := Budget(config.training.steps, config.training.minutes)):
        log(f"budget: {budget} (was {old_budget}); the schedule follows it")
    if note := describe_machine_changes(config, new_config):
        log(note)
    if distributed.is_first and new_config != config:
        write_config(folder.config, new_config)
    if is_complete:
        batches.close()
        log(f"{folder.path}: already complete; recorded the new folders of its data")
        return folder.path
    log(f"resuming {folder.path} at step {progress.step}")
    begin = partial(run_training, new_config, folder, loop, batches, progress, log, True, on_step, expected_step_s)
    return run_within_memory(begin, folder, files, method, distributed, log, on_step)


def make_run_folder(config: RunConfig, out: Path | str | None, files: RunFiles) -> Path:
    """Create the run's folder with its configuration and file lists; returns its path.

    Without `out`, the name is made of the domains' names. Raises UsageError if `out` exists and is not empty, WorkError
    if the folder cannot be written.
    """
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
