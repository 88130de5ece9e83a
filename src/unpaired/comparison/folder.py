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
from unpaired.atomic import whole
from unpaired.comparison.plan import Plan
from unpaired.errors import UsageError, WorkError
from unpaired.runs.config import RunConfig
from unpaired.runs.files import changes, listed, read_lists, write_lists
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import saved_steps
from unpaired.settings import Section

FORMAT = 1
State = Literal["waiting", "done", "failed", "diverged"]


class Part(Section):
    """One method of a comparison: its resolved settings, how far it is, and why it failed where it did."""

    settings: dict[str, Any]
    state: State = "waiting"
    reason: str = ""


class Record(Section):
    """What a folder compares: `comparison.yaml`. Whoever continues it must want the same."""

    format: int = FORMAT
    unpaired: str = Field(__version__, description="the version that began it")
    data: dict[str, tuple[str, ...]] = Field(description="the folders of each domain, or of each labelled data set")
    pairs: bool = Field(description="equal names in the test folders are true pairs")
    methods: dict[str, Part]

    def with_part(self, name: str, part: Part) -> Record:
        """The record with one method's part replaced, or added."""
        return self.model_copy(update={"methods": {**self.methods, name: part}})


@dataclass(frozen=True)
class ComparisonFolder:
    """The paths within a comparison's folder."""

    path: Path

    @property
    def record(self) -> Path:
        """What is compared, and how far it is."""
        return self.path / "comparison.yaml"

    @property
    def page(self) -> Path:
        """The page to look at."""
        return self.path / "compare.html"

    @property
    def figures(self) -> Path:
        """Everything that the page says, for programs."""
        return self.path / "compare.json"

    @property
    def lists(self) -> RunFolder:
        """Where the lists of files are, as every run must have split them: laid out as in a run."""
        return RunFolder(self.path)

    def pictures(self, source: str, target: str) -> Path:
        """The rows of pictures of one direction."""
        return self.path / "pictures" / f"{source}-{target}"

    def trouble(self, method: str) -> Path:
        """Where in the code a method failed."""
        return self.path / "errors" / f"{method}.txt"

    def run(self, method: str) -> RunFolder:
        """One method's run."""
        return RunFolder(self.path / method)

    def write(self, record: Record) -> None:
        """Write the record, whole or not at all; raises WorkError."""
        with whole(self.record) as part:
            part.write_text(yaml.safe_dump(record.model_dump(mode="json"), sort_keys=False), encoding="utf-8")

    def read(self) -> Record:
        """Read the record; raises WorkError where it is damaged or of another format."""
        try:
            return Record.model_validate(yaml.safe_load(self.record.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            why = str(error).splitlines()[0]
            raise WorkError(f"{self.record}: cannot be read as the record of a comparison ({why})") from error


def open_folder(path: Path, plan: Plan, pairs: bool) -> tuple[ComparisonFolder, Record]:
    """Begin a comparison in `path`, or continue the one that is there: methods may be added, finished ones are kept.

    Raises UsageError where the folder holds something else, or a comparison of other data or settings; WorkError where
    the data have changed since it began, or it cannot be written.
    """
    folder = ComparisonFolder(path)
    if path.is_file() or (path.is_dir() and not folder.record.is_file() and not is_fresh(folder)):
        raise UsageError(f"{path}: exists and is no comparison of ours; choose another --out")
    config = plan.prepared.config
    data = {d.name: d.sources for d in listed(config)}
    begun = folder.record.is_file()
    record = folder.read() if begun else Record(data=data, pairs=pairs, methods={})
    if begun:
        continued(folder, record, data, pairs)
        unchanged(folder, config)
    for name, entry in plan.entries.items():
        record = record.with_part(name, renewed(folder, record.methods.get(name), name, entry.record))
    try:
        folder.lists.files.mkdir(parents=True, exist_ok=True)
        if not begun:
            write_lists(folder.lists, config, plan.prepared.files)
        folder.write(record)
    except OSError as error:
        raise WorkError(f"{path}: the comparison's folder cannot be written ({error})") from error
    return folder, record


def is_fresh(folder: ComparisonFolder) -> bool:
    """Whether nothing is in the folder, or only the lists of a comparison that was killed as it began."""
    return {path.name for path in folder.path.iterdir()} <= {folder.lists.files.name}


def continued(folder: ComparisonFolder, record: Record, data: Mapping[str, tuple[str, ...]], pairs: bool) -> None:
    """Refuse to mix two comparisons."""
    if list(record.data.items()) != list(data.items()):
        old, new = (" and ".join(place for places in d.values() for place in places) for d in (record.data, data))
        raise UsageError(f"{folder.path}: compares other data ({old}), not {new}; choose another --out")
    if record.pairs != pairs:
        how = "with" if record.pairs else "without"
        raise UsageError(f"{folder.path}: was begun {how} --pairs; continue it {how} it, or choose another --out")


def unchanged(folder: ComparisonFolder, config: RunConfig) -> None:
    """Raise WorkError where the files are no longer those that the comparison began with."""
    found = changes(config, read_lists(folder.lists, config))
    if found:
        raise WorkError(
            f"the data have changed since the comparison in {folder.path} began: {'; '.join(found)}. Methods would not "
            "see the same; restore them, or compare anew with another --out"
        )


def renewed(folder: ComparisonFolder, old: Part | None, name: str, settings: dict[str, Any]) -> Part:
    """A method's part as it is now wanted: its old state stays where its settings do.

    One that failed may be given other settings, and begins anew. Raises UsageError where that would mix two runs.
    """
    if old is None:
        return Part(settings=settings)
    if (difference := first_difference(old.settings, settings)) is None:
        return old
    if old.state in ("failed", "diverged") or not saved_steps(folder.run(name).checkpoints):
        discard(folder.run(name))
        return Part(settings=settings)
    raise UsageError(
        f"{folder.path}: {name} was trained with other settings there: {difference}. Give the same ones, or choose "
        "another --out"
    )


def discard(run: RunFolder) -> None:
    """Remove a run that is to begin anew; raises UsageError where its place holds something else."""
    if not run.path.exists():
        return
    if not run.path.is_dir() or (any(run.path.iterdir()) and not (run.config.is_file() or run.files.is_dir())):
        raise UsageError(f"{run.path}: holds something else than a run; move it away, or choose another --out")
    shutil.rmtree(run.path)


def first_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first setting that both know and that differs, in words."""
    for key in (key for key in old if key in new):
        if isinstance(old[key], dict) and isinstance(new[key], dict):
            if (inner := first_difference(old[key], new[key])) is not None:
                return inner
        elif old[key] != new[key]:
            return f"{key} was {old[key]}, now {new[key]}"
    return None
