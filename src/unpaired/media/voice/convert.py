"""Whole files converted from disk to disk in constant memory, their loudness given back."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unpaired.media.voice import loudness, recording, seams, survey
from unpaired.media.voice.features import CHUNK_SECONDS, Features, Floats, Representation
from unpaired.media.voice.recording import Wave
from unpaired.media.voice.seams import Windows
from unpaired.media.voice.statistics import VoiceStatistics, normalised, restored
from unpaired.media.voice.world import log_f0_transform

__all__ = ["Change", "Network", "change", "convert_file", "convert_wave", "convert_waves", "scored", "voice_change"]

Change = Callable[[Features], Features]
"""Features of a source to as many frames of the target."""
Network = Callable[[Tensor], Tensor]
"""Scaled values (1, 1, coefficients, frames) to the same."""
_PEAK = 0.99


def change(convert: Callable[[Floats], Floats], source: VoiceStatistics, target: VoiceStatistics) -> Change:
    """A change by a function of values (coefficients, frames) -> the same, with the log-F0 transform beside it.

    Energy, aperiodicity and level stay the source's.
    """

    def apply(features: Features) -> Features:
        groups = {"values": convert(features.values)}
        if "f0" in features and source.log_f0 and target.log_f0:
            groups["f0"] = log_f0_transform(features["f0"], source.log_f0, target.log_f0)
        return features.replaced(**groups)

    return apply


def scored(
    network: Callable[[Floats], Floats], source: VoiceStatistics, target: VoiceStatistics, multiple: int = 4
) -> Callable[[Floats], Floats]:
    """A function of values from one of scaled values (1, coefficients, frames) -> the same, as networks are.

    Frames are filled up to a multiple (what strides need) with the last one, and cut off again.
    """

    def convert(values: Floats) -> Floats:
        frames = values.shape[1]
        padded = np.pad(normalised(values, source), ((0, 0), (0, -frames % multiple)), mode="edge")
        return restored(network(padded[None])[0, :, :frames], target)

    return convert


def voice_change(
    network: Network, device: torch.device, source: VoiceStatistics, target: VoiceStatistics, multiple: int = 4
) -> Change:
    """The change by a network on a device, without gradients; `multiple` of frames are what its strides need."""

    def scores(values: Floats) -> Floats:
        with torch.no_grad():
            made = network(torch.from_numpy(np.ascontiguousarray(values, np.float32))[None].to(device))
        return np.asarray(made[0].float().cpu().numpy())

    return change(scored(scores, source, target, multiple), source, target)


def convert_waves(
    waves: Iterable[Wave],
    representation: Representation,
    apply: Change,
    windows: Windows | None = None,
    chunk_seconds: float = CHUNK_SECONDS,
) -> Iterator[Wave]:
    """Blocks of a wave at the representation's rate and loudness to blocks of the converted one, as long in all."""
    seen = _Counted(waves)
    features = seams.converted(seams.analysed(seen, representation, chunk_seconds), apply, windows)
    given = 0
    for block in representation.synthesise_stream(features, chunk_seconds):
        # Frames may reach beyond the end; until it is known, nothing does.
        wave = block[: seen.samples - given] if seen.ended else block
        given += len(wave)
        yield wave
    if seen.samples > given:
        yield np.zeros(seen.samples - given, np.float32)


def convert_wave(
    wave: Wave, representation: Representation, apply: Change, windows: Windows | None = None
) -> tuple[Wave, tuple[str, ...]]:
    """A wave (samples,) at the representation's rate to one as long and as loud, with notes on it in words."""
    rate = representation.sample_rate_hz
    before, after = _measured([wave], rate), loudness.Meter(rate)
    waves = loudness.scaled([wave], loudness.gain(before.lufs()))
    made = np.concatenate(list(_heard(convert_waves(waves, representation, apply, windows), after)))
    factor, notes = _back(before, after)
    return made * np.float32(factor), tuple(notes)


def convert_file(
    source: Path, output: Path, representation: Representation, apply: Change, windows: Windows | None = None
) -> tuple[str, ...]:
    """Convert a sound file to another, .wav, .flac or .ogg, mono at the representation's rate, as loud as it was.

    Memory does not grow with length: the sound is read twice, and passes a temporary file beside the output. Gives
    notes on the source and on the output, in words. Raises UnreadableFile, UsageError, WorkError.
    """
    rate, found = representation.sample_rate_hz, survey.survey(source)
    recording.check_suffix(output)
    before = _measured(recording.blocks(source, rate, found), rate)
    waves = loudness.scaled(recording.blocks(source, rate, found), loudness.gain(before.lufs()))
    after = loudness.Meter(rate)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.{os.getpid()}.", dir=output.parent) as folder:
        draft = Path(folder) / "draft.wav"
        recording.write(draft, _heard(convert_waves(waves, representation, apply, windows), after), rate, exact=True)
        factor, notes = _back(before, after)
        recording.write(output, loudness.scaled(_draft(draft), factor), rate)
    return (*found.notes, *notes)


def _back(before: loudness.Meter, after: loudness.Meter) -> tuple[float, list[str]]:
    factor = loudness.gain(after.lufs(), before.lufs())
    if not math.isfinite(before.lufs()):
        factor = 1.0 if after.peak < 1 else _PEAK / after.peak
    if factor * after.peak <= _PEAK:
        return factor, []
    quieter = 20 * math.log10(factor * after.peak / _PEAK)
    return _PEAK / after.peak, [f"the output is {quieter:.1f} dB quieter than the source, so that it does not clip"]


def _measured(waves: Iterable[Wave], rate_hz: int) -> loudness.Meter:
    meter = loudness.Meter(rate_hz)
    for wave in waves:
        meter.add(wave)
    return meter


def _heard(waves: Iterable[Wave], meter: loudness.Meter) -> Iterator[Wave]:
    for wave in waves:
        meter.add(wave)
        yield wave


def _draft(path: Path) -> Iterator[Wave]:
    for block in survey.raw_blocks(path):
        yield block[:, 0]


class _Counted:
    """Waves that are counted as they pass."""

    def __init__(self, waves: Iterable[Wave]) -> None:
        self.samples, self.ended, self._waves = 0, False, waves

    def __iter__(self) -> Iterator[Wave]:
        for wave in self._waves:
            self.samples += len(wave)
            yield wave
        self.ended = True
