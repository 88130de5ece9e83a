"""Everything that resuming needs, saved whole or not at all, in `checkpoints/step-N/` of a run's folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from unpaired.errors import WorkError
from unpaired.networks.memory import Memory
from unpaired.runs.config import FORMAT
from unpaired.runs.progress import Progress, saved_steps
from unpaired.runs.weights import owned, read_tensors, restore, write_tensors
from unpaired.training.loop import Loop

KEPT = 2
"""Checkpoints that stay on disk; older ones are removed once a newer one is whole."""


def save_checkpoint(folder: Path, loop: Loop, method_name: str, progress: Progress) -> None:
    """Save the state after `progress.step` steps. Every rank calls it; each writes its own memories.

    The folder gets its final name once all of it is on disk: killed at any instant, the one before is whole.
    """
    final = folder / f"step-{progress.step:09d}"
    part = folder / f".{final.name}.part"

    def begin() -> None:
        for left in folder.glob(".step-*.part"):  # by a kill, or a full disk
            shutil.rmtree(left, ignore_errors=True)
        part.mkdir(parents=True)

    def end() -> None:
        shutil.rmtree(final, ignore_errors=True)
        part.rename(final)
        for old in saved_steps(folder)[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def on_disk(work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            raise WorkError(f"{final}: cannot be written ({error}); earlier checkpoints are unchanged") from error

    try:
        loop.ranks.on_first(partial(on_disk, begin))
        loop.ranks.on_each(partial(write_part, part, loop, method_name, progress))
        loop.ranks.on_first(partial(on_disk, end))
    except WorkError:
        if loop.ranks.first:
            shutil.rmtree(part, ignore_errors=True)
        raise


def write_part(part: Path, loop: Loop, method_name: str, progress: Progress) -> None:
    """Write this rank's file of a checkpoint."""
    if not loop.ranks.first:
        write_tensors(part / f"rank-{loop.ranks.index}.safetensors", memories(loop), {"format": str(FORMAT)})
        return
    state = {
        "progress": progress.model_dump(),
        "moves": loop.averages.moves,
        "scalers": {key: scaler.state_dict() for key, scaler in loop.scalers.items()},
    }
    about = {"format": str(FORMAT), "method": method_name, "state": json.dumps(state)}
    tensors = {f"method/{k}": t for k, t in owned(loop.method).items()}
    tensors |= {f"average/{k}": t for k, t in owned(loop.averages.method, loop.averages.moves).items()}
    write_tensors(part / "state.safetensors", tensors | loop.tensors(), about)


def load_checkpoint(folder: Path, loop: Loop, method_name: str) -> Progress:
    """Load the newest checkpoint into `loop`; raises WorkError with the reason where it cannot be used."""
    found = saved_steps(folder)
    if not found:
        raise WorkError(f"{folder}: no checkpoint has been saved yet, so there is nothing to resume; train anew")
    file = found[-1] / "state.safetensors"
    tensors, about = read_tensors(file)
    if about.get("format") != str(FORMAT):
        raise WorkError(f"{file}: format {about.get('format')}, but this version of unpaired reads format {FORMAT}")
    if about.get("method") != method_name:
        raise WorkError(f"{file}: a checkpoint of method '{about.get('method')}', but the run is '{method_name}'")
    try:
        state: dict[str, Any] = json.loads(about["state"])
        progress = Progress.model_validate(state["progress"])
    except (KeyError, ValueError, ValidationError) as error:
        raise WorkError(f"{file}: its state cannot be read ({error})") from error
    if progress.ranks != loop.ranks.count:
        raise WorkError(
            f"{file}: saved by {progress.ranks} ranks and resumed on {loop.ranks.count}; resume on {progress.ranks}, "
            "since each has memories of its own"
        )
    restore(loop.method, part_of(tensors, "method/"), file)
    restore(loop.averages.method, part_of(tensors, "average/"), file, loop.averages.moves)
    loop.load_optimizers(tensors, file)
    loop.averages.moves.update(state["moves"])
    for key, saved in state["scalers"].items():
        loop.scalers[key] = torch.amp.GradScaler(loop.device.type)
        loop.scalers[key].load_state_dict(saved)
    if not loop.ranks.first:
        own = found[-1] / f"rank-{loop.ranks.index}.safetensors"
        loop.method.load_state_dict(read_tensors(own)[0], strict=False)
    return progress


def part_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def memories(loop: Loop) -> dict[str, Tensor]:
    """The buffers of this rank's memories, which differ from rank to rank."""
    return {
        f"{name}.{key}": buffer
        for name, part in loop.method.named_modules()
        if isinstance(part, Memory)
        for key, buffer in part.named_buffers(recurse=False)
    }
