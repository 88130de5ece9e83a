"""Recordings through a model on one way: files of any length from disk to disk, and waves in memory.

A recording is brought to the loudness of training, analysed in chunks, scaled by the source's statistics, passed
through the networks in overlapping windows, brought to the target's statistics, its F0 moved from the source's mean and
deviation to the target's (representation `world`), synthesised, and given its loudness back. What the representation
keeps of the source (of `world` energy and aperiodicity) is in its description.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unpaired.errors import UsageError
from unpaired.media.suffixes import Medium
from unpaired.media.voice.chosen import representation
from unpaired.media.voice.convert import Change, Network, convert_file, convert_wave, voice_change
from unpaired.media.voice.features import Representation
from unpaired.media.voice.live import convert_live, latency_seconds
from unpaired.media.voice.recording import Recording, Wave, read, resampled
from unpaired.media.voice.survey import SHORTEST_SECONDS, probe
from unpaired.methods.game import Method
from unpaired.methods.kinds import Labelled
from unpaired.runs.config import RunConfig
from unpaired.translate.inputs import require
from unpaired.translate.kinds import Array
from unpaired.translate.way import Way
from unpaired.translate.wish import Vector

ChangeOf = Callable[[Path | None], Change]
OF_MP3 = ".flac"
"""What MP3 files become."""
_LOWEST_HZ, _HIGHEST_HZ = 4000, 768000


@dataclass(frozen=True)
class Heard:
    """A sound file whose header was read; the sound itself is read when it is converted."""

    path: Path

    @property
    def alike(self) -> tuple[object, ...]:
        """Files are converted one by one, so any may wait with any."""
        return ()

    @property
    def weight(self) -> int:
        """No part of it is in memory."""
        return 0


class Voices:
    """The craft of recordings: `change_of` gives what becomes of the features of a file (None: of what has no name).

    Results are mono, at the representation's rate. `facts` are what they depend on beside the representation.
    """

    medium: Medium = "voice"
    most_waiting = 0

    def __init__(self, represented: Representation, change_of: ChangeOf, facts: Sequence[object] = ()) -> None:
        self.representation = represented
        self._change_of, self._facts = change_of, facts

    def recipe(self) -> list[object]:
        """The representation's settings, and what else was told."""
        return [self.representation.settings(), *self._facts]

    def named(self, name: str) -> str:
        """The same name; MP3 is not written."""
        path = Path(name)
        return path.with_suffix(OF_MP3).name if path.suffix.lower() == ".mp3" else name

    def prepare_file(self, path: Path) -> Heard:
        """Look whether it is a sound file; raises UnreadableFile."""
        probe(path)
        return Heard(path)

    def notices(self, ready: Heard) -> tuple[str, ...]:
        """That MP3 becomes something else."""
        if ready.path.suffix.lower() != ".mp3":
            return ()
        return (f"MP3 is read but not written: results of .mp3 files are {OF_MP3}",)

    def run(self, batch: Sequence[Heard]) -> list[None]:
        """Nothing: a recording is converted as it is written, for the whole of it need not fit into memory."""
        return [None for _ in batch]

    def write(self, output: Path, ready: Heard, made: None) -> tuple[str, ...]:  # noqa: ARG002
        """Convert the file to `output`; its flaws are told."""
        notes = convert_file(ready.path, output, self.representation, self._change_of(ready.path))
        return tuple(f"{ready.path}: {note}" for note in notes)

    def live(self, waves: Iterable[Wave], sample_rate_hz: int) -> Iterator[Wave]:
        """Sound as it comes, in mono blocks at a rate, to the converted one at the same rate, `latency_s` later."""
        return convert_live(waves, sample_rate_hz, self.representation, self._any)

    @property
    def latency_s(self) -> float:
        """How long after a sound went in it has come out at the latest, in seconds; computing apart."""
        return latency_seconds(self.representation)

    def one(self, x: Any, sample_rate_hz: int | None = None) -> Recording | Array:
        """A wave in memory, or a file of one (see `Translator`)."""
        if isinstance(x, np.ndarray):
            return self._array(x, sample_rate_hz)
        if not isinstance(x, str | Path):
            raise UsageError(
                f"a {type(x).__name__}; this run translates recordings: expected a path, or an array (samples,) with "
                "its sample_rate_hz"
            )
        if sample_rate_hz is not None:
            raise UsageError(f"sample_rate_hz {sample_rate_hz}: files say it themselves; leave it out")
        path = Path(x)
        require(path, self.medium)
        found = read(path, self.representation.sample_rate_hz)
        wave, notes = convert_wave(found.wave, self.representation, self._change_of(path))
        for note in (*found.notes, *notes):
            warnings.warn(f"{path}: {note}", stacklevel=3)
        return Recording(wave, self.representation.sample_rate_hz, (*found.notes, *notes))

    def _array(self, array: Array, sample_rate_hz: int | None) -> Array:
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.floating):
            raise UsageError(
                f"an array of shape {array.shape} and {array.dtype}; expected floating point (samples,), one channel "
                "of full scale 1"
            )
        if sample_rate_hz is None or not _LOWEST_HZ <= sample_rate_hz <= _HIGHEST_HZ:
            raise UsageError(f"sample_rate_hz {sample_rate_hz}; expected the rate of the array's samples, in Hz")
        if len(array) < SHORTEST_SECONDS * sample_rate_hz:
            raise UsageError(f"{len(array)} samples at {sample_rate_hz} Hz; at least {SHORTEST_SECONDS} s are needed")
        if not np.isfinite(array).all():
            raise UsageError("an array with samples that are NaN or infinite; mend them first")
        rate = self.representation.sample_rate_hz
        wave, notes = convert_wave(_at(array.astype(np.float32), sample_rate_hz, rate), self.representation, self._any)
        for note in notes:
            warnings.warn(note, stacklevel=4)
        back = _at(wave, rate, sample_rate_hz)[: len(array)]
        return np.pad(back, (0, len(array) - len(back))).astype(array.dtype, copy=False)

    @property
    def _any(self) -> Change:
        return self._change_of(None)


def voices_of(config: RunConfig, method: Method, device: torch.device, way: Way) -> Voices:
    """The craft of a run's way; raises UsageError for options of pictures, and where the source must be named."""
    if way.options.of_pictures:
        raise UsageError(f"{', '.join(way.options.of_pictures)}: for pictures only, but this run translates recordings")
    if way.guessed:
        known = ", ".join(d.name for d in config.domains if d.name != way.target.name)
        raise UsageError(f"whose voice is it? Each speaker's is measured differently: --from, one of {known}")
    source, target = way.source.voice, way.target.voice
    assert config.voice is not None, "a run of recordings"
    assert source is not None, "every domain of a voice run has its statistics"
    assert target is not None, "every domain of a voice run has its statistics"

    def change_of(path: Path | None) -> Change:
        label = None if way.wish is None else way.wish.of(path)
        return voice_change(_network(method, way, label), device, source, target, method.stride)

    return Voices(representation(config.voice), change_of, [config.voice.model_dump()])


def _network(method: Method, way: Way, label: Vector | None) -> Network:
    if label is not None and isinstance(method, Labelled):
        labelled, wanted = method, torch.tensor(label)
        return lambda x: labelled.become(x, wanted)
    return lambda x: method.translate(x, way.route.source, way.route.target)


def _at(wave: Wave, from_hz: int, to_hz: int) -> Wave:
    return np.concatenate([*resampled([wave], from_hz, to_hz), np.zeros(0, np.float32)])
