"""What may change when a run is resumed: its budget and intervals, its device, and where its data lie."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from unpaired.config.resolve import RESUMABLE_SETTINGS, validate
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import TrainingSettings
from unpaired.console import LogCallback
from unpaired.cores import count_cores, count_threads
from unpaired.data.folders import rediscover
from unpaired.data.split import describe_changes
from unpaired.devices import pick_device
from unpaired.errors import UsageError, WorkError
from unpaired.runs.files import RunFiles, list_listed_domains, read_file_lists
from unpaired.runs.folder import RunFolder
from unpaired.runs.lock import FolderLock
from unpaired.runs.relocation import adopt_stored_names
from unpaired.training.distributed import Distributed
from unpaired.training.setup import choose_device

MACHINE_SETTINGS = ("device", "precision", "threads", "workers")
"""Settings that another machine may need; with other values a run is no longer equal to the last bit."""


def lock_run(folder: RunFolder, distributed: Distributed) -> FolderLock | None:
    """Lock a run against other processes, on the first rank for all; raises WorkError where one trains it already."""
    locks: list[FolderLock] = []

    def lock() -> None:
        advice = "wait until it has ended, or stop it first"
        locks.append(FolderLock(folder.path, "trains this run", advice))

    distributed.run_on_first(lock)
    return locks[0] if locks else None


def extend_config(config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """Return the configuration with a new budget, intervals or machine; raises UsageError for any other setting."""
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


def adapt_to_machine(path: Path, recorded: RunConfig, config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """Return the extended `config` of a `recorded` one with the device, precision and threads to resume with here.

    Without `device` in `settings`, the recorded one. Another device chooses its precision anew ("auto" in the result)
    unless one is given. Recorded threads beyond the cores at hand are lowered. Raises UsageError where the device is
    missing (the message names the flag to go on) or cannot compute in the given precision.
    """
    training = config.training
    recorded_device = recorded.training.device
    if "device" in settings:
        device = choose_device(str(settings["device"]))
    else:
        try:
            device = pick_device(recorded_device).type
        except UsageError as error:
            other = pick_device("auto").type
            raise UsageError(
                f"{path}: was trained on device '{recorded_device}', which is not on this machine. To go on here, add "
                f"--device {other}; the run is then no longer equal to the last bit to one that was never stopped"
            ) from error
    changes: dict[str, Any] = {"device": device}
    if device != recorded_device and "precision" not in settings:
        changes["precision"] = "auto"
    elif training.precision == "fp16-mixed" and device != "cuda":
        raise UsageError("precision fp16-mixed needs a CUDA device; use --precision fp32 or bf16-mixed")
    if device == "cpu":
        ranks = training.devices
        if "threads" not in settings and (training.threads is None or training.threads * ranks > count_cores()):
            changes["threads"] = count_threads(ranks)
        if training.workers is None:
            changes["workers"] = 1
    return config.model_copy(update={"training": training.model_copy(update=changes)})


def describe_machine_changes(old: RunConfig, new: RunConfig) -> str:
    """Say which settings of the machine differ and that results do; empty where none does."""
    changes = [
        f"{name} {getattr(new.training, name)} (was {getattr(old.training, name)})"
        for name in MACHINE_SETTINGS
        if name != "workers" and getattr(new.training, name) != getattr(old.training, name)
    ]
    if not changes:
        return ""
    return (
        f"note: {', '.join(changes)}: training goes on from the saved state, but is no longer equal to the last bit to "
        "a run that was never stopped"
    )


def require_same_files(config: RunConfig, folder: RunFolder, accept_changes: bool, log: LogCallback) -> RunFiles:
    """Return the run's lists of files, if the folders still hold them.

    Raises UsageError where a folder is gone, with the flag that says where it is now, WorkError where files changed.
    """
    files = read_file_lists(folder, config)
    try:
        current = [rediscover(domain.name, domain.sources) for domain in list_listed_domains(config)]
    except UsageError as error:
        raise UsageError(
            f"{error}. If the data moved, say where they are: unpaired train --resume {shlex.quote(str(folder.path))} "
            "--data NEW_FOLDER ..."
        ) from error
    if not files.labelled_datasets:  # labels are found by the recorded names
        files = RunFiles([adopt_stored_names(*pair) for pair in zip(files.splits, current, strict=True)])
    differences = [
        difference
        for recorded, found in zip(files.collection_splits, current, strict=True)
        for difference in describe_changes(recorded, found)
    ]
    if differences and not accept_changes:
        raise WorkError(
            f"the data have changed since the run began: {'; '.join(differences)}. Restore them, or give "
            "--changed-data to go on with those of the run's files that are left"
        )
    for difference in differences:
        log(f"changed since the run began: {difference}")
    return files
