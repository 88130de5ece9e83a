"""Initialization with another run's weights (`--init RUN`), matched by role and shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from unpaired.config.run_config import RunConfig
from unpaired.console import LogCallback
from unpaired.errors import UsageError
from unpaired.methods.base import FrozenNetwork, Method
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training.checkpoint import select_prefix


def init_from_run(method: Method, path: Path, config: RunConfig, log: LogCallback) -> RunConfig:
    """Copy the weights of the run in `path` into `method` and record it; optimizers and schedule start from zero.

    A tensor is copied if both runs have a role of the same name with a tensor of the same name and shape: the EMA
    weights of translating roles, the last weights of the others. `log` receives the number of copied tensors and the
    roles without a match. Returns `config` with `init_from` set. Raises UsageError if `path` is not a run or nothing
    matches, WorkError if its files are damaged.
    """
    weights = read_run_weights(path)
    all_tensors = dict(method.named_parameters()) | dict(method.named_buffers())
    frozen = tuple(f"{name}." for name, part in method.named_modules() if isinstance(part, FrozenNetwork))
    roles = list(dict.fromkeys(role for player in method.players.values() for role in player.roles))
    target_tensors = {
        name: tensor
        for name, tensor in all_tensors.items()
        if name.split(".")[0] in roles and not name.startswith(frozen)
    }
    matched = {
        name for name, tensor in target_tensors.items() if name in weights and weights[name].shape == tensor.shape
    }
    matched_roles = {name.split(".")[0] for name in matched if target_tensors[name].dim() > 1}
    # A role in which only biases and norm weights match has other layers.
    matched = {name for name in matched if name.split(".")[0] in matched_roles}
    if not matched:
        other_roles = ", ".join(dict.fromkeys(name.split(".")[0] for name in weights))
        raise UsageError(
            f"--init {path}: no weights match; it has the roles {other_roles}, but this run has {', '.join(roles)}"
        )
    with torch.no_grad():
        for name in matched:
            target_tensors[name].copy_(weights[name])
    unmatched = _describe_unmatched(target_tensors, matched)
    log(f"init: {len(matched)} of {len(target_tensors)} tensors from {path}{unmatched}")
    return config.model_copy(update={"init_from": str(path)})


def read_run_weights(path: Path) -> Mapping[str, Tensor]:
    """Return the weights of a run by name: of its newest checkpoint (EMA first), or of its model if there is none."""
    folder = RunFolder(path)
    folder.load_config()
    checkpoints = list_checkpoints(folder.checkpoints)
    if not checkpoints:
        return read_tensors(folder.model_path("last"))[0]
    tensors, _ = read_tensors(checkpoints[-1] / "state.safetensors")
    return select_prefix(tensors, "method/") | select_prefix(tensors, "ema/")


def _describe_unmatched(target_tensors: Mapping[str, Tensor], matched: set[str]) -> str:
    """Return the roles with tensors that keep random weights, with the number of these tensors, as text."""
    total = Counter(name.split(".")[0] for name in target_tensors)
    missing = Counter(name.split(".")[0] for name in target_tensors if name not in matched)
    parts = [f"{role} ({count} of {total[role]} tensors)" for role, count in missing.items()]
    return f"; no match, so initialized at random: {', '.join(parts)}" if parts else ""
