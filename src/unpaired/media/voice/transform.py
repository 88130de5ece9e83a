"""Transform from recordings to network input: speech frames, normalized, in crops of a fixed number of frames.

Silence longer than a short pause is removed, except for a margin around the speech. In each epoch, a file is visited
once per crop that it contains, each time at a random position, so that every second of a domain has the same weight,
whether it is in one long file or in many short ones.
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
from unpaired.errors import UnreadableFileError, raise_resource_limit
from unpaired.media.voice import silero_vad
from unpaired.media.voice.cache import AnalysisProgress, AnalysisResult, Cache, CachedAnalysis
from unpaired.media.voice.content.features import ContentAnalyser
from unpaired.media.voice.content.items import build_conditions, build_synthesis_features
from unpaired.media.voice.content.representation import CONTENT_GROUP, interpolate_content
from unpaired.media.voice.features import Floats, VoiceFeatures
from unpaired.media.voice.representations import build_representation, load_vad
from unpaired.media.voice.settings import VoiceSettings, speaker_statistics
from unpaired.media.voice.statistics import normalise
from unpaired.media.voice.vad import Mask, find_segments

SPEECH_MARGIN_SECONDS = 0.05
MAX_EVALUATION_CROPS = 8
"""Maximum length of a recording in evaluation, in crops, taken from its middle."""
EVALUATION_STRIDE = 4
"""Evaluation items have a multiple of this many frames."""


class VoiceTransform:
    """Transform to crops (1, Q, `settings.crop_frames`), normalized by each domain's statistics.

    With `content`, crops have the rows of `content.items` instead, for methods that synthesize from content. Feature
    analyses are cached on disk. `settings` has the resolved VAD ("energy" or "silero"); `pretrained` has the
    SHA-256 of the VAD network if there is one. Raises UsageError if the selected VAD is not installed.
    """

    context_channels = 0

    def __init__(
        self, settings: VoiceSettings, cache: Cache | None = None, content: ContentAnalyser | None = None
    ) -> None:
        self._vad = load_vad(settings)
        self.settings = settings.model_copy(update={"vad": "energy" if self._vad is None else "silero"})
        self.pretrained = {} if self._vad is None else {silero_vad.NAME: self._vad.digest}
        if content is not None:
            self.pretrained[content.encoder.name] = content.encoder.digest
        self._cache, self._content = cache or Cache(), content
        self._representation = build_representation(settings)
        self._entries: dict[Path, CachedAnalysis] = {}
        self._content_entries: dict[Path, CachedAnalysis] = {}

    def analyse(self, paths: Sequence[Path], progress: AnalysisProgress | None = None) -> AnalysisResult:
        """Return the analyses of files, computed in parallel for files that are not cached, and keep them."""
        kept = [*self._entries.values(), *self._content_entries.values()]
        analyses = self._cache.analyse(paths, self._representation, self._vad, progress=progress, keep=kept)
        if self._content is not None:
            usable, kept = [entry.source for entry in analyses.entries], [*kept, *analyses.entries]
            contents = self._cache.analyse(usable, self._content, progress=progress, keep=kept)
            self._content_entries |= {entry.source: entry for entry in contents.entries}
            complete = tuple(entry for entry in analyses.entries if entry.source in self._content_entries)
            analyses = AnalysisResult(complete, analyses.failures + contents.failures)
        self._entries |= {entry.source: entry for entry in analyses.entries}
        return analyses

    def get_entries(self, paths: Sequence[Path]) -> list[CachedAnalysis]:
        """Return the analyses of files in order, without failed ones."""
        self._analyse_missing(paths)
        return [self._entries[path] for path in paths if path in self._entries]

    def load(self, path: Path, domain: Domain, training: bool) -> LoadedItem:  # noqa: ARG002 - one scale for both
        """Return the normalized speech frames (Q, frames) float32 of a recording; raises UnreadableFileError."""
        mask, features, content = self._load_analysis(path)
        values = features.values[:, mask]
        if not values.shape[1]:
            raise self.create_no_speech_error(path)
        statistics = speaker_statistics(domain)
        rows = normalise(np.ascontiguousarray(values), statistics)
        if content is None:
            return rows
        conditions = build_conditions(content, features["f0"], statistics.log_f0_mean_std)
        return np.concatenate([rows, conditions[:, mask]])

    def _load_analysis(self, path: Path) -> tuple[Mask, VoiceFeatures, Floats | None]:
        """Return the mask of speech with margins, the features, and the content features at their rate, if any.

        Raises UnreadableFileError.
        """
        if failures := self._analyse_missing([path]):
            raise failures[0]
        entry = self._entries[path]
        try:
            mask, features = add_speech_margin(entry.detect_speech(), entry.frame_seconds), self.load_features(entry)
            if self._content is None:
                return mask, features, None
            content = self._content_entries[path].load_features()[CONTENT_GROUP]
        except (OSError, ValueError) as error:
            raise_resource_limit(path, error)
            reason = f"its analysis in the cache cannot be read ({error}); delete {entry.rows_path} to repeat it"
            raise UnreadableFileError(path, reason) from error
        return mask, features, interpolate_content(content, features.num_frames, entry.frame_seconds)

    def _analyse_missing(self, paths: Sequence[Path]) -> tuple[UnreadableFileError, ...]:
        """Analyse new files, and those whose analyses were deleted from the cache, as by another process.

        Returns the errors of the files that cannot be used.
        """
        tables = [self._entries] if self._content is None else [self._entries, self._content_entries]
        missing = [
            path
            for path in paths
            if not all(path in entries and entries[path].rows_path.is_file() for entries in tables)
        ]
        for path in missing:
            self._entries.pop(path, None)
            self._content_entries.pop(path, None)
        return self.analyse(missing).failures if missing else ()

    def load_features(self, entry: CachedAnalysis) -> VoiceFeatures:
        """Return the features whose "values" are the rows that methods convert or synthesize."""
        features = entry.load_features()
        return features if self._content is None else build_synthesis_features(features)

    def create_no_speech_error(self, path: Path) -> UnreadableFileError:
        """Return the error for a recording without speech."""
        if self._vad is None:
            return UnreadableFileError(path, "contains no speech: no part is louder than its background noise")
        return UnreadableFileError(
            path, f"contains no speech according to {silero_vad.NAME} (--vad energy uses the level instead)"
        )

    def crop(self, loaded_item: LoadedItem, random_values: tuple[float, float, float]) -> Example:
        """Return a crop (1, Q, crop_frames) at the position that the first number chooses; short items are repeated."""
        length, frames = loaded_item.shape[1], self.settings.crop_frames
        start = int(random_values[0] * (length - frames + 1 if length > frames else length))
        return loaded_item[None, :, (start + np.arange(frames)) % length]

    def crop_for_evaluation(self, loaded_item: LoadedItem) -> Example:
        """Return all frames up to a multiple of the networks' stride.

        Of long recordings, this is the middle; short ones are repeated.
        """
        length, frames = loaded_item.shape[1], self.settings.crop_frames
        if length < frames:
            return self.crop(loaded_item, (0, 0, 0))
        span = min(length, MAX_EVALUATION_CROPS * frames) // EVALUATION_STRIDE * EVALUATION_STRIDE
        start = (length - span) // 2
        return loaded_item[None, :, start : start + span]

    def to_tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """Convert examples to a tensor (B, 1, Q, T), unchanged."""
        return torch.from_numpy(np.ascontiguousarray(examples))

    def list_visits(self, paths: Paths) -> npt.NDArray[np.int64]:
        """Return each file's index as often as the file contains crops, at least once."""
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
    """Extend each segment of speech by a margin on both sides."""
    margin = round(SPEECH_MARGIN_SECONDS / frame_seconds)
    out = np.zeros_like(speech)
    for start, stop in find_segments(speech):
        out[max(0, start - margin) : stop + margin] = True
    return out


def iterate_paths(*path_lists: Paths) -> Iterator[Path]:
    """Yield the full paths of several lists of files."""
    for paths in path_lists:
        yield from (paths.get_path(i) for i in range(len(paths)))
