"""Weight files: atomic writing, shared layers, and errors for damaged or foreign files."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from unpaired.errors import WorkError
from unpaired.runs.weights import collect_state, load_state, read_tensors, write_tensors

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(3, dtype=torch.int64), "none": torch.empty(0)}


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        tail = self.tail = nn.Linear(2, 2)
        self.one, self.other = nn.Sequential(nn.Linear(3, 2), tail), nn.Sequential(nn.Linear(4, 2), tail)


def write_example(folder: Path) -> Path:
    path = folder / "x.safetensors"
    write_tensors(path, TENSORS, {"step": "3"})
    return path


def test_written_tensors_are_read_unchanged(tmp_path: Path) -> None:
    tensors, metadata = read_tensors(write_example(tmp_path))
    assert metadata["step"] == "3"
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_weight_files_have_the_permissions_of_new_files(tmp_path: Path) -> None:
    (tmp_path / "new").touch()
    assert write_example(tmp_path).stat().st_mode == (tmp_path / "new").stat().st_mode


def test_shared_layers_are_saved_once_and_remain_shared(tmp_path: Path) -> None:
    network, other = Shared(), Shared()
    path = tmp_path / "x.safetensors"
    write_tensors(path, collect_state(network), {})
    assert not any(name.startswith(("one.1", "other.1")) for name in collect_state(network))
    load_state(other, read_tensors(path)[0], path)
    assert torch.equal(other.tail.weight, network.tail.weight)
    assert other.other[1] is other.one[1] is other.tail


def test_state_of_other_networks_raises_work_error(tmp_path: Path) -> None:
    path = write_example(tmp_path)
    with pytest.raises(WorkError, match=r"lacks .*one\.0\.bias"):
        load_state(Shared(), {}, path)
    network = Shared()
    wrong = collect_state(network) | {"one.0.weight": torch.zeros(2, 5)}
    with pytest.raises(WorkError, match=r"shape \(2, 5\)"):
        load_state(network, wrong, path)


@pytest.mark.parametrize("length", [0x4B50, 0x0580])
def test_header_length_equal_to_pickle_magic_is_read(tmp_path: Path, length: int) -> None:
    file = tmp_path / "weights.safetensors"
    for extra in range(length):
        write_tensors(file, {"x": torch.zeros(1)}, {"metadata": "a" * (length - 1000 + extra)})
        if int.from_bytes(file.read_bytes()[:2], "little") == length:
            break
    assert file.read_bytes()[:2] in (b"PK", b"\x80\x05")
    assert torch.equal(read_tensors(file)[0]["x"], torch.zeros(1))


def test_pickle_raises_work_error(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for old in (True, False):
        torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=not old)
        with pytest.raises(WorkError, match="pickle"):
            read_tensors(path)


def test_truncated_file_raises_work_error(tmp_path: Path) -> None:
    path = write_example(tmp_path)
    content = path.read_bytes()
    for length in (0, 5, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(WorkError, match="damaged or truncated"):
            read_tensors(path)


def test_edited_tensors_raise_work_error(tmp_path: Path) -> None:
    path = write_example(tmp_path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WorkError, match="digest"):
        read_tensors(path)


def test_edited_metadata_raises_work_error(tmp_path: Path) -> None:
    path = write_example(tmp_path)
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["step"] = "4"
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    with pytest.raises(WorkError, match="digest"):
        read_tensors(path)


def test_full_disk_leaves_previous_file_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_example(tmp_path)

    def raise_disk_full(*args: object, **kwargs: object) -> None:
        Path(str(args[1])).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unpaired.runs.weights.save_file", raise_disk_full)
    with pytest.raises(WorkError, match="the disk is full"):
        write_tensors(path, TENSORS, {"step": "4"})
    assert read_tensors(path)[1]["step"] == "3"
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    assert safetensors.torch.load_file(path).keys() == TENSORS.keys()
