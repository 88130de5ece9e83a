"""The choice of a teacher: a trained run that a new one learns from, if it fits."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from unpaired.data.domain import Domain
from unpaired.errors import UsageError
from unpaired.methods import METHODS
from unpaired.runs.config import RunConfig
from unpaired.runs.folder import Checkpoint, RunFolder, load_model
from unpaired.runs.teacher import Teacher


def with_teacher(path: Path, config: RunConfig) -> RunConfig:
    """`config`, taught by the run in `path`: its best checkpoint where there is one, or that of the file `path`.

    Raises UsageError where the method takes no teacher, where there is no such run, or one that does not fit; WorkError
    where its files are damaged.
    """
    if not METHODS[config.method].cls.taught:
        able = ", ".join(name for name, row in METHODS.items() if row.cls.taught)
        raise UsageError(f"--teacher: {config.method} learns from no other run; methods that do: {able}")
    named: dict[str, Checkpoint] = {RunFolder(path.parent).model(which).name: which for which in get_args(Checkpoint)}
    which = named.get(path.name)
    run = RunFolder((path.parent if which else path).absolute())
    model = load_model(run.path, which)
    theirs = model.config
    ends = [(_like(domain, theirs, path), domain) for domain in config.domains[:2]]
    source, target = (theirs.key(one.name) for one, _ in ends)
    if model.method.route(source, target) is None:
        names = " to ".join(domain.name for _, domain in ends)
        raise UsageError(f"teacher {path}: does not translate {names}; train one that does, or change the order")
    for what, own, other in (
        ("pictures of", f"{config.data.size} px", f"{theirs.data.size} px"),
        ("networks of", f"{config.channels} channels", f"{theirs.channels} channels"),
    ):
        if own != other:
            raise UsageError(f"teacher {path}: learned from {what} {other}, and this run from {own}; make them equal")
    file = run.model(model.checkpoint)
    return config.model_copy(
        update={"teacher": Teacher(file=str(file), digest=model.digest, source=source, target=target)}
    )


def _like(domain: Domain, theirs: RunConfig, path: Path) -> Domain:
    """The teacher's domain of the same name and values."""
    found = next((one for one in theirs.domains if one.name == domain.name), None)
    if found is None:
        names = " and ".join(one.name for one in theirs.domains)
        raise UsageError(f"teacher {path}: does not know '{domain.name}'; it knows {names}")
    if (found.low, found.high) != (domain.low, domain.high):
        raise UsageError(
            f"teacher {path}: saw values of '{domain.name}' from {found.low:g} to {found.high:g}, and this run sees "
            f"those from {domain.low:g} to {domain.high:g}; a teacher must have been trained on the same pictures"
        )
    return found
