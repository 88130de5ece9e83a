"""Settings of pictures, what a run knows of a domain of pictures, and the presets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from unpaired.config.settings import Auto, StrictModel
from unpaired.media.base import EvaluateOptions, PresetValues, TranslateOptions

if TYPE_CHECKING:
    from unpaired.config.run_config import RunConfig
    from unpaired.data.domain import Domain

Range = tuple[float, float]
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of picture files that are read and written."""


class ImageSettings(StrictModel):
    """How pictures become square training images."""

    size: int = Field(256, ge=8, le=4096, description="side of the square training images, in pixels")
    resize_mode: Literal["scale", "crop"] | Auto = Field(
        "auto",
        description="scale: resize the shorter side to --size; crop: crop squares at the pictures' own scale; auto: "
        "crop if all pictures have about that size",
    )
    load_size_ratio: float = Field(
        286 / 256,
        ge=1,
        le=2,
        description="with --resize-mode scale, training resizes to this multiple of --size and crops at random",
    )
    flip: bool = Field(True, description="mirror half of the training images left to right")
    channels: Literal["auto", "1", "3"] = Field(
        "auto", description="channels of the networks; auto: 3 if any picture has color, else 1"
    )

    @property
    def num_channels(self) -> int:
        """Channels of the networks, once "auto" is resolved."""
        return int(self.channels)


class ImageStatistics(StrictModel):
    """What training learned of a domain's pictures, and translating needs to know."""

    color: bool = Field(False, description="whether any picture has color; otherwise translations are gray")
    bits: Literal[8, 16, 32] = Field(8, description="bits per channel (32: floating point)")
    low: float = Field(0, description="raw value that the networks see as -1: 0 for 8 bits, else the lowest measured")
    high: float = Field(255, description="raw value that the networks see as 1: 255 for 8 bits, else the highest")


class ImageEvaluateOptions(EvaluateOptions):
    """How pictures are measured."""

    fid: bool = Field(False, description="measure the FID too; it needs thousands of pictures to mean much")


class ImageTranslateOptions(TranslateOptions):
    """How pictures are translated."""

    mode: Literal["target", "input"] = Field(
        "target", description="color of the result: that of the target domain, or that of the input picture"
    )
    scale: Literal["trained", "native"] = Field(
        "trained",
        description="trained: the networks see pictures resized as in training; native: pictures keep their own scale",
    )
    source_range: Range | None = Field(
        None, description="raw input values LOW,HIGH that mean black and white; unset: as measured in training"
    )
    target_range: Range | None = Field(
        None, description="raw output values LOW,HIGH for black and white; unset: as measured in training"
    )

    @field_validator("source_range", "target_range")
    @classmethod
    def _ordered(cls, value: Range | None) -> Range | None:
        if value is not None and not (math.isfinite(value[0]) and math.isfinite(value[1]) and value[0] < value[1]):
            raise ValueError("expected two finite numbers, the lower first")
        return value


def image_settings(config: RunConfig) -> ImageSettings:
    """Return the picture settings of a run of pictures."""
    assert isinstance(config.medium_settings, ImageSettings)
    return config.medium_settings


def image_statistics(domain: Domain) -> ImageStatistics:
    """Return the statistics of a domain of pictures."""
    assert isinstance(domain.statistics, ImageStatistics)
    return domain.statistics


LIGHT_NETWORKS: dict[str, Any] = {
    "generator": "light",
    "blocks": 4,
    "norm": "group",
    "residual": "auto",
    "discriminator": "light",
    "augment": "auto",
}

PRESETS: PresetValues = {
    "paper": {"medium_settings": {"size": 256}, "networks": {}, "training": {}},
    "small": {
        "medium_settings": {"size": 128},
        "networks": {**LIGHT_NETWORKS, "width": 48, "discriminator_width": 32},
        "training": {"batch_size": 4, "minutes": 30.0, "memory_format": "channels_last"},
    },
    "tiny": {
        "medium_settings": {"size": 64},
        "networks": {**LIGHT_NETWORKS, "width": 24, "discriminator_width": 16},
        "training": {"batch_size": 4, "minutes": 6.0, "memory_format": "channels_last"},
    },
}
"""`small` is what was best on two CPU cores in a quarter of an hour (docs/results.md); `tiny` is the same, thinner."""
