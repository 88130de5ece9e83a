"""Settings of the voice medium, statistics of speakers, and presets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from unpaired.config.settings import StrictModel
from unpaired.media.interface import ConvertOptions, EvaluateOptions, PresetValues, TranslateOptions

if TYPE_CHECKING:
    from unpaired.config.model_description import ModelDescription
    from unpaired.data.domain import Domain

WRITTEN_FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    **dict.fromkeys((".ogg", ".oga"), ("OGG", "VORBIS")),
    **dict.fromkeys((".aif", ".aiff"), ("AIFF", "PCM_16")),
    ".caf": ("CAF", "PCM_16"),
}
"""Suffixes of sound files that can be written -> libsndfile's format and subtype."""
READ_ONLY_SUFFIXES = frozenset({".mp3", ".opus", ".aifc", ".au", ".snd", ".w64", ".rf64"})
"""Suffixes of sound files that can be read but not written; their results are FLAC files."""
SUFFIXES = READ_ONLY_SUFFIXES | WRITTEN_FORMATS.keys()
"""Suffixes of sound files that can be read."""
CONVERSION_HINTS = dict.fromkeys(
    (".m4a", ".m4b", ".aac", ".mp4", ".mov", ".mkv", ".webm", ".wma", ".amr", ".3gp", ".ape", ".wv", ".ac3"),
    "M4A, AAC, WMA and video files are not supported; convert them first, for example with `ffmpeg -i IN.m4a OUT.wav`",
)
"""Suffixes of sound files that cannot be read -> how to convert them."""


CONTENT_ENCODER_HELP = (
    "encoder of content features: auto (Whisper base, from unpaired[voice-content]) or a folder with a CTranslate2 "
    "Whisper model"
)

CONTENT_DEPTH = 2 / 3
"""Default fraction of the content encoder's blocks: later blocks keep less of how a sound is spoken."""


class VoiceSettings(StrictModel):
    """Settings of features, crops and the architectures that only voice networks have."""

    ignored_if: ClassVar[Mapping[str, tuple[str, Any]]] = {
        **dict.fromkeys(("sample_rate", "mcep_order", "f0_floor", "f0_ceil"), ("representation", "mel")),
        "vocoder": ("representation", "world"),
    }

    representation: Literal["world", "mel"] = Field(
        "world",
        description="features: world (WORLD mel-cepstra, F0 converted separately) or mel (80 log-mel bands and a "
        "neural vocoder)",
    )
    sample_rate: Literal[16000, 24000, 32000, 48000] = Field(
        16000, description="sample rate of the WORLD features in Hz (mel features always use 22050)"
    )
    mcep_order: int = Field(24, ge=8, le=80, description="mel-cepstral coefficients of the WORLD features")
    f0_floor: float = Field(71.0, ge=40, le=2000, description="lowest F0 that WORLD searches for, in Hz")
    f0_ceil: float = Field(800.0, ge=40, le=2000, description="highest F0 that WORLD searches for, in Hz")
    vocoder: str = Field(
        "auto",
        description="vocoder of mel features: auto (hifigan if installed), hifigan, griffin-lim, or a file of HiFi-GAN "
        "weights",
    )
    vad: Literal["energy", "silero", "auto"] = Field(
        "energy",
        description="voice activity detection: energy (level threshold), silero (silero-vad), or auto (silero if "
        "installed; all presets use auto)",
    )
    content_encoder: str = Field(
        "auto", description=f"{CONTENT_ENCODER_HELP}; for methods that synthesize from content, and --content-weight"
    )
    content_depth: float = Field(
        CONTENT_DEPTH,
        gt=0,
        le=1,
        description="fraction of the content encoder's transformer blocks that are used; early blocks keep more of how "
        "a sound is spoken, late ones less of who speaks",
    )
    content_weight: float = Field(
        0.0,
        ge=0,
        description="weight of the content consistency loss (input and output should be close in the content encoder's "
        "features; needs unpaired[voice-content]); 0: off. Raise it if words are lost; training is slower",
    )
    crop_frames: int = Field(
        128, ge=16, le=4096, description="length of a training crop in feature frames, a multiple of 4"
    )
    generator_dims: Literal["2-1-2", "1"] = Field(
        "2-1-2", description="convolutions of generators: 2-1-2 (time-frequency, time, time-frequency) or 1 (time only)"
    )


class SpeakerStatistics(StrictModel):
    """Statistics over the speech frames of a domain, in the units of the run's features."""

    mean: tuple[float, ...] = Field(description="mean of each coefficient")
    std: tuple[float, ...] = Field(description="standard deviation of each coefficient, at least 0.001")
    scale: tuple[float, ...] = Field(description="scale of each coefficient after normalization")
    log_f0_mean: float | None = Field(description="mean of log F0 (Hz) over voiced frames; unset: no voiced frame")
    log_f0_std: float | None = Field(description="standard deviation of log F0 over voiced frames")
    voiced_fraction: float | None = Field(description="fraction of voiced speech frames; unset: F0 is unknown")
    lufs: float = Field(description="mean loudness of the recordings as found, in LUFS")
    frames: int = Field(ge=2, description="number of speech frames")
    energy: tuple[float, ...] | None = Field(
        None, description="c_0 predicted from the coefficients: intercept and slopes; for the content consistency loss"
    )
    conditions: int = Field(
        0, ge=0, description="rows of conditions below the coefficients, for synthesis from content"
    )

    @property
    def log_f0_mean_std(self) -> tuple[float, float] | None:
        """Mean and standard deviation of log F0; None if F0 is unknown."""
        if self.log_f0_mean is None or self.log_f0_std is None:
            return None
        return self.log_f0_mean, self.log_f0_std


_CHANNELS_HELP = (
    "channels of the result: keep (as many as the input has; the same voice on all channels is converted once, "
    "different channels are converted separately) or mono"
)


class VoiceTranslateOptions(TranslateOptions):
    """Options of the translation of recordings."""

    channels: Literal["keep", "mono"] = Field("keep", description=_CHANNELS_HELP)


class VoiceEvaluateOptions(EvaluateOptions):
    """Options of the evaluation of recordings."""

    judges: str = Field(
        "all",
        description="networks that measure recordings: all that are installed (slow), none, or some of "
        "speakers,words,naturalness (words: English only; naturalness takes most of the time)",
    )
    texts: Path | None = Field(
        None,
        description="CSV file with the columns file,text: transcripts to count word errors against (unset: the words "
        "recognized in the sources)",
    )
    nearest: bool = Field(
        True,
        description="measure how near translations are to training items, and show the nearest; a comparison does so "
        "only if this is given",
    )

    @field_validator("judges", mode="before")
    @classmethod
    def _join_kinds(cls, value: Any) -> Any:
        """Also accept a collection of kinds; an empty one means none."""
        return value if isinstance(value, str) else ",".join(value) or "none"


ConverterKind = Literal["content", "knn", "affine"]
"""Converters of `unpaired convert`."""


class VoiceConvertOptions(ConvertOptions):
    """Options of `unpaired convert`."""

    converter: Literal["auto", "content", "knn", "affine"] = Field(
        "auto",
        description="content: the target's frames with the nearest content, for any speaker (needs "
        "unpaired[voice-content]); knn: the target's nearest frames; affine: match mean and standard deviation of each "
        "coefficient; auto: content if installed, else knn. knn and affine need --source",
    )
    content_encoder: str = Field("auto", description=CONTENT_ENCODER_HELP)
    representation: Literal["world", "mel"] = Field("world", description="features, as for training")
    vocoder: str = Field("auto", description="vocoder of mel features, as for training")
    vad: Literal["energy", "silero", "auto"] = Field("auto", description="voice activity detection, as for training")
    channels: Literal["keep", "mono"] = Field("keep", description=_CHANNELS_HELP)


def voice_settings(config: ModelDescription) -> VoiceSettings:
    """Return the voice settings of a run of recordings."""
    assert isinstance(config.medium_settings, VoiceSettings)
    return config.medium_settings


def speaker_statistics(domain: Domain) -> SpeakerStatistics:
    """Return the statistics of a speaker."""
    assert isinstance(domain.statistics, SpeakerStatistics)
    return domain.statistics


TIME_ONLY_NETWORKS: dict[str, Any] = {
    "blocks": 2,
    "norm": "instance-affine",
    "residual": "auto",
    "discriminator": "light",
}

PRESETS: PresetValues = {
    "paper": {
        "medium_settings": {"vad": "auto"},
        "networks": {"blocks": 6, "norm": "instance-affine"},
        "training": {"steps": 400_000},
    },
    "small": {
        "medium_settings": {"generator_dims": "1", "vad": "auto"},
        "networks": {**TIME_ONLY_NETWORKS, "width": 32, "discriminator_width": 16},
        "training": {"batch_size": 8, "minutes": 30.0},
    },
    "tiny": {
        "medium_settings": {"generator_dims": "1", "vad": "auto"},
        "networks": {**TIME_ONLY_NETWORKS, "width": 16, "discriminator_width": 8},
        "training": {"batch_size": 8, "minutes": 6.0},
    },
}
"""Voice values of the presets; `paper` has the network sizes of CycleGAN-VC2 and the steps of CycleGAN-VC."""
