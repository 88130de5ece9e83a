"""Tensors on disk: safetensors files, written atomically and verified by a digest when read."""

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
    """Return the state of `module`, or of the submodules `roles`; a shared tensor only under its first name.

    Layers shared by two roles have two names, but safetensors does not save shared tensors; loading one name sets both.
    Without `roles`, frozen networks are excluded, because they are loaded from their own files.
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
    """Load the result of `collect_state` with the same `roles`.

    Raises WorkError with `path` if names or shapes differ. Image pools are exempt from the check of shapes, because
    their shape depends on the data.
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
    """Write `tensors` atomically with `metadata` and a digest of both.

    Raises WorkError if the disk is full or not writable; an existing file is then unchanged.
    """
    cpu_tensors = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    try:
        with atomic_write(path) as temporary:
            temporary.touch()
            mode = temporary.stat().st_mode  # from the umask; safetensors creates files that only their owner can read
            save_file(cpu_tensors, temporary, metadata={**metadata, "digest": compute_digest(cpu_tensors, metadata)})
            temporary.chmod(mode)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
    except SafetensorError as error:
        raise WorkError(f"{path}: cannot be written ({error}); an existing file is unchanged") from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata (with `digest`) of a file of `write_tensors`.

    Raises WorkError if the file is missing, damaged, edited or of another format.
    """
    if not path.is_file():
        raise WorkError(f"{path}: there is no such file")
    with path.open("rb") as file:
        head = file.read(9)
    # A safetensors file begins with the length of its header (8 bytes) and "{"; the length may equal a pickle's magic.
    if head[8:] != b"{" and head[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"):
        raise WorkError(f"{path}: this is a pickle or zip file, which could execute code; expected a safetensors file")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise WorkError(f"{path}: damaged or truncated ({error}); restore it or use another checkpoint") from error
    stored_digest = metadata.pop("digest", None)
    if stored_digest != compute_digest(tensors, metadata):
        raise WorkError(f"{path}: its content does not match its digest: it was edited or written by another program")
    return tensors, {**metadata, "digest": stored_digest}


def compute_digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return the SHA-256 of the metadata and of the names, types, shapes and bytes of the tensors."""
    sha = hashlib.sha256(repr(sorted(metadata.items())).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        sha.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return sha.hexdigest()
