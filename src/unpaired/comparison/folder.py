"""Folder of a comparison: one run per method and seed, and a manifest with the settings and state of each run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from unpaired import __version__
from unpaired.atomic import atomic_write
from unpaired.comparison.plan import ComparisonPlan, PlannedRun
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import StrictModel
from unpaired.config.yaml_files import read_yaml
from unpaired.errors import UsageError, WorkError
from unpaired.file_names import shorten_name
from unpaired.runs.files import describe_data_changes, list_listed_domains, read_file_lists, write_file_lists
from unpaired.runs.folder import RunFolder
from unpaired.runs.lock import LOCK_FILE, FolderLock
from unpaired.runs.progress import list_checkpoints

FORMAT = 1
State = Literal["waiting", "done", "failed", "diverged"]


class RunRecord(StrictModel):
    """Method, resolved settings and state of one run; `reason` explains a failure."""

    method: str
    settings: dict[str, Any]
    state: State = "waiting"
    reason: str = ""

    @property
    def seed(self) -> int:
        """Seed that the run is trained with."""
        return int(self.settings["training"]["seed"])


class ComparisonManifest(StrictModel):
    """Content of `comparison.yaml`. A comparison can only be continued with the same data and settings."""

    format: int = FORMAT
    unpaired: str = Field(__version__, description="package version that started the comparison")
    data: dict[str, tuple[str, ...]] = Field(description="folders of each domain, or of each labelled data set")
    pairs: bool = Field(description="whether test items with equal names are true pairs")
    runs: dict[str, RunRecord] = Field(description="folder of each run -> its record")

    def with_run(self, name: str, record: RunRecord) -> ComparisonManifest:
        """Return a copy with the record of one run added or replaced."""
        return self.model_copy(update={"runs": {**self.runs, name: record}})


@dataclass(frozen=True)
class ComparisonFolder:
    """Paths of the files of a comparison."""

    path: Path

    @property
    def manifest(self) -> Path:
        """Path of the manifest."""
        return self.path / "comparison.yaml"

    @property
    def page_file(self) -> Path:
        """Path of the HTML page."""
        return self.path / "compare.html"

    @property
    def results_file(self) -> Path:
        """Path of the results as JSON."""
        return self.path / "compare.json"

    @property
    def split_folder(self) -> RunFolder:
        """Folder with the lists of files; every run must have the same splits."""
        return RunFolder(self.path)

    def image_rows(self, source: str, target: str) -> Path:
        """Return the folder with the image rows of one direction."""
        return self.path / "pictures" / shorten_name(f"{source}-{target}")

    def error_log(self, name: str) -> Path:
        """Return the path of the traceback of a failed run."""
        return self.path / "errors" / f"{name}.txt"

    def get_run(self, name: str) -> RunFolder:
        """Return a run by its name: the method for its first seed, METHOD-seed-N for the others."""
        return RunFolder(self.path / name)

    def write(self, manifest: ComparisonManifest) -> None:
        """Write the manifest atomically; raises WorkError."""
        with atomic_write(self.manifest) as temporary:
            temporary.write_text(yaml.safe_dump(manifest.model_dump(mode="json"), sort_keys=False), encoding="utf-8")

    def read(self) -> ComparisonManifest:
        """Read the manifest; raises WorkError if it is damaged or has another format."""
        try:
            return ComparisonManifest.model_validate(read_yaml(self.manifest))
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise WorkError(f"{self.manifest}: cannot be read as the manifest of a comparison ({reason})") from error


def lock_folder(path: Path) -> FolderLock:
    """Create the folder of a comparison if it is missing, and lock it.

    Raises UsageError if `path` is a file; WorkError if the folder cannot be created or another process works on it.
    """
    if path.is_file():
        raise create_foreign_folder_error(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise create_unwritable_error(path, error) from error
    return FolderLock(path, "works on this comparison", "wait until it has ended, or stop it first")


def open_folder(path: Path, plan: ComparisonPlan, pairs: bool) -> tuple[ComparisonFolder, ComparisonManifest]:
    """Start a comparison in the locked folder `path`, or continue one; finished runs are kept, others can be added.

    Raises UsageError if the folder contains something else or a comparison with other data or settings; WorkError if
    the data have changed since the start, or if the folder cannot be written.
    """
    folder = ComparisonFolder(path)
    exists = folder.manifest.is_file()
    if not exists and not is_unused(folder):
        raise create_foreign_folder_error(path)
    config = plan.config
    data = {d.name: d.sources for d in list_listed_domains(config)}
    manifest = folder.read() if exists else ComparisonManifest(data=data, pairs=pairs, runs={})
    if exists:
        require_same_comparison(folder, manifest, data, pairs)
        require_unchanged_data(folder, config)
    for name, entry in plan.entries.items():
        manifest = manifest.with_run(name, update_run(folder, manifest.runs.get(name), name, entry))
    try:
        folder.split_folder.files.mkdir(exist_ok=True)
        if not exists:
            write_file_lists(folder.split_folder, config, plan.files)
        folder.write(manifest)
    except OSError as error:
        raise create_unwritable_error(path, error) from error
    return folder, manifest


def create_foreign_folder_error(path: Path) -> UsageError:
    """Return the error for an --out that contains something else."""
    return UsageError(f"{path}: exists and is not the folder of a comparison; choose another --out")


def create_unwritable_error(path: Path, error: OSError) -> WorkError:
    """Return the error for a folder that cannot be created or written."""
    return WorkError(f"{path}: the comparison's folder cannot be written ({error})")


def is_unused(folder: ComparisonFolder) -> bool:
    """Return whether the folder contains at most the lock and the lists of files of a comparison that just started."""
    return {path.name for path in folder.path.iterdir()} <= {LOCK_FILE, folder.split_folder.files.name}


def require_same_comparison(
    folder: ComparisonFolder, manifest: ComparisonManifest, data: Mapping[str, tuple[str, ...]], pairs: bool
) -> None:
    """Raise UsageError if the data or pairs differ from those of the manifest."""
    if list(manifest.data.items()) != list(data.items()):
        old, new = (" and ".join(place for places in d.values() for place in places) for d in (manifest.data, data))
        raise UsageError(
            f"{folder.path}: contains a comparison on other data ({old}), not on {new}; choose another --out"
        )
    if manifest.pairs != pairs:
        option = "with" if manifest.pairs else "without"
        raise UsageError(
            f"{folder.path}: was started {option} --pairs; continue it {option} --pairs, or choose another --out"
        )


def require_unchanged_data(folder: ComparisonFolder, config: RunConfig) -> None:
    """Raise WorkError if the data have changed since the start of the comparison."""
    changed_files = describe_data_changes(config, read_file_lists(folder.split_folder, config))
    if changed_files:
        raise WorkError(
            f"the data have changed since the comparison in {folder.path} started: {'; '.join(changed_files)}. All "
            "methods need the same data; restore the files, or start a new comparison with another --out"
        )


def update_run(folder: ComparisonFolder, old: RunRecord | None, name: str, planned: PlannedRun) -> RunRecord:
    """Return the record of a run for the requested settings; an existing record with equal settings is kept.

    A run that failed, or has no checkpoint yet, can get other settings; it is then removed. Raises UsageError if other
    settings are requested for any other run.
    """
    record = RunRecord(method=planned.method, settings=planned.resolved_settings)
    if old is None:
        return record
    if (difference := find_difference(old.settings, record.settings)) is None:
        return old
    if old.state in ("failed", "diverged") or not list_checkpoints(folder.get_run(name).checkpoints):
        remove_run(folder.get_run(name))
        return record
    raise UsageError(
        f"{folder.path}: {name} was trained with other settings: {difference}. Use the same settings, or choose "
        "another --out"
    )


def remove_run(run: RunFolder) -> None:
    """Remove a run before it is restarted; raises UsageError if the folder contains something else."""
    if not run.path.exists():
        return
    is_run = run.path.is_dir() and (run.config.is_file() or run.files.is_dir() or not any(run.path.iterdir()))
    if not is_run:
        raise UsageError(f"{run.path}: exists and is not a run; move it away, or choose another --out")
    shutil.rmtree(run.path)


def find_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Describe the first setting that both have and that differs; None if there is none."""
    for key in (key for key in old if key in new):
        if isinstance(old[key], dict) and isinstance(new[key], dict):
            if (nested := find_difference(old[key], new[key])) is not None:
                return nested
        elif old[key] != new[key]:
            return f"{key} was {old[key]}, now {new[key]}"
    return None
