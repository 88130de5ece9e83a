"""Changes allowed when a run is resumed: budget, intervals, device, and location of the data."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from unpaired.config.resolve import RESUMABLE_SETTINGS
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import TrainingSettings
from unpaired.config.validation import validate
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

MACHINE_SETTINGS = ("device", "precision", "threads")
"""Settings that may differ on another machine; a run resumed with other values is no longer bit-identical."""


def lock_run(folder: RunFolder, distributed: Distributed) -> FolderLock | None:
    """Lock a run against other processes; the first rank holds the lock.

    Raises WorkError on every rank if another process trains the run. Returns None on ranks other than the first.
    """
    locks: list[FolderLock] = []

    def lock() -> None:
        advice = "wait until it has ended, or stop it first"
        locks.append(FolderLock(folder.path, "trains this run", advice))

    distributed.run_on_first(lock)
    return locks[0] if locks else None


def extend_config(config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """Return the configuration with a new budget, intervals or machine; raises UsageError for any other setting."""
    if unsupported := settings.keys() - RESUMABLE_SETTINGS:
        raise UsageError(
            f"{min(unsupported)}: cannot change when a run is resumed; settings that can: "
            f"{', '.join(sorted(RESUMABLE_SETTINGS))}"
        )
    changed = {name: value for name, value in settings.items() if value is not None or name not in ("steps", "minutes")}
    if "steps" in changed and "minutes" in changed:
        raise UsageError("both --steps and --minutes are given; give only one of them")
    cleared_budget = {"steps": None, "minutes": None} if changed.keys() & {"steps", "minutes"} else {}
    values = config.training.model_dump() | cleared_budget | changed
    return config.model_copy(update={"training": validate(TrainingSettings, values, "setting of training")})


def adapt_to_machine(path: Path, recorded: RunConfig, config: RunConfig, settings: dict[str, Any]) -> RunConfig:
    """Return `config` (the recorded one with new settings) with device, precision and threads for this machine.

    The device is the one in `settings`, else the recorded one. If it differs from the recorded one and `settings` has
    no precision, the precision is "auto". A recorded number of threads above the number of cores is lowered. Raises
    UsageError if the device is missing (the message names the flag to use) or does not support the precision.
    """
    training = config.training
    recorded_device = recorded.training.device
    if "device" in settings:
        device = choose_device(str(settings["device"]))
    else:
        try:
            device = pick_device(recorded_device).type
        except UsageError as error:
            available = pick_device("auto").type
            raise UsageError(
                f"{path}: was trained on device '{recorded_device}', which this machine does not have. To continue "
                f"here, add --device {available}; the result is then not bit-identical to an uninterrupted run"
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
    """Return a note with the machine settings that differ; empty if none does."""
    changes = [
        f"{name} {getattr(new.training, name)} (was {getattr(old.training, name)})"
        for name in MACHINE_SETTINGS
        if getattr(new.training, name) != getattr(old.training, name)
    ]
    if not changes:
        return ""
    return (
        f"note: {', '.join(changes)}: training continues from the saved state, but the result is not bit-identical to "
        "an uninterrupted run"
    )


def require_same_files(config: RunConfig, folder: RunFolder, accept_changes: bool, log: LogCallback) -> RunFiles:
    """Return the run's file lists after checking that the folders still contain the files.

    Raises UsageError if a folder is missing (the message names the flag for its new location), and WorkError if files
    changed, unless `accept_changes`; then `log` receives the changes.
    """
    files = read_file_lists(folder, config)
    try:
        current = [rediscover(domain.name, domain.sources) for domain in list_listed_domains(config)]
    except UsageError as error:
        raise UsageError(
            f"{error}. If the data moved, give the new folders: unpaired train --resume "
            f"{shlex.quote(str(folder.path))} --data NEW_FOLDER ..."
        ) from error
    if not files.labelled_datasets:  # label tables refer to the recorded names
        files = RunFiles([adopt_stored_names(*pair) for pair in zip(files.splits, current, strict=True)])
    differences = [
        difference
        for recorded, stored in zip(files.collection_splits, current, strict=True)
        for difference in describe_changes(recorded, stored)
    ]
    if differences and not accept_changes:
        raise WorkError(
            f"the data have changed since the run began: {'; '.join(differences)}. Restore missing files and remove "
            "new ones, or give --changed-data to continue with the run's remaining files"
        )
    for difference in differences:
        log(f"changed since the run began: {difference}")
    return files
