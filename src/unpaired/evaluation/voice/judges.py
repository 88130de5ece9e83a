"""The networks that judge voices, as far as they are installed. Each is loaded when it is first asked, and once."""

from __future__ import annotations

from dataclasses import dataclass

from unpaired.evaluation.voice.naturalness import DistillMos, Dnsmos, Listener, distillmos_missing, dnsmos_missing
from unpaired.evaluation.voice.speakers import (
    DVector,
    Resemblyzer,
    SpeakerEncoder,
    dvector_missing,
    resemblyzer_missing,
)
from unpaired.evaluation.voice.words import Recogniser, Whisper, whisper_missing


@dataclass(frozen=True)
class Judges:
    """Who judges what; None where nobody does. `missing` says why, in words that tell what to install."""

    speaker: SpeakerEncoder | None = None
    second_speaker: SpeakerEncoder | None = None
    recogniser: Recogniser | None = None
    mos: Listener | None = None
    dnsmos: Listener | None = None
    missing: tuple[str, ...] = ()


def installed(english: bool = True) -> Judges:
    """The judges whose packages are installed; the recogniser knows English alone."""
    reasons = [resemblyzer_missing(), dvector_missing(), whisper_missing(), distillmos_missing(), dnsmos_missing()]
    if not english:
        reasons[2] = "no words kept: the recogniser knows English alone"
    resemblyzer, dvector, whisper, distillmos, dnsmos = (reason is None for reason in reasons)
    return Judges(
        Resemblyzer() if resemblyzer else None,
        DVector() if dvector else None,
        Whisper() if whisper else None,
        DistillMos() if distillmos else None,
        Dnsmos() if dnsmos else None,
        tuple(reason for reason in reasons if reason is not None),
    )
