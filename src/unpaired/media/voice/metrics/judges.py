"""Evaluation networks of recordings (`--judges`), if they are installed. Each is loaded once, at its first use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from unpaired.errors import UsageError
from unpaired.media.voice.metrics.moonshine import Moonshine, explain_missing_moonshine
from unpaired.media.voice.metrics.naturalness import (
    DistillMos,
    Dnsmos,
    MosPredictor,
    explain_missing_distillmos,
    explain_missing_dnsmos,
)
from unpaired.media.voice.metrics.speakers import (
    DVector,
    Resemblyzer,
    SpeakerEncoder,
    explain_missing_dvector,
    explain_missing_resemblyzer,
)
from unpaired.media.voice.metrics.word_errors import Recognizer, Whisper, explain_missing_whisper

JudgeKind = Literal["speakers", "words", "naturalness"]
"""Kinds of evaluation networks: speaker similarity, word errors, and naturalness."""
JUDGE_KINDS: tuple[JudgeKind, ...] = get_args(JudgeKind)
ALL, NONE = "all", "none"
"""Options for all kinds of judges and for none."""
T = TypeVar("T")


@dataclass(frozen=True)
class Judges:
    """Evaluation networks; None for those that are not selected or not installed.

    `missing` maps kinds to sentences on which of their packages are missing and how to install them.
    """

    speaker_encoder: SpeakerEncoder | None = None
    second_speaker_encoder: SpeakerEncoder | None = None
    recognizer: Recognizer | None = None
    second_recognizer: Recognizer | None = None
    mos: MosPredictor | None = None
    dnsmos: MosPredictor | None = None
    missing: Mapping[JudgeKind, Sequence[str]] = field(default_factory=dict)

    @property
    def networks(self) -> dict[str, str]:
        """Available networks: metric -> name of the network."""
        judges = {
            "similarity measured by": self.speaker_encoder,
            "similarity measured again by": self.second_speaker_encoder,
            "words recognized by": self.recognizer,
            "words recognized again by": self.second_recognizer,
            "MOS predicted by": self.mos,
            "MOS predicted again by": self.dnsmos,
        }
        return {metric: judge.name for metric, judge in judges.items() if judge is not None}


def parse_kinds(selection: str | Iterable[str] | None) -> tuple[JudgeKind, ...]:
    """Parse kinds of judges: all, none, or names (joined by commas, or a collection); None means all.

    Returns them in the order of `JUDGE_KINDS`. Raises UsageError for unknown names.
    """
    if selection is None or selection == ALL:
        return JUDGE_KINDS
    if selection == NONE:
        return ()
    names = [name.strip() for name in (selection.split(",") if isinstance(selection, str) else selection)]
    if unknown := [name for name in names if name not in JUDGE_KINDS]:
        listed = selection if isinstance(selection, str) else ",".join(names)
        raise UsageError(
            f"--judges '{listed}': '{unknown[0]}' is not a kind of judge; expected {ALL}, {NONE}, or some of "
            f"{','.join(JUDGE_KINDS)} joined by commas"
        )
    return tuple(kind for kind in JUDGE_KINDS if kind in names)


def find_judges(kinds: Collection[JudgeKind] = JUDGE_KINDS) -> Judges:
    """Return the judges of these kinds whose packages are installed."""
    missing: dict[JudgeKind, list[str]] = {}

    def make_judge(kind: JudgeKind, factory: Callable[[], T], explain: Callable[[], str | None]) -> T | None:
        if kind not in kinds:
            return None
        if (reason := explain()) is None:
            return factory()
        missing.setdefault(kind, []).append(reason)
        return None

    return Judges(
        make_judge("speakers", Resemblyzer, explain_missing_resemblyzer),
        make_judge("speakers", DVector, explain_missing_dvector),
        make_judge("words", Whisper, explain_missing_whisper),
        make_judge("words", Moonshine, explain_missing_moonshine),
        make_judge("naturalness", DistillMos, explain_missing_distillmos),
        make_judge("naturalness", Dnsmos, explain_missing_dnsmos),
        missing,
    )
