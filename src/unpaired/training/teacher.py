"""The choice of a teacher: a trained run that a new one learns from, if it fits."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from unpaired.config.run_config import RunConfig
from unpaired.data.domain import Domain
from unpaired.errors import UsageError
from unpaired.methods import METHODS
from unpaired.runs.folder import Checkpoint, RunFolder, load_model
from unpaired.runs.teacher import Teacher


def add_teacher(path: Path, config: RunConfig) -> RunConfig:
    """`config`, taught by the run in `path`: its best checkpoint where there is one, or that of the file `path`.

    Raises UsageError where the method takes no teacher, where there is no such run, or one that does not fit; WorkError
    where its files are damaged.
    """
    if not METHODS[config.method].cls.accepts_teacher:
        supported = ", ".join(name for name, row in METHODS.items() if row.cls.accepts_teacher)
        raise UsageError(f"--teacher: {config.method} learns from no other run; methods that do: {supported}")
    checkpoint_by_file: dict[str, Checkpoint] = {
        RunFolder(path.parent).model_path(checkpoint).name: checkpoint for checkpoint in get_args(Checkpoint)
    }
    checkpoint = checkpoint_by_file.get(path.name)
    folder = RunFolder((path.parent if checkpoint else path).absolute())
    model = load_model(folder.path, checkpoint)
    teacher_config = model.config
    domain_pairs = [(_find_matching_domain(domain, teacher_config, path), domain) for domain in config.domains[:2]]
    source, target = (teacher_config.find_key(teacher_domain.name) for teacher_domain, _ in domain_pairs)
    if model.method.route(source, target) is None:
        names = " to ".join(domain.name for _, domain in domain_pairs)
        raise UsageError(f"teacher {path}: does not translate {names}; train one that does, or change the order")
    for label, own, other in (
        ("pictures of", f"{config.data.size} px", f"{teacher_config.data.size} px"),
        ("networks of", f"{config.channels} channels", f"{teacher_config.channels} channels"),
    ):
        if own != other:
            raise UsageError(f"teacher {path}: learned from {label} {other}, and this run from {own}; make them equal")
    file = folder.model_path(model.checkpoint)
    return config.model_copy(
        update={"teacher": Teacher(file=str(file), digest=model.digest, source=source, target=target)}
    )


def _find_matching_domain(domain: Domain, teacher_config: RunConfig, path: Path) -> Domain:
    """The teacher's domain of the same name and values."""
    match = next((candidate for candidate in teacher_config.domains if candidate.name == domain.name), None)
    if match is None:
        names = " and ".join(candidate.name for candidate in teacher_config.domains)
        raise UsageError(f"teacher {path}: does not know '{domain.name}'; it knows {names}")
    if (match.low, match.high) != (domain.low, domain.high):
        raise UsageError(
            f"teacher {path}: saw values of '{domain.name}' from {match.low:g} to {match.high:g}, and this run sees "
            f"those from {domain.low:g} to {domain.high:g}; a teacher must have been trained on the same pictures"
        )
    return match
