"""Content encoders for tests that run without packages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from unpaired.media.voice.features import Floats
from unpaired.networks.whisper import WhisperNetwork


@dataclass(frozen=True)
class FakeEncoder:
    """Content that depends on the spectrum's shape: log-mel values of 10 wide bands, minus their mean, per 20 ms."""

    name: str = "fake"
    digest: str = "f" * 64
    depth: float = 1.0
    num_mels: int = 80
    num_features: int = 10

    def encode(self, log_mel: Floats) -> Floats:
        assert log_mel.shape[1] % 2 == 0 and log_mel.shape[1] <= 3000
        bands = log_mel.reshape(10, 8, -1, 2).mean((1, 3))
        return np.asarray(bands - bands.mean(0), np.float32)


@dataclass(frozen=True)
class TinyEncoder:
    """Encoder with a network of random weights, which are the same each time."""

    name: str = "tiny"
    digest: str = "0" * 64

    def load_network(self) -> WhisperNetwork:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return WhisperNetwork(80, 8, 1, 2)
