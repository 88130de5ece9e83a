"""A comparison's folder: a run per method, and a record of what is compared and how far it is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from unpaired import __version__
from unpaired.atomic import atomic_write
from unpaired.comparison.plan import ComparisonPlan
from unpaired.config.run_config import RunConfig
from unpaired.config.settings import StrictModel
from unpaired.errors import UsageError, WorkError
from unpaired.file_names import shorten_name
from unpaired.runs.files import describe_data_changes, list_listed_domains, read_file_lists, write_file_lists
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints

FORMAT = 1
State = Literal["waiting", "done", "failed", "diverged"]


class MethodRecord(StrictModel):
    """One method of a comparison: its resolved settings, how far it is, and why it failed where it did."""

    settings: dict[str, Any]
    state: State = "waiting"
    reason: str = ""


class ComparisonManifest(StrictModel):
    """What a folder compares: `comparison.yaml`. Whoever continues it must want the same."""

    format: int = FORMAT
    unpaired: str = Field(__version__, description="the version that began it")
    data: dict[str, tuple[str, ...]] = Field(description="the folders of each domain, or of each labelled data set")
    pairs: bool = Field(description="equal names in the test folders are true pairs")
    methods: dict[str, MethodRecord]

    def with_method(self, name: str, method_record: MethodRecord) -> ComparisonManifest:
        """The record with one method's part replaced, or added."""
        return self.model_copy(update={"methods": {**self.methods, name: method_record}})


@dataclass(frozen=True)
class ComparisonFolder:
    """The paths within a comparison's folder."""

    path: Path

    @property
    def manifest(self) -> Path:
        """What is compared, and how far it is."""
        return self.path / "comparison.yaml"

    @property
    def page_file(self) -> Path:
        """The page to look at."""
        return self.path / "compare.html"

    @property
    def results_file(self) -> Path:
        """Everything that the page says, for programs."""
        return self.path / "compare.json"

    @property
    def split_folder(self) -> RunFolder:
        """Where the lists of files are, as every run must have split them: laid out as in a run."""
        return RunFolder(self.path)

    def image_rows(self, source: str, target: str) -> Path:
        """The rows of pictures of one direction."""
        return self.path / "pictures" / shorten_name(f"{source}-{target}")

    def error_log(self, method: str) -> Path:
        """Where in the code a method failed."""
        return self.path / "errors" / f"{method}.txt"

    def get_run(self, method: str) -> RunFolder:
        """One method's run."""
        return RunFolder(self.path / method)

    def write(self, manifest: ComparisonManifest) -> None:
        """Write the record, whole or not at all; raises WorkError."""
        with atomic_write(self.manifest) as temporary:
            temporary.write_text(yaml.safe_dump(manifest.model_dump(mode="json"), sort_keys=False), encoding="utf-8")

    def read(self) -> ComparisonManifest:
        """Read the record; raises WorkError where it is damaged or of another format."""
        try:
            return ComparisonManifest.model_validate(yaml.safe_load(self.manifest.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise WorkError(f"{self.manifest}: cannot be read as the record of a comparison ({reason})") from error


def open_folder(path: Path, plan: ComparisonPlan, pairs: bool) -> tuple[ComparisonFolder, ComparisonManifest]:
    """Begin a comparison in `path`, or continue the one that is there: methods may be added, finished ones are kept.

    Raises UsageError where the folder holds something else, or a comparison of other data or settings; WorkError where
    the data have changed since it began, or it cannot be written.
    """
    folder = ComparisonFolder(path)
    if path.is_file() or (path.is_dir() and not folder.manifest.is_file() and not is_unused(folder)):
        raise UsageError(f"{path}: exists and is no comparison of ours; choose another --out")
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
    """Whether nothing is in the folder, or only the lists of a comparison that was killed as it began."""
    return {path.name for path in folder.path.iterdir()} <= {folder.split_folder.files.name}


def require_same_comparison(
    folder: ComparisonFolder, manifest: ComparisonManifest, data: Mapping[str, tuple[str, ...]], pairs: bool
) -> None:
    """Refuse to mix two comparisons."""
    if list(manifest.data.items()) != list(data.items()):
        old, new = (" and ".join(place for places in d.values() for place in places) for d in (manifest.data, data))
        raise UsageError(f"{folder.path}: compares other data ({old}), not {new}; choose another --out")
    if manifest.pairs != pairs:
        option = "with" if manifest.pairs else "without"
        raise UsageError(f"{folder.path}: was begun {option} --pairs; continue it {option} it, or choose another --out")


def require_unchanged_data(folder: ComparisonFolder, config: RunConfig) -> None:
    """Raise WorkError where the files are no longer those that the comparison began with."""
    changed_files = describe_data_changes(config, read_file_lists(folder.split_folder, config))
    if changed_files:
        raise WorkError(
            f"the data have changed since the comparison in {folder.path} began: {'; '.join(changed_files)}. Methods "
            "would not see the same; restore them, or compare anew with another --out"
        )


def update_method(
    folder: ComparisonFolder, old: MethodRecord | None, name: str, settings: dict[str, Any]
) -> MethodRecord:
    """A method's part as it is now wanted: its old state stays where its settings do.

    One that failed may be given other settings, and begins anew. Raises UsageError where that would mix two runs.
    """
    if old is None:
        return MethodRecord(settings=settings)
    if (difference := find_difference(old.settings, settings)) is None:
        return old
    if old.state in ("failed", "diverged") or not list_checkpoints(folder.get_run(name).checkpoints):
        remove_run(folder.get_run(name))
        return MethodRecord(settings=settings)
    raise UsageError(
        f"{folder.path}: {name} was trained with other settings there: {difference}. Give the same ones, or choose "
        "another --out"
    )


def remove_run(get_run: RunFolder) -> None:
    """Remove a run that is to begin anew; raises UsageError where its place holds something else."""
    if not get_run.path.exists():
        return
    if not get_run.path.is_dir() or (
        any(get_run.path.iterdir()) and not (get_run.config.is_file() or get_run.files.is_dir())
    ):
        raise UsageError(f"{get_run.path}: holds something else than a run; move it away, or choose another --out")
    shutil.rmtree(get_run.path)


def find_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first setting that both know and that differs, in words."""
    for key in (key for key in old if key in new):
        if isinstance(old[key], dict) and isinstance(new[key], dict):
            if (nested := find_difference(old[key], new[key])) is not None:
                return nested
        elif old[key] != new[key]:
            return f"{key} was {old[key]}, now {new[key]}"
    return None
