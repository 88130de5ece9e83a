"""Folder of a comparison: one run per method, and a manifest with the settings and state of each method."""

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
from unpaired.comparison.plan import ComparisonPlan
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import StrictModel
from unpaired.config.yaml_files import read_yaml
from unpaired.errors import UsageError, WorkError
from unpaired.file_names import shorten_name
from unpaired.runs.files import describe_data_changes, list_listed_domains, read_file_lists, write_file_lists
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints

FORMAT = 1
State = Literal["waiting", "done", "failed", "diverged"]


class MethodRecord(StrictModel):
    """Resolved settings and state of one method; `reason` explains a failure."""

    settings: dict[str, Any]
    state: State = "waiting"
    reason: str = ""


class ComparisonManifest(StrictModel):
    """Content of `comparison.yaml`. A comparison can only be continued with the same data and settings."""

    format: int = FORMAT
    unpaired: str = Field(__version__, description="package version that started the comparison")
    data: dict[str, tuple[str, ...]] = Field(description="folders of each domain, or of each labelled data set")
    pairs: bool = Field(description="whether test items with equal names are true pairs")
    methods: dict[str, MethodRecord]

    def with_method(self, name: str, method_record: MethodRecord) -> ComparisonManifest:
        """Return a copy with the record of one method added or replaced."""
        return self.model_copy(update={"methods": {**self.methods, name: method_record}})


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

    def error_log(self, method: str) -> Path:
        """Return the path of the traceback of a failed method."""
        return self.path / "errors" / f"{method}.txt"

    def get_run(self, method: str) -> RunFolder:
        """Return the run of one method."""
        return RunFolder(self.path / method)

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


def open_folder(path: Path, plan: ComparisonPlan, pairs: bool) -> tuple[ComparisonFolder, ComparisonManifest]:
    """Start a comparison in `path`, or continue an existing one; methods can be added, finished methods are kept.

    Raises UsageError if the folder contains something else or a comparison with other data or settings; WorkError if
    the data have changed since the start, or if the folder cannot be written.
    """
    folder = ComparisonFolder(path)
    if path.is_file() or (path.is_dir() and not folder.manifest.is_file() and not is_unused(folder)):
        raise UsageError(f"{path}: exists and is not the folder of a comparison; choose another --out")
    config = plan.config
    data = {d.name: d.sources for d in list_listed_domains(config)}
    exists = folder.manifest.is_file()
    manifest = folder.read() if exists else ComparisonManifest(data=data, pairs=pairs, methods={})
    if exists:
        require_same_comparison(folder, manifest, data, pairs)
        require_unchanged_data(folder, config)
    for name, entry in plan.entries.items():
        manifest = manifest.with_method(
            name, update_method(folder, manifest.methods.get(name), name, entry.resolved_settings)
        )
    try:
        folder.split_folder.files.mkdir(parents=True, exist_ok=True)
        if not exists:
            write_file_lists(folder.split_folder, config, plan.files)
        folder.write(manifest)
    except OSError as error:
        raise WorkError(f"{path}: the comparison's folder cannot be written ({error})") from error
    return folder, manifest


def is_unused(folder: ComparisonFolder) -> bool:
    """Return whether the folder contains nothing except the lists of files of a comparison interrupted at its start."""
    return {path.name for path in folder.path.iterdir()} <= {folder.split_folder.files.name}


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


def update_method(
    folder: ComparisonFolder, old: MethodRecord | None, name: str, settings: dict[str, Any]
) -> MethodRecord:
    """Return the record of a method for the requested settings; an existing record with equal settings is kept.

    A method that failed, or has no checkpoint yet, can get other settings; its run is then removed. Raises UsageError
    if other settings are requested for any other method.
    """
    if old is None:
        return MethodRecord(settings=settings)
    if (difference := find_difference(old.settings, settings)) is None:
        return old
    if old.state in ("failed", "diverged") or not list_checkpoints(folder.get_run(name).checkpoints):
        remove_run(folder.get_run(name))
        return MethodRecord(settings=settings)
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
