"""`unpaired.train` and its resumption: from folders to a trained run."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch

from unpaired.data.batches import Batches
from unpaired.devices import pick_device
from unpaired.errors import Diverged, UsageError, WorkError
from unpaired.methods.game import Method
from unpaired.report import write_report
from unpaired.runs.config import RunConfig, write_config
from unpaired.runs.files import Files, changes, read_lists, write_lists
from unpaired.runs.folder import Checkpoint, RunFolder, called, numbered, require_free, save_model
from unpaired.runs.progress import Budget, Progress
from unpaired.settings import TrainingSettings
from unpaired.terminal import Say, duration, to_terminal
from unpaired.training.checkpoint import load_checkpoint
from unpaired.training.judge import RunJudge
from unpaired.training.loop import Loop
from unpaired.training.ready import batches_of, launched, make_ready, seated, silent
from unpaired.training.record import Record
from unpaired.training.resolve import RESUMABLE, Asked, validate
from unpaired.training.session import Session
from unpaired.training.trial import dry_run_text
from unpaired.training.voice_judge import VoiceJudge


def train(
    *data: Path | str,
    method: str | None = None,
    preset: str | None = None,
    out: Path | str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    teacher: Path | str | None = None,
    say: Say = to_terminal,
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
    asked = Asked(method, preset, settings, Path(config) if config else None)  # type: ignore[arg-type]
    ready = make_ready(data, asked, pairs, teacher, out, say)
    folder = RunFolder(ready.ranks.on_first(partial(make_folder, ready.config, out, ready.files)))
    ready.say(f"run: {folder.path}")
    training = ready.config.training
    loop = Loop(ready.network, ready.ranks, training.precision, training.average, training.seed)  # type: ignore[arg-type]
    progress = Progress(ranks=ready.ranks.count)
    return run(ready.config, folder, loop, ready.batches, progress, ready.say, resumed=False)


def dry_run(
    *data: Path | str,
    method: str | None = None,
    preset: str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    teacher: Path | str | None = None,
    say: Say = to_terminal,
    **settings: Any,
) -> str:
    """What `train` would do with the same arguments: its settings, networks and the cost of a step; nothing is done.

    Raises as `train`; ranks other than the first give an empty text.
    """
    asked = Asked(method, preset, settings, Path(config) if config else None)  # type: ignore[arg-type]
    ready = make_ready(data, asked, pairs, teacher, None, say)
    with closing(ready.batches):
        text = dry_run_text(ready.config, ready.network, ready.batches, ready.ranks)
    return text if ready.ranks.first else ""


def resume(run_path: Path | str, changed_data: bool = False, say: Say = to_terminal, **settings: Any) -> Path:
    """Continue a run where its newest checkpoint stands, equal to the last bit to one that was never stopped.

    `settings` may give a new budget (`steps` or `minutes`; the schedule then follows it) and the intervals of saving
    and looking. Files that have changed since the run began are refused, unless `changed_data`.

    Raises UsageError where `run_path` is no run or is complete, WorkError where nothing has been saved yet, for damaged
    files and changed data, else as `train`.
    """
    folder = RunFolder(Path(run_path))
    config = folder.configuration()
    if config.imported is not None:
        raise UsageError(
            f"{run_path}: imported from {config.imported}: a generator alone, without critics, optimizers or data, so "
            "there is nothing to resume"
        )
    extended = extend(config, settings)
    fabric, ranks = launched(pick_device(config.training.device).type, config.training.devices, config.training.nodes)
    say = say if ranks.first else silent
    files = ranks.on_first(partial(same_files, config, folder, changed_data, say))
    with ranks.alike():
        network = seated(config, fabric)
    loop = Loop(network, ranks, config.training.precision, config.training.average, config.training.seed)  # type: ignore[arg-type]
    progress = load_checkpoint(folder.checkpoints, loop, config.method)
    ranks.on_first(partial(save_models, extended, folder, loop, progress))
    training = extended.training
    budget = Budget(training.steps, training.minutes)
    if budget.share(progress.step, progress.spent_s) >= 1:
        complete = f"already complete ({progress.step} steps, {duration(progress.spent_s)})"
        raise ranks.said_once(UsageError(f"{run_path}: {complete}; give a larger budget: --steps or --minutes"))
    if budget != (before := Budget(config.training.steps, config.training.minutes)):
        say(f"budget: {budget} (was {before}); the schedule follows it")
    with ranks.alike():
        batches = batches_of(extended, files, say)
    if ranks.first and extended != config:
        write_config(folder.config, extended)
    say(f"resuming {folder.path} at step {progress.step}")
    return run(extended, folder, loop, batches, progress, say, resumed=True)


def run(
    config: RunConfig, folder: RunFolder, loop: Loop, batches: Batches, progress: Progress, say: Say, resumed: bool
) -> Path:
    """Train to the end of the budget, then evaluate on the test items and write the report."""
    record: Record | None = None

    def batch(step: int, shard: int, shards: int) -> dict[str, torch.Tensor]:
        return batches.batch(step, shard, shards, config.training.batch)

    try:
        record = Record(folder, say, progress.step if resumed else None) if loop.ranks.first else None
        judge = judge_of(config, folder, loop.averages.method, batches, record) if record is not None else None
        session = Session(config, folder, loop, batch, record, judge, progress)
        try:
            session.run()
        except Diverged as error:
            if record is not None:
                record.history.add("notice", session.step, words=str(error))
            raise
        say(f"{session.step} steps in {duration(session.spent_s)}, and {duration(session.evaluation_s)} of evaluations")
        if judge is not None:
            judge.conclude(session.step)
    except OSError as error:
        raise WorkError(f"{folder.path}: cannot be written ({error}); the last checkpoint is whole") from error
    finally:
        batches.close()
        if record is not None:
            record.close()
            with suppress(WorkError):  # a page that cannot be written must not hide why training stopped
                write_report(folder.path)
    loop.ranks.wait()
    return folder.path


def judge_of(
    config: RunConfig, folder: RunFolder, method: Method, batches: Batches, record: Record
) -> RunJudge | VoiceJudge:
    """What looks at items of the run's medium."""
    judge = RunJudge if config.voice is None else VoiceJudge
    return judge(config, folder, method, batches, record)


def save_models(config: RunConfig, folder: RunFolder, loop: Loop, progress: Progress) -> None:
    """Write the networks of the checkpoint just loaded: a kill may have come between saving it and saving them."""
    for which in get_args(Checkpoint):
        if which == "last" or progress.best_step == progress.step:
            save_model(folder.model(which), loop.averages.method, config, progress.step)


def make_folder(config: RunConfig, out: Path | str | None, files: Files) -> Path:
    """Create the run's folder with its configuration and lists of files; never one that exists with something in it."""
    if out is None:
        path = numbered(Path("runs") / called([domain.name for domain in config.domains]))
    else:
        path = Path(out)
        require_free(path)
    folder = RunFolder(path)
    try:
        folder.files.mkdir(parents=True)
        if not os.access(path, os.W_OK):
            raise PermissionError("not writable")
        write_config(folder.config, config)
        write_lists(folder, config, files)
    except OSError as error:
        raise WorkError(f"{path}: the run's folder cannot be written ({error})") from error
    return path


def same_files(config: RunConfig, folder: RunFolder, accept: bool, say: Say) -> Files:
    """The run's lists of files, if the folders still hold them."""
    files = read_lists(folder, config)
    differences = changes(config, files)
    if differences and not accept:
        raise WorkError(
            f"the data have changed since the run began: {'; '.join(differences)}. Restore them, or give "
            "--changed-data to go on with those of the run's files that are left"
        )
    for words in differences:
        say(f"changed since the run began: {words}")
    return files


def extend(config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """The configuration with a new budget or intervals; raises UsageError for any other setting."""
    if others := settings.keys() - RESUMABLE:
        raise UsageError(f"{min(others)}: a resumed run keeps its own; {', '.join(sorted(RESUMABLE))} may change")
    given = {name: value for name, value in settings.items() if value is not None or name not in ("steps", "minutes")}
    if "steps" in given and "minutes" in given:
        raise UsageError("both --steps and --minutes are given; the budget is one of them")
    unset = {"steps": None, "minutes": None} if given.keys() & {"steps", "minutes"} else {}
    values = config.training.model_dump() | unset | given
    return config.model_copy(update={"training": validate(TrainingSettings, values, "setting of training")})
