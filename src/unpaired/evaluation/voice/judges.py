"""The networks that judge voices: those asked, as far as they are installed.

Each is loaded when it is first asked, and once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from unpaired.errors import UsageError
from unpaired.evaluation.voice.naturalness import DistillMos, Dnsmos, Listener, distillmos_missing, dnsmos_missing
from unpaired.evaluation.voice.speakers import (
    DVector,
    Resemblyzer,
    SpeakerEncoder,
    dvector_missing,
    resemblyzer_missing,
)
from unpaired.evaluation.voice.words import Recogniser, Whisper, whisper_missing

Kind = Literal["speakers", "words", "naturalness"]
"""What judges judge."""
KINDS: tuple[Kind, ...] = get_args(Kind)
ALL, NONE = "all", "none"
"""Every kind of judges, and no kind, as users say it."""
T = TypeVar("T")


@dataclass(frozen=True)
class Judges:
    """Who judges what; None where nobody does.

    `missing` says of kinds that were asked why some of them, or all, cannot be had, in words that tell what to install.
    """

    speaker: SpeakerEncoder | None = None
    second_speaker: SpeakerEncoder | None = None
    recogniser: Recogniser | None = None
    mos: Listener | None = None
    dnsmos: Listener | None = None
    missing: Mapping[Kind, Sequence[str]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that there are."""
        every = (self.speaker, self.second_speaker, self.recogniser, self.mos, self.dnsmos)
        return tuple(judge.name for judge in every if judge is not None)


def parse_kinds(which: str | Iterable[str] | None) -> tuple[Kind, ...]:
    """The kinds that a user asks, in the order of `KINDS`: all, none, or names (joined by commas, or of a collection).

    None: nothing was asked, which is all. Raises UsageError for anything else.
    """
    if which is None or which == ALL:
        return KINDS
    if which == NONE:
        return ()
    names = [name.strip() for name in (which.split(",") if isinstance(which, str) else which)]
    if unknown := [name for name in names if name not in KINDS]:
        given = which if isinstance(which, str) else ",".join(names)
        raise UsageError(
            f"--judges '{given}': '{unknown[0]}' is no kind of judges; "
            f"expected {ALL}, {NONE}, or some of {','.join(KINDS)} joined by commas"
        )
    return tuple(kind for kind in KINDS if kind in names)


def installed(kinds: Collection[Kind] = KINDS) -> Judges:
    """The judges of these kinds whose packages are installed."""
    missing: dict[Kind, list[str]] = {}

    def judge(kind: Kind, make: Callable[[], T], why_not: Callable[[], str | None]) -> T | None:
        if kind not in kinds:
            return None
        if (reason := why_not()) is None:
            return make()
        missing.setdefault(kind, []).append(reason)
        return None

    return Judges(
        judge("speakers", Resemblyzer, resemblyzer_missing),
        judge("speakers", DVector, dvector_missing),
        judge("words", Whisper, whisper_missing),
        judge("naturalness", DistillMos, distillmos_missing),
        judge("naturalness", Dnsmos, dnsmos_missing),
        missing,
    )
