from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from unpaired.errors import WorkError
from unpaired.media.voice.content.stored_weights import read_stored_weights


def string(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, shape: tuple[int, ...], type_id: int, values: bytes) -> bytes:
    header = struct.pack(f"<B{len(shape)}IBI", len(shape), *shape, type_id, len(values))
    return string(name) + header + values


def write_model(path: Path, *variables: bytes, version: int = 6) -> Path:
    head = struct.pack("<I", version) + string("WhisperSpec") + struct.pack("<II", 3, len(variables))
    path.write_bytes(head + b"".join(variables) + struct.pack("<I", 0))
    return path


MATRIX = variable("encoder/a", (2, 3), 4, struct.pack("<6e", 1, 2, 3, 4, 5, 6.5))
NUMBER = variable("encoder/heads", (), 2, struct.pack("<h", 8))
OTHER = variable("decoder/a", (2,), 0, struct.pack("<2f", 0.25, -1))


def test_variables_are_read_with_their_types_and_others_are_skipped(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.bin", MATRIX, OTHER, NUMBER)
    weights = read_stored_weights(path, lambda name: name.startswith("encoder/"))
    assert list(weights) == ["encoder/a", "encoder/heads"]
    assert weights["encoder/a"].dtype == torch.float16
    assert weights["encoder/a"].tolist() == [[1, 2, 3], [4, 5, 6.5]]
    assert weights["encoder/heads"].item() == 8 and weights["encoder/heads"].shape == ()
    assert read_stored_weights(path, lambda name: name == "decoder/a")["decoder/a"].tolist() == [0.25, -1]


@pytest.mark.parametrize("kept", [2, 20, 45, 60])
def test_files_that_are_cut_off_are_refused(tmp_path: Path, kept: int) -> None:
    path = write_model(tmp_path / "model.bin", MATRIX)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WorkError, match=r"model\.bin.*cut off"):
        read_stored_weights(path, lambda _: True)


def test_other_formats_are_refused_with_what_they_claim(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.bin", MATRIX, version=99)
    with pytest.raises(WorkError, match=r"version 99.*4, 5, 6"):
        read_stored_weights(path, lambda _: True)
    write_model(path, variable("x", (2,), 77, b""))
    with pytest.raises(WorkError, match="'x' has the unknown type 77"):
        read_stored_weights(path, lambda _: True)
    write_model(path, variable("x", (2,), 0, b"\0" * 4))
    with pytest.raises(WorkError, match="'x' has 4 bytes; expected 8"):
        read_stored_weights(path, lambda _: True)
    with pytest.raises(WorkError, match=r"absent\.bin: cannot be read"):
        read_stored_weights(tmp_path / "absent.bin", lambda _: True)
