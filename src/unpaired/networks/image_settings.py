"""Settings of image networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from unpaired.config.settings import Auto, NetworkSettings

Antialias = bool | Literal["down", "up"]
Padding = Literal["reflect", "zeros"]
AugmentPolicy = Literal["color", "translation", "cutout"]


class ImageNetworkSettings(NetworkSettings):
    """Architecture settings that only image networks have."""

    ignored_if: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "antialias": ("generator", "light"),
        "discriminator_layers": ("discriminator", "light"),
    }

    generator: Literal["resnet", "light"] = Field(
        "resnet",
        description="architecture of generators, encoders and decoders: resnet (full resolution) or light (a quarter "
        "of the resolution, faster)",
    )
    padding: Padding = Field("reflect", description="padding of the stride-1 convolutions of generators")
    antialias: Antialias = Field(
        False,
        description="blur where resnet generators halve and double the resolution, against checkerboard patterns "
        "(true, or one side: down, up)",
    )
    discriminator_layers: int = Field(3, ge=1, le=6, description="strided layers of the patch discriminator")
    augment: tuple[AugmentPolicy, ...] | Auto = Field(
        (),
        description="differentiable augmentation of what discriminators see: color, translation, cutout; auto: by the "
        "size of the dataset",
    )
