"""Converters of voices without training, fitted in seconds on two folders of recordings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from unpaired.data.folders import DomainFiles, discover
from unpaired.data.voices import Voices as Framing
from unpaired.data.voices import files_of
from unpaired.errors import UsageError, WorkError
from unpaired.media.suffixes import KINDS
from unpaired.media.voice.baselines import LIBRARY_FRAMES, Affine, Baseline, Nearest
from unpaired.media.voice.cache import Progress
from unpaired.media.voice.chosen import representation
from unpaired.media.voice.convert import change
from unpaired.media.voice.features import Floats
from unpaired.media.voice.statistics import VoiceStatistics, gather
from unpaired.runs.weights import digest
from unpaired.settings import VoiceSettings
from unpaired.translate.voices import Voices

Kind = Literal["affine", "knn"]
_FITS: dict[Kind, Callable[[Floats, Floats], Baseline]] = {"affine": Affine.fit, "knn": Nearest.fit}


@dataclass(frozen=True, eq=False)
class Untrained:
    """A fitted converter from the speaker `source` to `target`: `craft` translates; `notes` are on the recordings."""

    source: str
    target: str
    craft: Voices
    notes: tuple[str, ...]


def fit(
    kind: Kind,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    settings: VoiceSettings | None = None,
    progress: Progress | None = None,
) -> Untrained:
    """Fit a converter on two folders of recordings, each a speaker's; analyses are cached.

    "affine" brings mean and deviation of every coefficient, and of log F0, from the source's to the target's. "knn"
    puts in place of every frame the mean of the target's nearest. Raises UsageError for unknown kinds and unfit
    folders, WorkError where a speaker has no speech.
    """
    if kind not in _FITS:
        raise UsageError(f"baseline '{kind}'; expected {' or '.join(get_args(Kind))}")
    settings = settings or VoiceSettings()
    speakers = discover([Path(source), Path(target)])
    for files in speakers:
        if files.medium != "voice":
            raise UsageError(f"'{files.name}' has {KINDS[files.medium][0]}; converters without training are for voices")
    known = [_known(files, Framing(settings), progress) for files in speakers]
    (ours, us, about_us), (theirs, them, about_them) = known
    baseline = _FITS[kind](ours, theirs)
    facts: list[object] = [kind, digest(baseline.tensors(), {}), us.model_dump(), them.model_dump()]
    apply = change(baseline, us, them)
    craft = Voices(representation(settings), lambda _: apply, [*facts, settings.model_dump()])
    return Untrained(speakers[0].name, speakers[1].name, craft, (*about_us, *about_them))


def _known(
    files: DomainFiles, framing: Framing, progress: Progress | None
) -> tuple[Floats, VoiceStatistics, Sequence[str]]:
    """Frames of a speaker's speech (coefficients, frames), evenly taken where there are many; statistics; notes."""
    found = framing.analysed(list(files_of(files.train)), progress)
    notes = [f"skipped: {failure}" for failure in found.failures]
    if not found.entries:
        raise WorkError(f"'{files.name}': none of its recordings can be used; {'; '.join(notes[:3])}")
    every = max(1, sum(entry.frames for entry in found.entries) // LIBRARY_FRAMES)
    frames = [entry.features().values[:, entry.speech()][:, ::every] for entry in found.entries]
    try:
        statistics = gather((entry.features(), entry.speech(), entry.lufs) for entry in found.entries)
    except WorkError as error:
        raise WorkError(f"'{files.name}': {error}") from error
    return np.concatenate(frames, 1), statistics, notes
