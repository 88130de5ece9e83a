"""Checks before training: settings that the device, the number of ranks or the medium does not support."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from unpaired.config.resolve import Settings
from unpaired.config.settings import TrainingSettings
from unpaired.data.split import DomainSplits
from unpaired.errors import UsageError
from unpaired.media import Medium
from unpaired.methods import METHODS


def explain_unsupported(method: str, medium: Medium) -> str:
    """Return why a method cannot be trained on files of a medium; empty if it can."""
    reason = METHODS[method].unsupported.get(medium.method_medium)
    return "" if reason is None else f"{method} does not learn from {medium.files_noun}: {reason}"


def require_method_support(method: str, medium: Medium) -> None:
    """Raise UsageError if a method cannot be trained on files of a medium; lists the methods that can."""
    if reason := explain_unsupported(method, medium):
        supported = ", ".join(name for name in METHODS if not explain_unsupported(name, medium))
        raise UsageError(f"{reason}. Methods that do: {supported}")


def require_feasible(settings: Settings, device: torch.device, world_size: int) -> None:
    """Raise UsageError for settings that this device or number of ranks does not support."""
    training, networks = settings.training, settings.networks
    if training.precision == "fp16-mixed" and device.type != "cuda":
        raise UsageError("precision fp16-mixed needs a CUDA device; use fp32 or bf16-mixed")
    total = world_size * training.grad_accumulation
    if training.batch_size % total:
        raise UsageError(
            f"batch size {training.batch_size}: must be a multiple of ranks x micro-batches, {world_size} x "
            f"{training.grad_accumulation}; use --batch-size {total * math.ceil(training.batch_size / total)}"
        )
    if reason := explain_small_batch(settings, world_size):
        raise UsageError(reason)
    if networks.norm == "batch" and training.ema_decay:
        raise UsageError(
            "norm batch: its running statistics belong to the training weights and are wrong for their EMA; add "
            "--ema-decay 0, or use --norm instance or group"
        )


def require_validation(training: TrainingSettings, medium: Medium, splits: Sequence[DomainSplits]) -> None:
    """Raise UsageError if `patience` is set, but no validation metric will be measured."""
    if training.patience is None:
        return
    if training.evaluate_every == 0:
        reason = "--evaluate-every 0 turns the evaluations off; leave it out"
    else:
        reason = medium.explain_no_validation(splits)
    if reason:
        raise UsageError(
            f"--patience {training.patience}: needs evaluations on the validation split, but {reason}; or leave out "
            "--patience"
        )


def explain_small_batch(settings: Settings, world_size: int = 1) -> str:
    """Return why a label-conditioned method needs a larger batch; empty if it does not."""
    total = world_size * settings.training.grad_accumulation
    if METHODS[settings.method].cls.batch_kind != "labelled" or settings.training.batch_size >= 2 * total:
        return ""
    return (
        f"batch size {settings.training.batch_size}: {settings.method} takes target labels from the other items of a "
        f"micro-batch, so each needs at least two items: --batch-size {2 * total}"
    )
