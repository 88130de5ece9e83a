"""Analysis of waves to content features: one frame per 20 ms, from overlapping windows of at most 30 s."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.content.encoder import ContentEncoder
from unpaired.media.voice.content.log_mel import RATE_HZ, compute_log_mel
from unpaired.media.voice.features import FeatureLayout, Floats, VoiceFeatures

__all__ = ["FRAME_SECONDS", "ContentAnalyser", "interpolate_frames"]

HOP_SAMPLES = 320
FRAME_SECONDS = HOP_SAMPLES / RATE_HZ


@dataclass(frozen=True)
class ContentAnalyser:
    """Features of a content encoder, at 16 kHz; frame t is centered at sample 320 t.

    The encoder attends to a whole window, so features depend on the window. `context_frames` frames on either side of a
    chunk are computed and dropped (`chunking.analyse_stream`).
    """

    encoder: ContentEncoder
    num_features: int
    context_frames: int = 50

    @classmethod
    def load(cls, encoder: ContentEncoder) -> ContentAnalyser:
        """Load the encoder to learn its number of features."""
        return cls(encoder, encoder.num_features)

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate in Hz: 16000."""
        return RATE_HZ

    @property
    def hop_samples(self) -> int:
        """Samples between two frames: 320 (20 ms)."""
        return HOP_SAMPLES

    @property
    def layout(self) -> FeatureLayout:
        """Groups of rows and their sizes."""
        return (("content", self.num_features),)

    def get_settings(self) -> dict[str, int | float | str]:
        """Return all settings that the features depend on."""
        return {
            "name": "content",
            "encoder": self.encoder.digest,
            "depth": round(self.encoder.depth, 3),
            "context": self.context_frames,
        }

    def analyse(self, wave: Wave) -> VoiceFeatures:
        """Return the features of a wave (samples,) of less than 30 s: `samples // 320 + 1` frames."""
        num_frames = len(wave) // HOP_SAMPLES + 1
        padded = np.pad(wave, (0, num_frames * HOP_SAMPLES - len(wave)))
        log_mel = compute_log_mel(padded, self.encoder.num_mels)
        return VoiceFeatures(self.encoder.encode(log_mel), self.layout)


def interpolate_frames(content: Floats, positions: Floats) -> Floats:
    """Return content features (features, n) at fractional frame `positions` (n,), linearly interpolated.

    Positions beyond the last frame take the last frame.
    """
    positions = np.clip(positions, 0, content.shape[1] - 1)
    first = np.minimum(positions.astype(np.int64), max(content.shape[1] - 2, 0))
    second = np.minimum(first + 1, content.shape[1] - 1)
    weight = (positions - first).astype(np.float32)
    return np.asarray(content[:, first] * (1 - weight) + content[:, second] * weight, np.float32)
