"""Pipeline of voice conversion along one route: files of any length, waves in memory, and streams.

The pipeline scales a recording to the loudness of training, analyses it in chunks, normalizes the features by the
source's statistics, applies the network in overlapping windows, denormalizes by the target's statistics, transforms log
F0 (`world` features only), synthesizes a wave, and restores the loudness. Features that are copied from the source
(energy and aperiodicity of `world`) are described with the representation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.config.model_description import ModelDescription
from unpaired.console import FractionCallback, ignore_fraction
from unpaired.errors import UsageError
from unpaired.file_names import shorten_name
from unpaired.media import Medium, require_medium
from unpaired.media.provenance import SYNTHETIC_COMMENT
from unpaired.media.voice.audio_inspection import MIN_SECONDS, read_header
from unpaired.media.voice.audio_io import Recording, Wave, read, resample
from unpaired.media.voice.channel_layout import ChannelMode
from unpaired.media.voice.conversion import (
    FeatureConverter,
    bind_network,
    convert_file,
    convert_wave,
    make_feature_converter,
    wrap_with_normalisation,
)
from unpaired.media.voice.features import Representation
from unpaired.media.voice.realtime import compute_latency_seconds, convert_realtime
from unpaired.media.voice.representations import build_representation
from unpaired.media.voice.settings import WRITTEN_FORMATS, VoiceTranslateOptions, speaker_statistics, voice_settings
from unpaired.translate.network import TranslationNetwork
from unpaired.translate.pipeline import Destination
from unpaired.translate.route_request import TranslationRequest

Array = npt.NDArray[Any]
ConverterFactory = Callable[[Path | Wave | None], FeatureConverter]
"""Function from an input to its converter: a file, a wave at the representation's rate, or None for a stream."""
OTHER_OUTPUT_SUFFIX = ".flac"
"""Format of results whose source format, such as MP3, cannot be written."""
_MIN_RATE_HZ, _MAX_RATE_HZ = 4000, 768000


@dataclass(frozen=True)
class PreparedRecording:
    """Sound file whose header has been read; its sound is read during conversion."""

    path: Path

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Key of items that can be in one batch: equal for all files, which are converted one by one."""
        return ()

    @property
    def memory_cost(self) -> int:
        """Memory that the item takes: 0, because its sound is not loaded."""
        return 0


class VoicePipeline:
    """Pipeline for recordings.

    `create_converter` returns the feature converter for an input. Results are at the representation's sample rate and
    have the source's channels (`channel_mode` "keep") or one ("mono"); `tag` marks them as synthetic in their metadata.
    `result_settings` are the values, besides the representation, that results depend on.
    """

    max_waiting_cost = 0

    def __init__(
        self,
        medium: Medium,
        representation: Representation,
        create_converter: ConverterFactory,
        result_settings: Sequence[object] = (),
        channel_mode: ChannelMode = "keep",
        tag: bool = False,
    ) -> None:
        self.medium = medium
        self.representation = representation
        self._create_converter, self._result_settings = create_converter, [*result_settings, channel_mode]
        self._comment = SYNTHETIC_COMMENT if tag else ""
        self._channel_mode: ChannelMode = channel_mode

    def get_result_settings(self) -> list[object]:
        """Return all values that the results depend on."""
        tag = ["tag"] if self._comment else []
        return [self.representation.get_settings(), *self._result_settings, *tag]

    def make_output_name(self, path: str) -> str:
        """Return the output's file name: the same, or with the suffix .flac if the format cannot be written."""
        source = Path(path)
        if source.suffix.lower() in WRITTEN_FORMATS:
            return source.name
        return shorten_name(source.with_suffix(OTHER_OUTPUT_SUFFIX).name)

    def estimate_bytes(self, path: Path) -> int:  # noqa: ARG002 - recordings are read in blocks
        """Return 0: recordings of any length take the same memory."""
        return 0

    def prepare_file(self, path: Path, destination: Destination | None = None) -> PreparedRecording:  # noqa: ARG002
        """Check that `path` is a sound file; raises UnreadableFileError."""
        read_header(path)
        return PreparedRecording(path)

    def list_warnings(self, prepared_item: PreparedRecording) -> tuple[str, ...]:
        """Return a warning if the result has another format than the file."""
        suffix = prepared_item.path.suffix.lower()
        if suffix in WRITTEN_FORMATS:
            return ()
        kind = suffix.removeprefix(".").upper()
        return (f"{kind} cannot be written: results of {suffix} files are {OTHER_OUTPUT_SUFFIX} files",)

    def run(
        self,
        batch: Sequence[PreparedRecording],
        report_fraction: FractionCallback = ignore_fraction,  # noqa: ARG002 - the work happens in `write`
    ) -> list[None]:
        """Do nothing: `write` converts recordings in blocks, because they need not fit into memory."""
        return [None for _ in batch]

    def write(self, output: Path, prepared_item: PreparedRecording, result: None) -> tuple[str, ...]:  # noqa: ARG002
        """Convert the file to `output` and return notes on problems."""
        notes = convert_file(
            prepared_item.path,
            output,
            self.representation,
            self._create_converter(prepared_item.path),
            channel_mode=self._channel_mode,
            comment=self._comment,
        )
        return tuple(f"{prepared_item.path}: {note}" for note in notes)

    def convert_stream(self, waves: Iterable[Wave], sample_rate_hz: int) -> Iterator[Wave]:
        """Convert mono blocks as they arrive to blocks at the same sample rate, at most `latency_s` later."""
        return convert_realtime(waves, sample_rate_hz, self.representation, self._create_converter(None))

    @property
    def latency_s(self) -> float:
        """Maximum latency of `convert_stream` in seconds, without computing time."""
        return compute_latency_seconds(self.representation)

    def translate_object(self, x: Any, sample_rate_hz: int | None = None) -> Recording | Array:
        """Convert an array (samples,) or a file, given by its path (see `Translator`); raises UsageError for others."""
        if isinstance(x, np.ndarray):
            return self._translate_array(x, sample_rate_hz)
        if not isinstance(x, str | Path):
            raise UsageError(
                f"an object of type {type(x).__name__}; this run translates recordings: expected a path, or an "
                "array (samples,) with its sample_rate_hz"
            )
        if sample_rate_hz is not None:
            raise UsageError(f"sample_rate_hz {sample_rate_hz}: omit it for files, whose headers give the sample rate")
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
                f"an array of shape {array.shape} and type {array.dtype}; expected floating point (samples,), one "
                "channel with full scale 1"
            )
        if sample_rate_hz is None or not _MIN_RATE_HZ <= sample_rate_hz <= _MAX_RATE_HZ:
            raise UsageError(
                f"sample_rate_hz {sample_rate_hz}; expected the rate of the array's samples, {_MIN_RATE_HZ} to "
                f"{_MAX_RATE_HZ} Hz"
            )
        if len(array) < MIN_SECONDS * sample_rate_hz:
            raise UsageError(f"{len(array)} samples at {sample_rate_hz} Hz; expected at least {MIN_SECONDS} s")
        if not np.isfinite(array).all():
            raise UsageError("an array with samples that are NaN or infinite; replace them first")
        model_rate_hz = self.representation.sample_rate_hz
        model_wave = _resample_wave(array.astype(np.float32), sample_rate_hz, model_rate_hz)
        wave, notes = convert_wave(model_wave, self.representation, self._create_converter(model_wave))
        for note in notes:
            warnings.warn(note, stacklevel=4)
        resampled_wave = _resample_wave(wave, model_rate_hz, sample_rate_hz)[: len(array)]
        return np.pad(resampled_wave, (0, len(array) - len(resampled_wave))).astype(array.dtype, copy=False)


def create_voice_pipeline(
    config: ModelDescription, network: TranslationNetwork, request: TranslationRequest
) -> VoicePipeline:
    """Create the pipeline of a run's route; raises UsageError if the source speaker is ambiguous."""
    if network.takes_any_source:
        # Its analysis needs torch, which other pipelines do without.
        from unpaired.media.voice.content.pipeline import create_content_pipeline  # noqa: PLC0415

        return create_content_pipeline(config, network, request)
    if request.is_source_ambiguous:
        other_speakers = ", ".join(d.name for d in config.domains if d.name != request.target.name)
        raise UsageError(
            f"the source speaker is ambiguous, and each has other feature statistics: add --from with one of "
            f"{other_speakers}"
        )
    settings = voice_settings(config)
    source_statistics, target_statistics = speaker_statistics(request.source), speaker_statistics(request.target)

    def create_converter(item: Path | Wave | None) -> FeatureConverter:
        path = item if isinstance(item, Path) else None
        label = None if request.label_request is None else request.label_request.get_target_label(path)
        run_network = bind_network(network, request.route, label)
        convert_values = wrap_with_normalisation(run_network, source_statistics, target_statistics, network.stride)
        return make_feature_converter(convert_values, source_statistics, target_statistics)

    assert isinstance(request.options, VoiceTranslateOptions)
    return VoicePipeline(
        config.get_medium(),
        build_representation(settings),
        create_converter,
        [settings.model_dump()],
        request.options.channels,
        request.options.tag,
    )


def _resample_wave(wave: Wave, from_hz: int, to_hz: int) -> Wave:
    return np.concatenate([*resample([wave], from_hz, to_hz), np.zeros(0, np.float32)])
