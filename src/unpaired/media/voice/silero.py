"""Where somebody speaks, as silero-vad hears it: a small recurrent network that comes with the package of that name.

Its file of weights is run by ONNX Runtime. The package itself is not imported: that would bring torch to one thread.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from unpaired.media.voice import seams
from unpaired.media.voice.features import Features, Floats, Layout, Representation
from unpaired.media.voice.recording import Wave, resampled

__all__ = ["GROUP", "NAME", "Silero", "installed", "probabilities"]

NAME = "silero-vad"
GROUP = "speech"
"""The group of features that says how likely each frame is speech, 0 to 1."""
RATE_HZ = 16000
STEP = 512
"""Samples (32 ms) that get one probability."""
_BEFORE = 64  # samples that the network sees beside a step, before it
_STATE = (1, 1, 128)
_FILE = Path("data", "silero_vad_16k_sequence.onnx")


@dataclass(frozen=True)
class Silero:
    """The network as it is installed: its file, and the SHA-256 of it."""

    weights: Path
    digest: str

    def layout(self, representation: Representation) -> Layout:
        """The groups of a representation, and "speech"."""
        return (*representation.layout, (GROUP, 1))

    def analysed(self, waves: Iterable[Wave], representation: Representation) -> Iterator[Features]:
        """As `seams.analysed`, with the group "speech"; in the memory of a chunk, since both read the waves in step."""
        waves, heard = itertools.tee(waves)
        steps = probabilities(self.weights, resampled(heard, representation.sample_rate_hz, RATE_HZ))
        known, first, frame = np.zeros(0, np.float32), 0, 0
        for features in seams.analysed(waves, representation):
            if not features.frames:
                continue
            samples = (frame + np.arange(features.frames)) * representation.hop_samples
            at = samples * RATE_HZ // (representation.sample_rate_hz * STEP)
            while first + len(known) <= at[-1] and (more := next(steps, None)) is not None:
                known = np.concatenate([known, more])
            row = known[np.minimum(at - first, len(known) - 1)]  # the last frame may begin where the sound ends
            yield Features(np.concatenate([features.rows, row[None]]), self.layout(representation))
            kept = min(int(at[-1]) - first, len(known) - 1)
            known, first, frame = known[kept:], first + kept, frame + features.frames


def installed() -> Silero | None:
    """The network, where silero-vad (6.2.3 or later) and onnxruntime are installed."""
    spec = find_spec("silero_vad")
    if spec is None or spec.origin is None or find_spec("onnxruntime") is None:
        return None
    weights = Path(spec.origin).parent / _FILE
    return Silero(weights, hashlib.sha256(weights.read_bytes()).hexdigest()) if weights.is_file() else None


def probabilities(weights: Path, waves: Iterable[Wave]) -> Iterator[Floats]:
    """How likely each 32 ms of a wave at 16 kHz, which comes in blocks, are speech: (steps,) float32, 0 to 1.

    What is left at the end counts as if zeros followed.
    """
    session = _session(weights)
    hidden, cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
    held = np.zeros(_BEFORE, np.float32)
    for wave in itertools.chain(waves, [None]):
        held = np.concatenate([held, np.zeros(-(len(held) - _BEFORE) % STEP, np.float32) if wave is None else wave])
        whole = (len(held) - _BEFORE) // STEP * STEP
        if not whole:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(held[: _BEFORE + whole], _BEFORE + STEP)[::STEP]
        inputs = {"input": np.ascontiguousarray(windows), "h": hidden, "c": cell}
        found, hidden, cell = session.run(["speech_probs", "hn", "cn"], inputs)
        held = held[whole:]
        yield found


@lru_cache(maxsize=1)
def _session(weights: Path) -> Any:
    import onnxruntime  # noqa: PLC0415 (optional)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
