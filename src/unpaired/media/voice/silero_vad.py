"""Voice activity detection with silero-vad, a small recurrent network from the package of that name.

ONNX Runtime runs the package's file of weights. The package itself is not imported, because that would set torch to one
thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from unpaired.digests import hash_file
from unpaired.media.voice import chunking
from unpaired.media.voice.audio_io import Wave, resample
from unpaired.media.voice.features import Analyser, FeatureLayout, Floats, VoiceFeatures
from unpaired.packages import find_package_folder

__all__ = ["NAME", "SPEECH_GROUP", "SileroVad", "compute_speech_probabilities", "find_silero_vad"]

NAME = "silero-vad"
SPEECH_GROUP = "speech"
"""Group of features with the probability of speech of each frame, 0 to 1."""
RATE_HZ = 16000
WINDOW_SAMPLES = 512
"""Samples per probability (32 ms)."""
_CONTEXT_SAMPLES = 64  # samples before a window that the network also takes
_STATE_SHAPE = (1, 1, 128)
_WEIGHTS_FILE = Path("data", "silero_vad_16k_sequence.onnx")


@dataclass(frozen=True)
class SileroVad:
    """The installed network: its file of weights, and the file's SHA-256."""

    weights: Path
    digest: str

    def extend_layout(self, analyser: Analyser) -> FeatureLayout:
        """Return the groups of an analyser with the group "speech" added."""
        return (*analyser.layout, (SPEECH_GROUP, 1))

    def analyse_stream(self, waves: Iterable[Wave], analyser: Analyser) -> Iterator[VoiceFeatures]:
        """Yield features as `chunking.analyse_stream`, with the group "speech", in the memory of one chunk.

        Analyser and network read the waves in step, so only one chunk is buffered.
        """
        waves, vad_waves = itertools.tee(waves)
        probability_blocks = compute_speech_probabilities(
            self.weights, resample(vad_waves, analyser.sample_rate_hz, RATE_HZ)
        )
        buffer, first_window, frame = np.zeros(0, np.float32), 0, 0
        for features in chunking.analyse_stream(waves, analyser):
            if not features.num_frames:
                continue
            samples = (frame + np.arange(features.num_frames)) * analyser.hop_samples
            window_indices = samples * RATE_HZ // (analyser.sample_rate_hz * WINDOW_SAMPLES)
            while (
                first_window + len(buffer) <= window_indices[-1]
                and (block := next(probability_blocks, None)) is not None
            ):
                buffer = np.concatenate([buffer, block])
            # The last frame may begin at the end of the sound, where there is no probability.
            row = buffer[np.minimum(window_indices - first_window, len(buffer) - 1)]
            yield VoiceFeatures(np.concatenate([features.rows, row[None]]), self.extend_layout(analyser))
            num_dropped = min(int(window_indices[-1]) - first_window, len(buffer) - 1)
            buffer, first_window, frame = buffer[num_dropped:], first_window + num_dropped, frame + features.num_frames


def find_silero_vad() -> SileroVad | None:
    """Return the network if silero-vad (6.2.3 or later) and onnxruntime are installed, else None."""
    folder = find_package_folder("silero_vad")
    if folder is None or find_spec("onnxruntime") is None:
        return None
    weights = folder / _WEIGHTS_FILE
    return SileroVad(weights, hash_file(weights)) if weights.is_file() else None


def compute_speech_probabilities(weights: Path, waves: Iterable[Wave]) -> Iterator[Floats]:
    """Yield speech probabilities (windows,) float32 in 0 to 1, one per 32 ms, of a 16 kHz wave that arrives in blocks.

    The last window is padded with zeros.
    """
    session = _create_session(weights)
    hidden, cell = np.zeros(_STATE_SHAPE, np.float32), np.zeros(_STATE_SHAPE, np.float32)
    buffer = np.zeros(_CONTEXT_SAMPLES, np.float32)
    for wave in itertools.chain(waves, [None]):
        buffer = np.concatenate(
            [buffer, np.zeros(-(len(buffer) - _CONTEXT_SAMPLES) % WINDOW_SAMPLES, np.float32) if wave is None else wave]
        )
        num_samples = (len(buffer) - _CONTEXT_SAMPLES) // WINDOW_SAMPLES * WINDOW_SAMPLES
        if not num_samples:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(
            buffer[: _CONTEXT_SAMPLES + num_samples], _CONTEXT_SAMPLES + WINDOW_SAMPLES
        )[::WINDOW_SAMPLES]
        inputs = {"input": np.ascontiguousarray(windows), "h": hidden, "c": cell}
        speech_probabilities, hidden, cell = session.run(["speech_probs", "hn", "cn"], inputs)
        buffer = buffer[num_samples:]
        yield speech_probabilities


@lru_cache(maxsize=1)
def _create_session(weights: Path) -> Any:
    import onnxruntime  # noqa: PLC0415 (optional)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
