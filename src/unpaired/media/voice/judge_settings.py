"""Evaluation networks and transcripts that the options of a voice evaluation select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from unpaired.data.split import DomainSplits, choose_evaluation_split
from unpaired.media.interface import EvaluateOptions
from unpaired.media.voice.metrics.judges import JUDGE_KINDS, JudgeKind, find_judges, parse_kinds
from unpaired.media.voice.settings import VoiceEvaluateOptions
from unpaired.media.voice.transcripts import Transcripts, read_transcripts
from unpaired.metrics.base import Evaluation

MAX_UTTERANCES, MAX_JUDGED_UTTERANCES = 60, 20
"""Default number of sentences of a domain for two routes, without and with evaluation networks."""


@dataclass(frozen=True)
class JudgeSettings:
    """Kinds of judges, and the transcripts for word error rates (None: the words recognized in the sources)."""

    kinds: tuple[JudgeKind, ...]
    texts: Transcripts | None = None

    @classmethod
    def read(cls, options: EvaluateOptions) -> JudgeSettings:
        """Parse the options and read the transcripts; raises UsageError for invalid options or files."""
        assert isinstance(options, VoiceEvaluateOptions)
        kinds = parse_kinds(options.judges)
        return cls(kinds, None if options.texts is None else read_transcripts(options.texts, kinds))

    @property
    def max_utterances(self) -> int:
        """Maximum number of sentences of each domain that are measured on two routes."""
        return MAX_JUDGED_UTTERANCES if self.kinds else MAX_UTTERANCES

    @property
    def digest(self) -> str:
        """SHA-256 of the file of transcripts; empty without transcripts."""
        return "" if self.texts is None else self.texts.digest

    @cached_property
    def installed_judges(self) -> frozenset[str]:
        """Names of the selected judges that are installed."""
        return frozenset(find_judges(self.kinds).networks.values())

    def dump(self) -> dict[str, object]:
        """Return the options that are saved in evaluation.json."""
        return {"judges": list(self.kinds), "texts": self.digest}

    def covers(self, evaluation: Evaluation) -> bool:
        """Return whether an evaluation used these kinds, all judges installed now, and the same transcripts."""
        used_judges = {name for route in evaluation.routes for name in route.networks.values()}
        return (
            set(self.kinds) <= set(evaluation.options.get("judges", ()))
            and self.installed_judges <= used_judges
            and evaluation.options.get("texts") == self.digest
        )

    def require_texts(self, splits: Sequence[DomainSplits]) -> None:
        """Raise UsageError if the transcript of a held-out recording is missing."""
        split = choose_evaluation_split(splits)
        if self.texts is not None and split is not None:
            for part in splits:
                paths = part.get_paths(split)
                self.texts.get_texts(part.name, [paths[i] for i in range(len(paths))])


def extend_judges(options: EvaluateOptions, evaluation: Evaluation) -> VoiceEvaluateOptions:
    """Return options with the judges of an earlier evaluation added, so that a new one has all its metrics."""
    assert isinstance(options, VoiceEvaluateOptions)
    kinds, previous = parse_kinds(options.judges), evaluation.options.get("judges", ())
    joined = ",".join(kind for kind in JUDGE_KINDS if kind in kinds or kind in previous)
    return options.model_copy(update={"judges": joined or "none"})
