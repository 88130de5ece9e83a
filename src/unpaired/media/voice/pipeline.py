"""Recordings through a model on one way: files of any length from disk to disk, and waves in memory.

A recording is brought to the loudness of training, analysed in chunks, scaled by the source's statistics, passed
through the networks in overlapping windows, brought to the target's statistics, its F0 moved from the source's mean and
deviation to the target's (representation `world`), synthesised, and given its loudness back. What the representation
keeps of the source (of `world` energy and aperiodicity) is in its description.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unpaired.config.run_config import RunConfig
from unpaired.errors import UsageError
from unpaired.file_names import shorten_name
from unpaired.media import Medium, require_medium
from unpaired.media.image.array_io import Array
from unpaired.media.voice.audio_inspection import MIN_SECONDS, read_header
from unpaired.media.voice.audio_io import Recording, Wave, read, resample
from unpaired.media.voice.channel_layout import ChannelMode
from unpaired.media.voice.conversion import (
    FeatureConverter,
    FeatureNetwork,
    convert_file,
    convert_wave,
    make_network_converter,
)
from unpaired.media.voice.features import Representation
from unpaired.media.voice.realtime import compute_latency_seconds, convert_realtime
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import WRITTEN_FORMATS, VoiceTranslateOptions, speaker_statistics, voice_settings
from unpaired.methods.base import Method
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.translate.label_request import LabelVector
from unpaired.translate.route_request import TranslationRequest

ConverterFactory = Callable[[Path | None], FeatureConverter]
OTHER_OUTPUT_SUFFIX = ".flac"
"""What files become whose format is not written, as MP3."""
_LOWEST_HZ, _HIGHEST_HZ = 4000, 768000


@dataclass(frozen=True)
class PreparedRecording:
    """A sound file whose header was read; the sound itself is read when it is converted."""

    path: Path

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Files are converted one by one, so any may wait with any."""
        return ()

    @property
    def memory_cost(self) -> int:
        """No part of it is in memory."""
        return 0


class VoicePipeline:
    """The craft of recordings: `change_of` gives what becomes of the features of a file (None: of what has no name).

    Results have the source's channels (`channel_mode` "keep") or one, at the representation's rate.
    `result_settings` are what they depend on beside the representation.
    """

    max_waiting_cost = 0

    def __init__(
        self,
        medium: Medium,
        representation: Representation,
        create_converter: ConverterFactory,
        result_settings: Sequence[object] = (),
        channel_mode: ChannelMode = "keep",
    ) -> None:
        self.medium = medium
        self.representation = representation
        self._create_converter, self._result_settings = create_converter, [*result_settings, channel_mode]
        self._channel_mode: ChannelMode = channel_mode

    def get_result_settings(self) -> list[object]:
        """The representation's settings, and what else was told."""
        return [self.representation.get_settings(), *self._result_settings]

    def make_output_name(self, name: str) -> str:
        """The same name; MP3 and other formats that are not written become FLAC."""
        path = Path(name)
        if path.suffix.lower() in WRITTEN_FORMATS:
            return name
        return shorten_name(path.with_suffix(OTHER_OUTPUT_SUFFIX).name)

    def estimate_bytes(self, path: Path) -> int:  # noqa: ARG002 - recordings are read in blocks
        """Return 0: recordings of any length take the same memory."""
        return 0

    def prepare_file(self, path: Path) -> PreparedRecording:
        """Look whether it is a sound file; raises UnreadableFile."""
        read_header(path)
        return PreparedRecording(path)

    def list_warnings(self, prepared_item: PreparedRecording) -> tuple[str, ...]:
        """That MP3 becomes something else."""
        suffix = prepared_item.path.suffix.lower()
        if suffix in WRITTEN_FORMATS:
            return ()
        kind = suffix.removeprefix(".").upper()
        return (f"{kind} is read but not written: results of {suffix} files are {OTHER_OUTPUT_SUFFIX}",)

    def run(self, batch: Sequence[PreparedRecording]) -> list[None]:
        """Nothing: a recording is converted as it is written, for the whole of it need not fit into memory."""
        return [None for _ in batch]

    def write(self, output: Path, prepared_item: PreparedRecording, result: None) -> tuple[str, ...]:  # noqa: ARG002
        """Convert the file to `output`; its flaws are told."""
        notes = convert_file(
            prepared_item.path,
            output,
            self.representation,
            self._create_converter(prepared_item.path),
            channel_mode=self._channel_mode,
        )
        return tuple(f"{prepared_item.path}: {note}" for note in notes)

    def convert_stream(self, waves: Iterable[Wave], sample_rate_hz: int) -> Iterator[Wave]:
        """Sound as it comes, in mono blocks at a rate, to the converted one at the same rate, `latency_s` later."""
        return convert_realtime(waves, sample_rate_hz, self.representation, self._default_converter)

    @property
    def latency_s(self) -> float:
        """How long after a sound went in it has come out at the latest, in seconds; computing apart."""
        return compute_latency_seconds(self.representation)

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Recording | Array:
        """A wave in memory, or a file of one (see `Translator`)."""
        if isinstance(x, np.ndarray):
            return self._translate_array(x, sample_rate_hz)
        if not isinstance(x, str | Path):
            raise UsageError(
                f"a {type(x).__name__}; this run translates recordings: expected a path, or an array (samples,) with "
                "its sample_rate_hz"
            )
        if sample_rate_hz is not None:
            raise UsageError(f"sample_rate_hz {sample_rate_hz}: files say it themselves; leave it out")
        path = Path(x)
        require_medium(path, self.medium)
        recording = read(path, self.representation.sample_rate_hz)
        wave, notes = convert_wave(recording.wave, self.representation, self._create_converter(path))
        for note in (*recording.notes, *notes):
            warnings.warn(f"{path}: {note}", stacklevel=3)
        return Recording(wave, self.representation.sample_rate_hz, (*recording.notes, *notes))

    def _translate_array(self, array: Array, sample_rate_hz: int | None) -> Array:
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
            raise UsageError(
                f"an array of shape {array.shape} and {array.dtype}; expected floating point (samples,), one channel "
                "of full scale 1"
            )
        if sample_rate_hz is None or not _LOWEST_HZ <= sample_rate_hz <= _HIGHEST_HZ:
            raise UsageError(f"sample_rate_hz {sample_rate_hz}; expected the rate of the array's samples, in Hz")
        if len(array) < MIN_SECONDS * sample_rate_hz:
            raise UsageError(f"{len(array)} samples at {sample_rate_hz} Hz; at least {MIN_SECONDS} s are needed")
        if not np.isfinite(array).all():
            raise UsageError("an array with samples that are NaN or infinite; mend them first")
        model_rate_hz = self.representation.sample_rate_hz
        wave, notes = convert_wave(
            _resample_wave(array.astype(np.float32), sample_rate_hz, model_rate_hz),
            self.representation,
            self._default_converter,
        )
        for note in notes:
            warnings.warn(note, stacklevel=4)
        resampled_wave = _resample_wave(wave, model_rate_hz, sample_rate_hz)[: len(array)]
        return np.pad(resampled_wave, (0, len(array) - len(resampled_wave))).astype(array.dtype, copy=False)

    @property
    def _default_converter(self) -> FeatureConverter:
        return self._create_converter(None)


def create_voice_pipeline(
    config: RunConfig, method: Method, device: torch.device, request: TranslationRequest
) -> VoicePipeline:
    """The craft of a run's way; raises UsageError for options of pictures, and where the source must be named."""
    if request.is_source_ambiguous:
        other_speakers = ", ".join(d.name for d in config.domains if d.name != request.target.name)
        raise UsageError(f"whose voice is it? Each speaker's is measured differently: --from, one of {other_speakers}")
    settings = voice_settings(config)
    source_statistics, target_statistics = speaker_statistics(request.source), speaker_statistics(request.target)

    def change_of(path: Path | None) -> FeatureConverter:
        label = None if request.label_request is None else request.label_request.get_target_label(path)
        return make_network_converter(
            _create_network(method, request, label), device, source_statistics, target_statistics, method.stride
        )

    assert isinstance(request.options, VoiceTranslateOptions)
    return VoicePipeline(
        config.get_medium(),
        build_representation(settings),
        change_of,
        [settings.model_dump()],
        request.options.channels,
    )


def _create_network(method: Method, request: TranslationRequest, label: LabelVector | None) -> FeatureNetwork:
    if label is not None and isinstance(method, LabelConditionedMethod):
        conditional_method, target_label = method, torch.tensor(label)
        return lambda x: conditional_method.translate_to_labels(x, target_label)
    return lambda x: method.translate(x, request.route.source, request.route.target)


def _resample_wave(wave: Wave, from_hz: int, to_hz: int) -> Wave:
    return np.concatenate([*resample([wave], from_hz, to_hz), np.zeros(0, np.float32)])
