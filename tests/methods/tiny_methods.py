"""The methods of the table by name, small and in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unpaired.methods import METHODS
from unpaired.methods.base import Method
from unpaired.testing.tiny_methods import NETWORKS, VOICE_NETWORKS, build_image_method, build_voice_method

IMAGE_METHODS = {name: row for name, row in METHODS.items() if "image" not in row.unsupported}
"""Methods that train on images."""
LIGHT: Mapping[str, Any] = {**NETWORKS, "generator": "light", "discriminator": "light", "norm": "group"}


def build(name: str, networks: Mapping[str, Any] = NETWORKS, **settings: Any) -> Method:
    """Build a method for images, as `build_image_method` does."""
    return build_image_method(METHODS[name].cls, networks, **settings)


def build_voice(name: str, networks: Mapping[str, Any] = VOICE_NETWORKS, **settings: Any) -> Method:
    """Build a method for voices, as `build_voice_method` does."""
    return build_voice_method(METHODS[name].cls, networks, **settings)
