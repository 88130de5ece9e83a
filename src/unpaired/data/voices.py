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
from unpaired.data.framing import Example, Loaded
from unpaired.data.paths import Paths
from unpaired.errors import UnreadableFile
from unpaired.media.voice import silero
from unpaired.media.voice.cache import Analysed, Cache, Entry, Progress
from unpaired.media.voice.chosen import gate, representation
from unpaired.media.voice.silence import Mask, segments
from unpaired.media.voice.statistics import normalised
from unpaired.settings import VoiceSettings

MARGIN_SECONDS = 0.05
LONGEST = 8
"""Evaluation sees at most so many crops' length of a recording, from its middle."""
STRIDE = 4
"""What evaluation sees has a multiple of so many frames."""


class Voices:
    """Crops (1, Q, `settings.frames`) scaled by the domains' statistics. Analyses are cached on disk.

    In its `settings` the gate is decided; `pretrained` has the SHA-256 of the network that is the gate, if one is.
    Raises UsageError where the gate asked for is not installed.
    """

    def __init__(self, settings: VoiceSettings, cache: Cache | None = None) -> None:
        self._gate = gate(settings)
        self.settings = settings.model_copy(update={"gate": "energy" if self._gate is None else "silero"})
        self.pretrained = {} if self._gate is None else {silero.NAME: self._gate.digest}
        self._cache = cache or Cache()
        self._representation = representation(settings)
        self._entries: dict[Path, Entry] = {}

    def analysed(self, paths: Sequence[Path], progress: Progress | None = None) -> Analysed:
        """The files' analyses, made in parallel where the cache has none; they are remembered."""
        found = self._cache.analysed(paths, self._representation, self._gate, progress=progress)
        self._entries |= {entry.source: entry for entry in found.entries}
        return found

    def entries(self, paths: Sequence[Path]) -> list[Entry]:
        """The analyses of those files that have one, in their order; the cache is asked for new ones alone."""
        self.analysed([path for path in paths if path not in self._entries])
        return [self._entries[path] for path in paths if path in self._entries]

    def load(self, path: Path, domain: Domain, training: bool) -> Loaded:  # noqa: ARG002 - one scale for both
        """The speech of a recording, scaled: (Q, frames) float32; raises UnreadableFile."""
        assert domain.voice is not None, "statistics are found before training begins"
        if path not in self._entries and (failures := self.analysed([path]).failures):
            raise failures[0]
        entry = self._entries[path]
        try:
            mask = kept(entry.speech(), entry.frame_seconds)
            values = entry.features().values[:, mask]
        except (OSError, ValueError) as error:
            raise UnreadableFile(path, f"its cached analysis is gone ({error})") from error
        if not values.shape[1]:
            raise self.speechless(path)
        return normalised(np.ascontiguousarray(values), domain.voice)

    def speechless(self, path: Path) -> UnreadableFile:
        """What to say of a recording without speech."""
        if self._gate is None:
            return UnreadableFile(path, "holds no speech: nothing in it stands out from its noise")
        return UnreadableFile(path, f"holds no speech that {silero.NAME} hears (--gate energy goes by the level alone)")

    def cut(self, loaded: Loaded, chances: tuple[float, float, float]) -> Example:
        """The frames from a place that the first number chooses; what is too short begins again at its end."""
        length, frames = loaded.shape[1], self.settings.frames
        start = int(chances[0] * (length - frames + 1 if length > frames else length))
        return loaded[None, :, (start + np.arange(frames)) % length]

    def whole(self, loaded: Loaded) -> Example:
        """All frames up to a multiple of the networks' stride; of long recordings the middle, short ones repeated."""
        length, frames = loaded.shape[1], self.settings.frames
        if length < frames:
            return self.cut(loaded, (0, 0, 0))
        span = min(length, LONGEST * frames) // STRIDE * STRIDE
        start = (length - span) // 2
        return loaded[None, :, start : start + span]

    def tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """(B, 1, Q, T), as it is."""
        return torch.from_numpy(np.ascontiguousarray(examples))

    def visits(self, paths: Paths) -> npt.NDArray[np.int64]:
        """Every file as often as it holds crops, at least once."""
        files = [paths.file(i) for i in range(len(paths))]
        found = {entry.source: self._crops(entry) for entry in self.entries(files)}
        crops = [found.get(file, 1) for file in files]
        return np.repeat(np.arange(len(files)), crops)

    def _crops(self, entry: Entry) -> int:
        return max(1, round(int(kept(entry.speech(), entry.frame_seconds).sum()) / self.settings.frames))


def kept(speech: Mask, frame_seconds: float) -> Mask:
    """Speech with a margin at its ends."""
    margin = round(MARGIN_SECONDS / frame_seconds)
    out = np.zeros_like(speech)
    for start, stop in segments(speech):
        out[max(0, start - margin) : stop + margin] = True
    return out


def files_of(*parts: Paths) -> Iterator[Path]:
    """The whole paths of lists of files."""
    for paths in parts:
        yield from (paths.file(i) for i in range(len(paths)))
