"""Training checkpoints: the complete state for resuming, written atomically to `checkpoints/step-N/` of a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from unpaired.config.run_config import FORMAT
from unpaired.errors import WorkError
from unpaired.networks.image_pool import TensorPool
from unpaired.runs.progress import Progress, get_replaced_path, list_checkpoints, list_replaced_checkpoints
from unpaired.runs.weights import collect_state, load_state, read_tensors, write_tensors
from unpaired.training.loop import TrainingLoop
from unpaired.training.precision import build_grad_scaler

MAX_CHECKPOINTS = 2
"""Number of checkpoints kept on disk; older ones are deleted after a newer one is complete."""


def save_checkpoint(folder: Path, loop: TrainingLoop, method_name: str, progress: Progress) -> None:
    """Save the state after `progress.step` steps. Every rank must call it and writes its own image pools.

    The folder is renamed to its final name after all files are written, so that a killed process leaves the previous
    checkpoint complete, also one of the same step. Raises WorkError if writing fails; earlier checkpoints are then
    unchanged.
    """
    final = folder / f"step-{progress.step:09d}"
    temporary = folder / f".{final.name}.part"

    def create_folder() -> None:
        leftovers = [*folder.glob(".step-*.part"), *list_replaced_checkpoints(folder)]
        for leftover in leftovers:  # of a killed process, or after a full disk
            shutil.rmtree(leftover, ignore_errors=True)
        temporary.mkdir(parents=True)

    def publish_folder() -> None:
        if final.exists():
            final.rename(get_replaced_path(final))  # a checkpoint until its replacement has the name
        temporary.rename(final)
        shutil.rmtree(get_replaced_path(final), ignore_errors=True)
        for old in list_checkpoints(folder)[:-MAX_CHECKPOINTS]:
            shutil.rmtree(old, ignore_errors=True)

    def report_disk_errors(work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            raise WorkError(f"{final}: cannot be written ({error}); earlier checkpoints are unchanged") from error

    try:
        loop.distributed.run_on_first(partial(report_disk_errors, create_folder))
        loop.distributed.run_on_all(partial(write_rank_state, temporary, loop, method_name, progress))
        loop.distributed.run_on_first(partial(report_disk_errors, publish_folder))
    except WorkError:
        if loop.distributed.is_first:
            shutil.rmtree(temporary, ignore_errors=True)
        raise


def write_rank_state(folder: Path, loop: TrainingLoop, method_name: str, progress: Progress) -> None:
    """Write this rank's file of a checkpoint: the first rank the whole state, the others their image pools."""
    if not loop.distributed.is_first:
        write_tensors(
            folder / f"rank-{loop.distributed.rank}.safetensors", collect_pool_buffers(loop), {"format": str(FORMAT)}
        )
        return
    state = {
        "progress": progress.model_dump(),
        "update_counts": loop.ema.update_counts,
        "scalers": {key: scaler.state_dict() for key, scaler in loop.scalers.items()},
    }
    metadata = {"format": str(FORMAT), "method": method_name, "state": json.dumps(state)}
    tensors = {f"method/{k}": t for k, t in collect_state(loop.method).items()}
    tensors |= {f"ema/{k}": t for k, t in collect_state(loop.ema.method, loop.ema.update_counts).items()}
    write_tensors(folder / "state.safetensors", tensors | loop.get_optimizer_state(), metadata)


def load_checkpoint(folder: Path, loop: TrainingLoop, method_name: str) -> Progress:
    """Load the newest checkpoint into `loop` and return its progress; raises WorkError if it cannot be used."""
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        raise WorkError(f"{folder}: no checkpoint has been saved yet, so the run cannot be resumed; train a new run")
    file = checkpoints[-1] / "state.safetensors"
    tensors, metadata = _read_newest_state(checkpoints)
    if metadata.get("format") != str(FORMAT):
        raise WorkError(f"{file}: format {metadata.get('format')}, but this version of unpaired reads format {FORMAT}")
    if metadata.get("method") != method_name:
        raise WorkError(f"{file}: checkpoint of method '{metadata.get('method')}', but the run is '{method_name}'")
    try:
        state: dict[str, Any] = json.loads(metadata["state"])
        progress = Progress.model_validate(state["progress"])
    except (KeyError, ValueError, ValidationError) as error:
        raise WorkError(f"{file}: its state cannot be read ({error})") from error
    if progress.world_size != loop.distributed.world_size:
        raise WorkError(
            f"{file}: saved by {progress.world_size} ranks, but resumed on {loop.distributed.world_size}; resume on "
            f"{progress.world_size} ranks, because each rank has its own image pools"
        )
    load_state(loop.method, select_prefix(tensors, "method/"), file)
    load_state(loop.ema.method, select_prefix(tensors, "ema/"), file, loop.ema.update_counts)
    loop.load_optimizer_state(tensors, file)
    loop.ema.update_counts.update(state["update_counts"])
    for key, scaler_state in state["scalers"].items():
        scaler = build_grad_scaler(loop.precision, loop.device)
        if scaler is not None:  # None: resumed in a precision that needs no loss scaling
            scaler.load_state_dict(scaler_state)
            loop.scalers[key] = scaler
    if not loop.distributed.is_first:
        rank_file = checkpoints[-1] / f"rank-{loop.distributed.rank}.safetensors"
        loop.method.load_state_dict(read_tensors(rank_file)[0], strict=False)
    return progress


def _read_newest_state(checkpoints: Sequence[Path]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the newest checkpoint; if it is damaged, the error names the one before it."""
    try:
        return read_tensors(checkpoints[-1] / "state.safetensors")
    except WorkError as error:
        if len(checkpoints) == 1:
            raise
        advice = f"To continue from the checkpoint before it, {checkpoints[-2].name}, remove {checkpoints[-1]}"
        raise WorkError(f"{error}. {advice}") from error


def select_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix`, by their names without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def collect_pool_buffers(loop: TrainingLoop) -> dict[str, Tensor]:
    """Return the buffers of this rank's image pools, which differ between ranks."""
    return {
        f"{name}.{key}": buffer
        for name, module in loop.method.named_modules()
        if isinstance(module, TensorPool)
        for key, buffer in module.named_buffers(recurse=False)
    }
