"""Conversion of waves and of files of any length, in constant memory, with the loudness of the source."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from unpaired.file_names import hash_name
from unpaired.media.voice import audio_inspection, audio_io, chunking, loudness
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.channel_layout import ChannelMode, choose_layout
from unpaired.media.voice.chunking import WindowSizes
from unpaired.media.voice.features import CHUNK_SECONDS, Floats, Representation, VoiceFeatures
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.statistics import denormalise, normalise
from unpaired.media.voice.world import transform_log_f0
from unpaired.routes import Route
from unpaired.translate.network import LabelVector, TranslationNetwork

__all__ = [
    "FeatureConverter",
    "FeatureNetwork",
    "bind_network",
    "convert_file",
    "convert_wave",
    "convert_waves",
    "make_feature_converter",
    "wrap_with_normalisation",
]

FeatureConverter = Callable[[VoiceFeatures], VoiceFeatures]
"""Function from features of the source to as many frames of the target."""
FeatureNetwork = Callable[[Floats], Floats]
"""Network from normalized values (1, coefficients, frames) to values of the same shape."""
_MAX_PEAK = 0.99


def make_feature_converter(
    convert_values: Callable[[Floats], Floats], source: SpeakerStatistics, target: SpeakerStatistics
) -> FeatureConverter:
    """Return a converter that applies `convert_values` to values (coefficients, frames), and the log-F0 transform.

    Energy, aperiodicity and level are copied from the source.
    """

    def convert_features(features: VoiceFeatures) -> VoiceFeatures:
        groups = {"values": convert_values(features.values)}
        if "f0" in features and source.log_f0_mean_std and target.log_f0_mean_std:
            groups["f0"] = transform_log_f0(features["f0"], source.log_f0_mean_std, target.log_f0_mean_std)
        return features.replace_groups(**groups)

    return convert_features


def bind_network(network: TranslationNetwork, route: Route, label: LabelVector | None = None) -> FeatureNetwork:
    """Return the function that translates one item along `route`, or to `label`."""

    def translate_item(values: Floats) -> Floats:
        return np.asarray(network.translate(values[None], route, label)[0])

    return translate_item


def wrap_with_normalisation(
    network: FeatureNetwork, source: SpeakerStatistics, target: SpeakerStatistics, multiple: int = 4
) -> Callable[[Floats], Floats]:
    """Return a function of values (coefficients, frames) from a network on normalized values (1, coefficients, frames).

    Values are normalized by the source's statistics and denormalized by the target's. The last frame is repeated up to
    a multiple of `multiple` frames, the network's stride, and the padding is removed from the output.
    """

    def convert(values: Floats) -> Floats:
        frames = values.shape[1]
        padded = np.pad(normalise(values, source), ((0, 0), (0, -frames % multiple)), mode="edge")
        return denormalise(network(padded[None])[0, :, :frames], target)

    return convert


def convert_waves(
    waves: Iterable[Wave],
    representation: Representation,
    converter: FeatureConverter,
    windows: WindowSizes | None = None,
    chunk_seconds: float = CHUNK_SECONDS,
) -> Iterator[Wave]:
    """Yield blocks of the converted wave, which has the length of the input.

    `waves` are blocks at the representation's sample rate and at `loudness.TARGET_LUFS`.
    """
    counter = _SampleCounter(waves)
    features = chunking.convert_windows(
        chunking.analyse_stream(counter, representation, chunk_seconds), converter, windows
    )
    num_emitted = 0
    for block in representation.synthesize_stream(features, chunk_seconds):
        # The last frames may extend beyond the end of the input, which is known once the input is exhausted.
        wave = block[: counter.samples - num_emitted] if counter.is_exhausted else block
        num_emitted += len(wave)
        yield wave
    if counter.samples > num_emitted:
        yield np.zeros(counter.samples - num_emitted, np.float32)


def convert_wave(
    wave: Wave, representation: Representation, converter: FeatureConverter, windows: WindowSizes | None = None
) -> tuple[Wave, tuple[str, ...]]:
    """Convert a wave (samples,) at the representation's rate; returns one of equal length and loudness, and notes."""
    rate = representation.sample_rate_hz
    source_meter, output_meter = _measure_loudness([wave], rate), loudness.LoudnessMeter(rate)
    waves = loudness.scale_blocks([wave], loudness.compute_gain(source_meter.lufs()))
    converted = np.concatenate(
        list(_pass_through_meter(convert_waves(waves, representation, converter, windows), output_meter))
    )
    factor, notes = _compute_output_gain(source_meter, output_meter)
    return converted * np.float32(factor), tuple(notes)


def convert_file(
    source: Path,
    output: Path,
    representation: Representation,
    converter: FeatureConverter,
    windows: WindowSizes | None = None,
    channel_mode: ChannelMode = "mono",
    comment: str = "",
) -> tuple[str, ...]:
    """Convert a sound file to another at the representation's sample rate and at the source's loudness.

    `channel_mode` "keep" gives the output as many channels as the source has (see `channel_layout`), "mono" gives one.
    `comment` is stored in the output's metadata.
    Memory use does not depend on the length: the source is read twice, and intermediate results are temporary files
    next to the output. Returns notes on the source and the output. Raises UnreadableFileError, UsageError and
    WorkError.
    """
    rate, inspection = representation.sample_rate_hz, audio_inspection.inspect_audio(source)
    audio_io.check_suffix(output)
    layout = choose_layout(inspection, channel_mode)
    # A draft always has the same name, so that one left over from a kill is replaced.
    drafts = [output.with_name(f".{hash_name(output.name)}.draft{i}.wav") for i in range(len(layout.streams))]
    factors: list[float] = []
    notes: list[str] = []
    try:
        for draft, stream in zip(drafts, layout.streams, strict=True):
            read = partial(audio_io.read_blocks, source, rate, replace(inspection, active_channels=stream))
            source_meter = _measure_loudness(read(), rate)
            waves = loudness.scale_blocks(read(), loudness.compute_gain(source_meter.lufs()))
            output_meter = loudness.LoudnessMeter(rate)
            converted = convert_waves(waves, representation, converter, windows)
            audio_io.write(draft, _pass_through_meter(converted, output_meter), rate, as_float=True)
            peak_gain = layout.get_peak_gain(len(factors))
            factor, stream_notes = _compute_output_gain(source_meter, output_meter, peak_gain)
            factors.append(factor)
            notes += stream_notes
        blocks = (
            layout.place([wave * np.float32(factor) for wave, factor in zip(waves_, factors, strict=True)])
            for waves_ in zip(*map(_read_draft, drafts), strict=True)
        )
        audio_io.write(output, blocks, rate, channels=layout.channels, comment=comment)
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
    return (*inspection.notes, *([layout.note] if layout.note else []), *dict.fromkeys(notes))


def _compute_output_gain(
    source_meter: loudness.LoudnessMeter, output_meter: loudness.LoudnessMeter, peak_gain: float = 1.0
) -> tuple[float, list[str]]:
    """Return the gain that restores the source's loudness without clipping, and notes.

    `peak_gain` is the largest gain of the stream in any output channel.
    """
    peak = output_meter.peak * peak_gain
    factor = loudness.compute_gain(output_meter.lufs(), source_meter.lufs())
    if not math.isfinite(source_meter.lufs()):
        factor = 1.0 if peak < 1 else _MAX_PEAK / peak
    if factor * peak <= _MAX_PEAK:
        return factor, []
    attenuation_db = 20 * math.log10(factor * peak / _MAX_PEAK)
    return _MAX_PEAK / peak, [f"the output is {attenuation_db:.1f} dB quieter than the source to avoid clipping"]


def _measure_loudness(waves: Iterable[Wave], rate_hz: int) -> loudness.LoudnessMeter:
    meter = loudness.LoudnessMeter(rate_hz)
    for wave in waves:
        meter.add(wave)
    return meter


def _pass_through_meter(waves: Iterable[Wave], meter: loudness.LoudnessMeter) -> Iterator[Wave]:
    for wave in waves:
        meter.add(wave)
        yield wave


def _read_draft(path: Path) -> Iterator[Wave]:
    for block in audio_inspection.read_raw_blocks(path):
        yield block[:, 0]


class _SampleCounter:
    """Iterable of waves that counts the samples it has yielded."""

    def __init__(self, waves: Iterable[Wave]) -> None:
        self.samples, self.is_exhausted, self._waves = 0, False, waves

    def __iter__(self) -> Iterator[Wave]:
        for wave in self._waves:
            self.samples += len(wave)
            yield wave
        self.is_exhausted = True
