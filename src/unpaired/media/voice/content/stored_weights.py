"""Reader of the weights of CTranslate2 models (`model.bin`), for networks that are built from them in torch.

The file is little-endian: version (uint32), name of the model's class (string), revision (uint32), number of variables
(uint32); then for each variable its name (string), rank (uint8), sizes (uint32 each), type (uint8), number of bytes
(uint32) and values. A string is its length with a final zero (uint16), and its bytes. Names of equal variables
(aliases) follow; encoders have none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from unpaired.errors import WorkError

__all__ = ["read_stored_weights"]

_VERSIONS = (4, 5, 6)
_TYPES = {0: torch.float32, 1: torch.int8, 2: torch.int16, 3: torch.int32, 4: torch.float16, 5: torch.bfloat16}
_MAX_VARIABLES, _MAX_RANK = 1 << 16, 8


def read_stored_weights(path: Path, select: Callable[[str], bool]) -> dict[str, Tensor]:
    """Return the variables of a CTranslate2 file whose names `select` accepts, by name.

    Raises WorkError if the file cannot be read, is cut off, or has another format.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file, path).read_variables(select)
    except OSError as error:
        raise WorkError(f"{path}: cannot be read ({error.strerror})") from error


class _Reader:
    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path

    def read_variables(self, select: Callable[[str], bool]) -> dict[str, Tensor]:
        version = self._read_number("I")
        if version not in _VERSIONS:
            raise self._error(f"version {version} of the format is unknown; expected {', '.join(map(str, _VERSIONS))}")
        self._read_string()
        self._read_number("I")
        count = self._read_number("I")
        if count > _MAX_VARIABLES:
            raise self._error(f"claims {count} variables")
        out = {}
        for _ in range(count):
            name, shape, dtype, num_bytes = self._read_header()
            if select(name):
                values = torch.frombuffer(bytearray(self._read(num_bytes)), dtype=dtype) if num_bytes else None
                out[name] = torch.empty(shape, dtype=dtype) if values is None else values.reshape(shape)
            else:
                self._file.seek(num_bytes, 1)
        return out

    def _read_header(self) -> tuple[str, list[int], torch.dtype, int]:
        name, rank = self._read_string(), self._read_number("B")
        if rank > _MAX_RANK:
            raise self._error(f"'{name}' claims {rank} dimensions")
        shape = [self._read_number("I") for _ in range(rank)]
        type_id, num_bytes = self._read_number("B"), self._read_number("I")
        if type_id not in _TYPES:
            raise self._error(f"'{name}' has the unknown type {type_id}")
        dtype = _TYPES[type_id]
        expected = int(torch.Size(shape).numel()) * dtype.itemsize
        if num_bytes != expected:
            raise self._error(f"'{name}' has {num_bytes} bytes; expected {expected}")
        return name, shape, dtype, num_bytes

    def _read_number(self, code: str) -> int:
        return int(struct.unpack(f"<{code}", self._read(struct.calcsize(code)))[0])

    def _read_string(self) -> str:
        return self._read(self._read_number("H")).rstrip(b"\0").decode("utf-8", "replace")

    def _read(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise self._error("is cut off")
        return data

    def _error(self, reason: str) -> WorkError:
        return WorkError(f"{self._path}: is no whole model of CTranslate2: {reason}")
