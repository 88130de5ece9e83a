"""Sound translated while it is spoken, from one stream to another."""

from __future__ import annotations

from typing import BinaryIO

from unpaired.errors import UsageError
from unpaired.terminal import Say
from unpaired.translate.translator import Translator
from unpaired.translate.way import Way


def translate_stream(
    translator: Translator, way: Way, source: BinaryIO, sink: BinaryIO, rate_hz: int | None, say: Say
) -> None:
    """Convert 16-bit PCM from `source` to `sink` as it comes, in the form and at the rate that it comes in, mono.

    A stream without a WAV header is mono at `rate_hz` (None: the rate of the run's features). Raises UsageError for
    runs of pictures, other rates, a rate beside a header's, and other sound.
    """
    if translator.config.medium != "voice":
        raise UsageError("--stream: for recordings only, but this run translates pictures")
    from unpaired.media.voice.live import HIGHEST_HZ, LOWEST_HZ, read_live, write_live  # noqa: PLC0415 - optional
    from unpaired.translate.voices import voices_of  # noqa: PLC0415

    if rate_hz is not None and not LOWEST_HZ <= rate_hz <= HIGHEST_HZ:
        raise UsageError(f"--sample-rate {rate_hz}: expected {LOWEST_HZ} to {HIGHEST_HZ} Hz")
    voices = voices_of(translator.config, translator.method, translator.device, way)
    form, waves = read_live(source, rate_hz or voices.representation.sample_rate_hz)
    if rate_hz is not None and form.wav:
        raise UsageError(f"--sample-rate {rate_hz}: the stream is a WAV, which says its rate itself; leave it out")
    say(
        f"{way.source.name} to {way.target.name}: {'WAV' if form.wav else 'bare 16-bit mono PCM'} at "
        f"{form.sample_rate_hz} Hz; sound comes out {voices.latency_s:.1f} s after it went in, or sooner"
    )
    write_live(sink, voices.live(waves, form.sample_rate_hz), form)
