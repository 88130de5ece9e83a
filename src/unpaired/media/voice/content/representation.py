"""A representation of recordings with content features, interpolated to its frames, as the group "content"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from unpaired.media.voice.audio_io import Wave, resample
from unpaired.media.voice.content.features import FRAME_SECONDS, ContentAnalyser, interpolate_frames
from unpaired.media.voice.content.log_mel import RATE_HZ
from unpaired.media.voice.features import CHUNK_SECONDS, FeatureLayout, Floats, Representation, VoiceFeatures

__all__ = ["CONTENT_GROUP", "ContentRepresentation", "interpolate_content"]

CONTENT_GROUP = "content"


@dataclass(frozen=True)
class ContentRepresentation:
    """The representation `base` with content features, interpolated from 20 ms to its frames.

    Synthesis is that of `base` and ignores the content.
    """

    base: Representation
    content: ContentAnalyser

    @property
    def name(self) -> str:
        """Name of the base representation."""
        return self.base.name

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the waves in Hz."""
        return self.base.sample_rate_hz

    @property
    def hop_samples(self) -> int:
        """Samples between two frames."""
        return self.base.hop_samples

    @property
    def num_coefficients(self) -> int:
        """Number of rows of the group "values"."""
        return self.base.num_coefficients

    @property
    def layout(self) -> FeatureLayout:
        """Groups of the base representation, and the content."""
        return (*self.base.layout, (CONTENT_GROUP, self.content.num_features))

    @property
    def context_frames(self) -> int:
        """Frames of context for analysis: as many as the base or the content needs."""
        content_seconds = self.content.context_frames * FRAME_SECONDS
        return max(self.base.context_frames, math.ceil(content_seconds * self.sample_rate_hz / self.hop_samples))

    @property
    def lookahead_frames(self) -> int:
        """Frames that synthesis needs after a chunk."""
        return self.base.lookahead_frames

    def get_settings(self) -> dict[str, int | float | str]:
        """Return all settings that the features depend on."""
        return self.base.get_settings() | {f"content_{name}": x for name, x in self.content.get_settings().items()}

    def analyse(self, wave: Wave) -> VoiceFeatures:
        """Return the features of a wave (samples,) of less than 30 s."""
        features = self.base.analyse(wave)
        content = self.content.analyse(np.concatenate(list(resample([wave], self.sample_rate_hz, RATE_HZ)))).rows
        frame_seconds = self.hop_samples / self.sample_rate_hz
        rows = interpolate_content(content, features.num_frames, frame_seconds)
        return VoiceFeatures(np.concatenate([features.rows, rows]), self.layout)

    def synthesize(self, features: VoiceFeatures) -> Wave:
        """Return a wave of `frames * hop_samples` samples."""
        return self.base.synthesize(features)

    def synthesize_stream(
        self, stream: Iterable[VoiceFeatures], chunk_seconds: float = CHUNK_SECONDS
    ) -> Iterator[Wave]:
        """Yield the wave of features that arrive in blocks, as the base representation does."""
        return self.base.synthesize_stream(stream, chunk_seconds)


def interpolate_content(content: Floats, num_frames: int, frame_seconds: float) -> Floats:
    """Return content features (features, 20-ms frames) at `num_frames` frames, `frame_seconds` apart."""
    return interpolate_frames(
        content, np.arange(num_frames, dtype=np.float32) * np.float32(frame_seconds / FRAME_SECONDS)
    )
