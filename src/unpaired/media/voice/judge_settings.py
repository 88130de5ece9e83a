"""The judges and the texts that an evaluation of recordings asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from unpaired.data.split import DomainSplits, choose_evaluation_split
from unpaired.media.base import EvaluateOptions
from unpaired.media.voice.metrics.judges import JUDGE_KINDS, JudgeKind, find_judges, parse_kinds
from unpaired.media.voice.settings import VoiceEvaluateOptions
from unpaired.media.voice.transcripts import Transcripts, read_transcripts
from unpaired.metrics.base import Evaluation

MAX_UTTERANCES, MAX_JUDGED_UTTERANCES = 60, 20
"""Sentences of a domain that are measured on two routes; fewer where networks judge them."""


@dataclass(frozen=True)
class JudgeSettings:
    """Kinds of judges, and the texts that words are compared with (None: the words recognized in the sources)."""

    kinds: tuple[JudgeKind, ...]
    texts: Transcripts | None = None

    @classmethod
    def read(cls, options: EvaluateOptions) -> JudgeSettings:
        """Parse options and read the table of texts; raises UsageError for wrong ones."""
        assert isinstance(options, VoiceEvaluateOptions)
        kinds = parse_kinds(options.judges)
        return cls(kinds, None if options.texts is None else read_transcripts(options.texts, kinds))

    @property
    def max_utterances(self) -> int:
        """Sentences of each domain that are measured at most on two routes."""
        return MAX_JUDGED_UTTERANCES if self.kinds else MAX_UTTERANCES

    @property
    def digest(self) -> str:
        """The digest of the texts; empty without texts."""
        return "" if self.texts is None else self.texts.digest

    @cached_property
    def installed_judges(self) -> frozenset[str]:
        """The names of the judges that are installed."""
        return frozenset(find_judges(self.kinds).networks.values())

    def dump(self) -> dict[str, object]:
        """Return the values that evaluation.json keeps."""
        return {"judges": list(self.kinds), "texts": self.digest}

    def covers(self, evaluation: Evaluation) -> bool:
        """Whether an evaluation asked these judges, all that are installed now, and used the same texts."""
        used_judges = {name for route in evaluation.routes for name in route.networks.values()}
        return (
            set(self.kinds) <= set(evaluation.options.get("judges", ()))
            and self.installed_judges <= used_judges
            and evaluation.options.get("texts") == self.digest
        )

    def require_texts(self, splits: Sequence[DomainSplits]) -> None:
        """Raise UsageError where the table lacks the text of a held-out recording."""
        split = choose_evaluation_split(splits)
        if self.texts is not None and split is not None:
            for part in splits:
                paths = part.get_paths(split)
                self.texts.get_texts(part.name, [paths[i] for i in range(len(paths))])


def extend_judges(options: EvaluateOptions, evaluation: Evaluation) -> VoiceEvaluateOptions:
    """Return options with the judges of an earlier evaluation added, so that no judgement is lost."""
    assert isinstance(options, VoiceEvaluateOptions)
    kinds, previous = parse_kinds(options.judges), evaluation.options.get("judges", ())
    joined = ",".join(kind for kind in JUDGE_KINDS if kind in kinds or kind in previous)
    return options.model_copy(update={"judges": joined or "none"})
