"""Tensors on disk: safetensors written whole or not at all, checked when read, shared layers saved once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from unpaired.atomic import atomic_write
from unpaired.errors import WorkError
from unpaired.methods.base import FrozenNetwork
from unpaired.networks.image_pool import TensorPool


def collect_state(module: nn.Module, roles: Iterable[str] | None = None) -> dict[str, Tensor]:
    """The state of `module` (or of some of its submodules), each tensor under the first of its names only.

    Layers that two roles share have two names; safetensors refuses shared tensors, and loading one name loads both.
    Of the whole module, what is frozen is left out: it is not the module's own.
    """
    prefixes = None if roles is None else tuple(f"{role}." for role in roles)
    frozen_prefixes = tuple(
        f"{name}." for name, part in module.named_modules() if isinstance(part, FrozenNetwork) and roles is None
    )
    first_names: dict[int, str] = {}
    state: dict[str, Tensor] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        is_included = not name.startswith(frozen_prefixes) if prefixes is None else name.startswith(prefixes)
        if is_included and id(tensor) not in first_names:
            first_names[id(tensor)] = name
            state[name] = tensor.detach()
    return state


def load_state(
    module: nn.Module, tensors: Mapping[str, Tensor], path: Path, roles: Iterable[str] | None = None
) -> None:
    """Load what `owned` gave with the same `roles`; raises WorkError naming `where` if names or shapes differ.

    A memory takes its shape from the data, so a saved one may have another.
    """
    expected = collect_state(module, roles)
    resizable = {f"{name}.memory" for name, part in module.named_modules() if isinstance(part, TensorPool)}
    missing, unknown = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    if missing or unknown:
        difference = f"lacks {min(missing)}" if missing else f"has {min(unknown)}, which the run's method does not have"
        raise WorkError(f"{path}: not a checkpoint of this run's method and networks ({difference})")
    for name, tensor in expected.items():
        if name not in resizable and tensor.shape != tensors[name].shape:
            actual_shape, expected_shape = tuple(tensors[name].shape), tuple(tensor.shape)
            raise WorkError(f"{path}: {name} has shape {actual_shape}, but this run's networks have {expected_shape}")
    module.load_state_dict(dict(tensors), strict=False)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write `tensors` with `about` as metadata and a digest of both; the file appears whole or not at all.

    Raises WorkError when the disk is full or not writable; then nothing at `path` has changed.
    """
    cpu_tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    try:
        with atomic_write(path) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode  # the umask's; safetensors makes files that nobody else may read
            save_file(cpu_tensors, temporary, metadata={**metadata, "digest": compute_digest(cpu_tensors, metadata)})
            temporary.chmod(mode)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
    except SafetensorError as error:
        raise WorkError(f"{path}: cannot be written ({error}); what was there before is unchanged") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a file of `write_tensors`; raises WorkError that says what is wrong with any other."""
    if not path.is_file():
        raise WorkError(f"{path}: there is no such file")
    with path.open("rb") as file:
        head = file.read(9)
    # A file of safetensors begins with the length of its header and "{"; lengths there are that look like the others.
    if head[8:] != b"{" and head[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"):
        raise WorkError(f"{path}: this is a pickle or zip file, which could run code; unpaired reads only safetensors")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise WorkError(f"{path}: damaged or truncated ({error}); restore it or use another checkpoint") from error
    stored_digest = metadata.pop("digest", None)
    if stored_digest != compute_digest(tensors, metadata):
        raise WorkError(f"{path}: its content does not match its digest: it was edited, or written by something else")
    return tensors, {**metadata, "digest": stored_digest}


def compute_digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 over names, types, shapes and bytes of the tensors, and over the metadata."""
    sha = hashlib.sha256(repr(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        sha.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return sha.hexdigest()
