"""Selection of a teacher: a trained run whose translations a new run learns from."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from unpaired.config.run_config import RunConfig, Teacher
from unpaired.data.domain import Domain
from unpaired.errors import UsageError
from unpaired.methods import METHODS
from unpaired.runs.folder import Checkpoint, RunFolder, load_model


def add_teacher(path: Path, config: RunConfig) -> RunConfig:
    """Return `config` with the run in `path` as teacher.

    `path` is a run's folder, of which the default checkpoint is used (the best one if it exists), or a model file.
    Raises UsageError if the method does not support a teacher, or the run does not exist or does not fit; WorkError if
    its files are damaged.
    """
    if not METHODS[config.method].cls.accepts_teacher:
        supported = ", ".join(name for name, row in METHODS.items() if row.cls.accepts_teacher)
        raise UsageError(f"--teacher: not available for {config.method}; methods that support it: {supported}")
    checkpoint_by_file: dict[str, Checkpoint] = {
        RunFolder(path.parent).model_path(checkpoint).name: checkpoint for checkpoint in get_args(Checkpoint)
    }
    checkpoint = checkpoint_by_file.get(path.name)
    folder = RunFolder((path.parent if checkpoint else path).absolute())
    model = load_model(folder.path, checkpoint)
    teacher_config = model.config
    if config.medium != teacher_config.medium:
        raise UsageError(
            f"teacher {path}: was trained on {teacher_config.get_medium().files_noun}; expected a run of "
            f"{config.get_medium().files_noun}"
        )
    domain_pairs = [(_find_matching_domain(domain, teacher_config, path), domain) for domain in config.domains[:2]]
    source, target = (teacher_config.find_key(teacher_domain.name) for teacher_domain, _ in domain_pairs)
    if model.method.route(source, target) is None:
        names = " to ".join(domain.name for _, domain in domain_pairs)
        raise UsageError(f"teacher {path}: does not translate {names}; train one that does, or swap the domains")
    if mismatch := config.get_medium().explain_teacher_mismatch(config, teacher_config, domain_pairs):
        raise UsageError(f"teacher {path}: {mismatch}")
    file = folder.model_path(model.checkpoint)
    return config.model_copy(
        update={"teacher": Teacher(file=str(file), digest=model.digest, source=source, target=target)}
    )


def _find_matching_domain(domain: Domain, teacher_config: RunConfig, path: Path) -> Domain:
    """Return the teacher's domain of the same name; raises UsageError that lists its domains if there is none."""
    match = next((candidate for candidate in teacher_config.domains if candidate.name == domain.name), None)
    if match is None:
        names = " and ".join(candidate.name for candidate in teacher_config.domains)
        raise UsageError(f"teacher {path}: has no domain '{domain.name}'; its domains are {names}")
    return match
