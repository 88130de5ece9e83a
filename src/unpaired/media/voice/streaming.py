"""Real-time voice conversion from one stream of PCM samples to another."""

from __future__ import annotations

from typing import BinaryIO

from unpaired.console import LogCallback
from unpaired.errors import UsageError
from unpaired.media.voice.pipeline import create_voice_pipeline
from unpaired.media.voice.realtime import (
    MAX_SAMPLE_RATE_HZ,
    MIN_SAMPLE_RATE_HZ,
    read_pcm_stream,
    write_pcm_stream,
)
from unpaired.translate.base import BaseTranslator
from unpaired.translate.route_request import TranslationRequest


def translate_stream(
    translator: BaseTranslator,
    request: TranslationRequest,
    source: BinaryIO,
    sink: BinaryIO,
    sample_rate_hz: int | None,
    log: LogCallback,
) -> None:
    """Convert 16-bit PCM from `source` to `sink` as it arrives, mono, with the same format and sample rate.

    A stream without a WAV header is mono at `sample_rate_hz` (None: the rate of the run's features). Raises UsageError
    for unsupported rates and encodings, and for `sample_rate_hz` together with a WAV header.
    """
    if sample_rate_hz is not None and not MIN_SAMPLE_RATE_HZ <= sample_rate_hz <= MAX_SAMPLE_RATE_HZ:
        raise UsageError(f"--sample-rate {sample_rate_hz}: expected {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz")
    pipeline = create_voice_pipeline(translator.config, translator.network, request)
    stream_format, waves = read_pcm_stream(source, sample_rate_hz or pipeline.representation.sample_rate_hz)
    if sample_rate_hz is not None and stream_format.has_wav_header:
        raise UsageError(
            f"--sample-rate {sample_rate_hz}: the stream is a WAV, whose header has the rate; omit this flag"
        )
    encoding = "WAV" if stream_format.has_wav_header else "bare 16-bit mono PCM"
    log(
        f"{request.source.name} to {request.target.name}: {encoding} at {stream_format.sample_rate_hz} Hz; latency at "
        f"most {pipeline.latency_s:.1f} s"
    )
    write_pcm_stream(sink, pipeline.convert_stream(waves, stream_format.sample_rate_hz), stream_format)
