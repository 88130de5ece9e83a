"""Settings of image networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from unpaired.config.settings import Auto, NetworkSettings

Antialias = bool | Literal["down", "up", "late"]
Padding = Literal["reflect", "zeros"]
Skips = Literal["none", "normed", "half", "raw"]
AugmentPolicy = Literal["color", "translation", "cutout"]


class ImageNetworkSettings(NetworkSettings):
    """Architecture settings that only image networks have."""

    ignored_if: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "antialias": ("generator", "light"),
        "skips": ("generator", "light"),
        "discriminator_layers": ("discriminator", "light"),
        "discriminator_antialias": ("discriminator", "light"),
    }

    generator: Literal["resnet", "light"] = Field(
        "resnet",
        description="architecture of generators, encoders and decoders: resnet (full resolution) or light (a quarter "
        "of the resolution, faster)",
    )
    padding: Padding = Field("reflect", description="padding of the stride-1 convolutions of generators")
    antialias: Antialias = Field(
        False,
        description="against checkerboard patterns: blur where resnet generators halve and double the resolution "
        "(true, or one side: down, up); late: double it after each convolution, not before (fastest)",
    )
    skips: Skips = Field(
        "none",
        description="long skip connections of resnet generators: none; normed (at full resolution with normalization), "
        "half (half of the channels normalized; needs an even --width) or raw (without; keeps absolute colors best)",
    )
    discriminator: Literal["patch", "light", "multi"] = Field(  # type: ignore[assignment] # more choices than the base
        "patch",
        description="discriminator: patch (PatchGAN), light (fewer layers, several views of the item) or multi (patch, "
        "and two views of the whole picture; pictures only)",
    )
    discriminator_layers: int = Field(
        3, ge=1, le=6, description="strided layers of the patch discriminator (also in multi)"
    )
    discriminator_antialias: bool = Field(
        False,
        description="blur where the patch discriminator (also in multi) halves the resolution, as in CUT; slower",
    )
    match_colors: bool | Auto = Field(
        False,
        description="give a generator its input with the colors' mean and covariance of the target domain (linear "
        "color transfer, measured on training pictures; cyclegan only); auto: if the domains' intensities differ by "
        "25 % of the range or more, and after the transfer by less than 5 %",
    )
    augment: tuple[AugmentPolicy, ...] | Auto = Field(
        (),
        description="differentiable augmentation of what discriminators see: color, translation, cutout; auto: by the "
        "size of the dataset",
    )
