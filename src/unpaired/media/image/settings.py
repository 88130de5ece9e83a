"""Settings of pictures, statistics of a domain of pictures, and presets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from unpaired.config.settings import Auto, StrictModel
from unpaired.media.image.suffixes import SCAN_SUFFIXES
from unpaired.media.interface import EvaluateOptions, PresetValues, TranslateOptions

if TYPE_CHECKING:
    from unpaired.config.model_description import ModelDescription
    from unpaired.data.domain import Domain

Range = tuple[float, float]
SliceAxis = Literal["axial", "coronal", "sagittal"]
MAX_CHANNELS = 1024
TileSize = Annotated[int, Field(ge=32)]
WRITTEN_FORMATS = {
    ".png": "PNG",
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    ".webp": "WEBP",
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".npy": "NumPy",
}
"""Suffixes of picture files that can be written -> format."""
READ_ONLY_SUFFIXES = frozenset(
    {".gif", ".avif", ".jp2", ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".heic", ".heif"}
)
"""Suffixes of picture files that can only be read; their translations are PNG files."""
SUFFIXES = READ_ONLY_SUFFIXES | WRITTEN_FORMATS.keys() | SCAN_SUFFIXES
"""Suffixes of picture files that can be read."""
CONVERSION_HINTS = {
    **dict.fromkeys(
        (".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
        "raw photos are not read: develop them to TIFF, PNG or JPEG",
    ),
    **dict.fromkeys((".psd", ".svg", ".pdf", ".xcf"), "export PSD, SVG, PDF and XCF files as PNG"),
    **dict.fromkeys((".npz", ".exr", ".fits"), "save arrays and scans as 16-bit or floating-point TIFF"),
}
"""Suffix of files that cannot be read -> how to convert them."""


def require_ordered(value: Range | None) -> Range | None:
    """Return the range; raises ValueError unless it is None or two finite numbers, the lower first."""
    if value is not None and not (math.isfinite(value[0]) and math.isfinite(value[1]) and value[0] < value[1]):
        raise ValueError("expected two finite numbers, the lower first")
    return value


class ImageSettings(StrictModel):
    """Conversion of pictures to square training images."""

    size: int = Field(256, ge=8, le=4096, description="side of the square training images, in pixels")
    resize_mode: Literal["scale", "crop"] | Auto = Field(
        "auto",
        description="scale: resize the shorter side to --size; crop: crop squares without resizing; auto: crop if all "
        "pictures have about that size",
    )
    load_size_ratio: float = Field(
        286 / 256,
        ge=1,
        le=2,
        description="with --resize-mode scale, training resizes to this multiple of --size and crops at random",
    )
    temporal_weight: float = Field(
        0.0,
        ge=0,
        description="weight of the temporal consistency loss (the translation of a slightly shifted, rotated or "
        "zoomed picture should be the translation, moved likewise; frames of clips are compared with the previous); "
        "0: off. Raise it to 10 if translated clips flicker; training is slower",
    )
    flip: bool | Auto = Field(
        "auto",
        description="mirror half of the training images left to right; auto: unless the pictures of a domain "
        "have a preferred side, as letters do and faces lit from one side",
    )
    channels: Annotated[int, Field(ge=1, le=MAX_CHANNELS)] | Auto = Field(
        "auto",
        description="channels of the networks: 1 (gray), 3 (RGB), or all bands of the files, which must have as many; "
        "auto: the number of bands if the files have more than color and transparency, else 3 if any picture has "
        "color, else 1",
    )
    value_range: Range | None = Field(
        None,
        description="raw values LOW,HIGH that mean black and white in pictures of more than 8 bits; unset: measured in "
        "each domain, without outliers",
    )

    percentile_range: Range | None = Field(
        None,
        description="percentiles LOW,HIGH of each domain's raw values that mean black and white in pictures of more "
        "than 8 bits, as 0.5,99.5; unset: the range without outliers",
    )
    slice_axis: SliceAxis = Field(
        "axial", description="orientation of the slices of NIfTI volumes, by the anatomical axes of the file"
    )

    @field_validator("percentile_range")
    @classmethod
    def _percentages(cls, value: Range | None) -> Range | None:
        if value is not None and not 0 <= value[0] < value[1] <= 100:
            raise ValueError("expected two percentiles from 0 to 100, the lower first")
        return value

    @model_validator(mode="after")
    def _require_one_range(self) -> Self:
        if self.value_range is not None and self.percentile_range is not None:
            raise ValueError("value_range and percentile_range are both given; give one of them")
        return self

    @field_validator("value_range")
    @classmethod
    def _ordered(cls, value: Range | None) -> Range | None:
        return require_ordered(value)

    @property
    def num_channels(self) -> int:
        """Channels of the networks, once "auto" is resolved."""
        return int(self.channels)

    @property
    def reads_all_bands(self) -> bool:
        """Whether every band of a file is a channel, alpha included: pictures are neither gray nor RGB."""
        return self.num_channels not in (1, 3)


class ImageStatistics(StrictModel):
    """Statistics of a domain's pictures that translation needs."""

    color: bool = Field(False, description="whether any picture has color; otherwise translations are gray")
    bits: Literal[8, 16, 32] = Field(8, description="bits per channel (32: floating point)")
    low: float = Field(0, description="raw value that the networks see as -1: 0 for 8 bits, else the lowest measured")
    high: float = Field(255, description="raw value that the networks see as 1: 255 for 8 bits, else the highest")
    color_mean: tuple[float, ...] | None = Field(
        None, description="mean of each channel of the training pictures, from -1 to 1; measured for --match-colors"
    )
    color_covariance: tuple[tuple[float, ...], ...] | None = Field(
        None, description="covariance of the channels of the training pictures; measured for --match-colors"
    )


class ImageEvaluateOptions(EvaluateOptions):
    """Options of evaluations of pictures."""

    fid: bool = Field(False, description="measure the FID too; it needs thousands of pictures to mean much")
    nearest: bool = Field(
        True,
        description="measure how near translations are to training items, and show the nearest; `compare` does so "
        "only if this is given",
    )


class ImageTranslateOptions(TranslateOptions):
    """Options of translating pictures."""

    mode: Literal["target", "input"] = Field(
        "target", description="color of the result: that of the target domain, or that of the input picture"
    )
    scale: Literal["trained", "native"] = Field(
        "trained",
        description="trained: the networks see pictures resized as in training; native: pictures are not resized",
    )
    tile: TileSize | Literal["auto", "off"] = Field(
        "auto",
        description="side of the tiles in which large pictures are translated, in pixels; auto: by the free memory, "
        "off: always whole pictures",
    )
    source_range: Range | None = Field(
        None, description="raw input values LOW,HIGH of black and white; unset: as measured in training"
    )
    target_range: Range | None = Field(
        None, description="raw output values LOW,HIGH of black and white; unset: as measured in training"
    )

    @field_validator("source_range", "target_range")
    @classmethod
    def _ordered(cls, value: Range | None) -> Range | None:
        return require_ordered(value)


def image_settings(config: ModelDescription) -> ImageSettings:
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
    "paper": {"medium_settings": {"size": 256, "flip": True}, "networks": {}, "training": {}},
    "small": {
        "medium_settings": {"size": 128, "load_size_ratio": 1.0},
        "networks": {**LIGHT_NETWORKS, "width": 48, "discriminator_width": 32},
        "training": {"batch_size": 4, "minutes": 30.0, "memory_format": "channels_last"},
    },
    "tiny": {
        "medium_settings": {"size": 64, "load_size_ratio": 1.0},
        "networks": {**LIGHT_NETWORKS, "width": 24, "discriminator_width": 16},
        "training": {"batch_size": 4, "minutes": 6.0, "memory_format": "channels_last"},
    },
}
"""Presets. `small` gave the best KID in 15 minutes on two CPU cores (docs/results.md); `tiny` has fewer channels.

Both train at the scale at which they translate (`load_size_ratio` 1); the papers' recipes crop from larger pictures.
"""
