"""Recordings to what networks see: speech alone, scaled, in crops of a fixed number of frames.

Where nobody speaks for longer than a short pause is left out, but for a margin at the speech's ends. A file is visited
in an epoch as often as it holds crops, each time at a place of its own: so every second of a domain counts alike,
whether it comes as one hour or as a thousand sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unpaired.data.domain import Domain
from unpaired.data.item_transform import Example, LoadedItem
from unpaired.data.paths import Paths
from unpaired.errors import UnreadableFileError
from unpaired.media.voice import silero_vad
from unpaired.media.voice.cache import AnalysisProgress, AnalysisResult, Cache, CachedAnalysis
from unpaired.media.voice.representations import build_representation, load_vad
from unpaired.media.voice.settings import VoiceSettings, speaker_statistics
from unpaired.media.voice.statistics import normalise
from unpaired.media.voice.vad import Mask, find_segments

SPEECH_MARGIN_SECONDS = 0.05
MAX_EVALUATION_CROPS = 8
"""Evaluation sees at most so many crops' length of a recording, from its middle."""
EVALUATION_STRIDE = 4
"""What evaluation sees has a multiple of so many frames."""


class VoiceTransform:
    """Crops (1, Q, `settings.frames`) scaled by the domains' statistics. Analyses are cached on disk.

    In its `settings` the gate is decided; `pretrained` has the SHA-256 of the network that is the gate, if one is.
    Raises UsageError where the gate asked for is not installed.
    """

    def __init__(self, settings: VoiceSettings, cache: Cache | None = None) -> None:
        self._vad = load_vad(settings)
        self.settings = settings.model_copy(update={"vad": "energy" if self._vad is None else "silero"})
        self.pretrained = {} if self._vad is None else {silero_vad.NAME: self._vad.digest}
        self._cache = cache or Cache()
        self._representation = build_representation(settings)
        self._entries: dict[Path, CachedAnalysis] = {}

    def analyse(self, paths: Sequence[Path], progress: AnalysisProgress | None = None) -> AnalysisResult:
        """The files' analyses, made in parallel where the cache has none; they are remembered."""
        analyses = self._cache.analyse(paths, self._representation, self._vad, progress=progress)
        self._entries |= {entry.source: entry for entry in analyses.entries}
        return analyses

    def get_entries(self, paths: Sequence[Path]) -> list[CachedAnalysis]:
        """The analyses of those files that have one, in their order; the cache is asked for new ones alone."""
        self.analyse([path for path in paths if path not in self._entries])
        return [self._entries[path] for path in paths if path in self._entries]

    def load(self, path: Path, domain: Domain, training: bool) -> LoadedItem:  # noqa: ARG002 - one scale for both
        """The speech of a recording, scaled: (Q, frames) float32; raises UnreadableFile."""
        if path not in self._entries and (failures := self.analyse([path]).failures):
            raise failures[0]
        entry = self._entries[path]
        try:
            mask = add_speech_margin(entry.detect_speech(), entry.frame_seconds)
            values = entry.load_features().values[:, mask]
        except (OSError, ValueError) as error:
            raise UnreadableFileError(path, f"its cached analysis is gone ({error})") from error
        if not values.shape[1]:
            raise self.create_no_speech_error(path)
        return normalise(np.ascontiguousarray(values), speaker_statistics(domain))

    def create_no_speech_error(self, path: Path) -> UnreadableFileError:
        """What to say of a recording without speech."""
        if self._vad is None:
            return UnreadableFileError(path, "holds no speech: nothing in it stands out from its noise")
        return UnreadableFileError(
            path, f"holds no speech that {silero_vad.NAME} hears (--vad energy goes by the level alone)"
        )

    def crop(self, loaded_item: LoadedItem, random_values: tuple[float, float, float]) -> Example:
        """The frames from a place that the first number chooses; what is too short begins again at its end."""
        length, frames = loaded_item.shape[1], self.settings.crop_frames
        start = int(random_values[0] * (length - frames + 1 if length > frames else length))
        return loaded_item[None, :, (start + np.arange(frames)) % length]

    def crop_for_evaluation(self, loaded_item: LoadedItem) -> Example:
        """All frames up to a multiple of the networks' stride; of long recordings the middle, short ones repeated."""
        length, frames = loaded_item.shape[1], self.settings.crop_frames
        if length < frames:
            return self.crop(loaded_item, (0, 0, 0))
        span = min(length, MAX_EVALUATION_CROPS * frames) // EVALUATION_STRIDE * EVALUATION_STRIDE
        start = (length - span) // 2
        return loaded_item[None, :, start : start + span]

    def to_tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """(B, 1, Q, T), as it is."""
        return torch.from_numpy(np.ascontiguousarray(examples))

    def list_visits(self, paths: Paths) -> npt.NDArray[np.int64]:
        """Every file as often as it holds crops, at least once."""
        files = [paths.get_path(i) for i in range(len(paths))]
        crops_by_path = {entry.source: self._count_crops(entry) for entry in self.get_entries(files)}
        crops = [crops_by_path.get(file, 1) for file in files]
        return np.repeat(np.arange(len(files)), crops)

    def _count_crops(self, entry: CachedAnalysis) -> int:
        return max(
            1,
            round(int(add_speech_margin(entry.detect_speech(), entry.frame_seconds).sum()) / self.settings.crop_frames),
        )


def add_speech_margin(speech: Mask, frame_seconds: float) -> Mask:
    """Speech with a margin at its ends."""
    margin = round(SPEECH_MARGIN_SECONDS / frame_seconds)
    out = np.zeros_like(speech)
    for start, stop in find_segments(speech):
        out[max(0, start - margin) : stop + margin] = True
    return out


def iterate_paths(*path_lists: Paths) -> Iterator[Path]:
    """The whole paths of lists of files."""
    for paths in path_lists:
        yield from (paths.get_path(i) for i in range(len(paths)))
