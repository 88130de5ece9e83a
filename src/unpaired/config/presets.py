"""What each preset changes of the papers' settings. A method's own share of a preset is in its file.

`small` is what won on two CPU cores in a quarter of an hour (the README has the figures); `tiny` is the same, thinner.
"""

from __future__ import annotations

from typing import Any, Literal

from unpaired.config.settings import Medium

Preset = Literal["tiny", "small", "paper"]

LIGHT_NETWORKS: dict[str, Any] = {
    "generator": "light",
    "blocks": 4,
    "norm": "group",
    "residual": "auto",
    "discriminator": "light",
    "augment": "auto",
}

PRESETS: dict[Preset, dict[str, dict[str, Any]]] = {
    "paper": {"data": {"size": 256}, "networks": {}, "training": {}},
    "small": {
        "data": {"size": 128},
        "networks": {**LIGHT_NETWORKS, "width": 48, "discriminator_width": 32},
        "training": {"batch_size": 4, "minutes": 30.0, "memory_format": "channels_last"},
    },
    "tiny": {
        "data": {"size": 64},
        "networks": {**LIGHT_NETWORKS, "width": 24, "discriminator_width": 16},
        "training": {"batch_size": 4, "minutes": 6.0, "memory_format": "channels_last"},
    },
}
"""Section -> setting -> value, over the defaults of `settings.py` (which are the papers')."""

TIME_ONLY_NETWORKS: dict[str, Any] = {
    "blocks": 2,
    "norm": "instance-affine",
    "residual": "auto",
    "discriminator": "light",
}
VOICE_PRESETS: dict[Preset, dict[str, dict[str, Any]]] = {
    "paper": {
        "voice": {"vad": "auto"},
        "networks": {"blocks": 6, "norm": "instance-affine"},
        "training": {"steps": 400_000},
    },
    "small": {
        "voice": {"generator_dims": "1", "vad": "auto"},
        "networks": {**TIME_ONLY_NETWORKS, "width": 32, "discriminator_width": 16},
        "training": {"batch_size": 8, "minutes": 30.0},
    },
    "tiny": {
        "voice": {"generator_dims": "1", "vad": "auto"},
        "networks": {**TIME_ONLY_NETWORKS, "width": 16, "discriminator_width": 8},
        "training": {"batch_size": 8, "minutes": 6.0},
    },
}
"""The same for recordings; `paper` is CycleGAN-VC2's sizes and CycleGAN-VC's steps."""
PRESETS_BY_MEDIUM: dict[Medium, dict[Preset, dict[str, dict[str, Any]]]] = {"image": PRESETS, "voice": VOICE_PRESETS}


def get_preset_sections(preset: Preset, medium: Medium = "image", batch_size: int = 1) -> dict[str, dict[str, Any]]:
    """What a preset changes, by section; `paper` takes the `batch` of the method's paper."""
    values_by_section = {section: dict(values) for section, values in PRESETS_BY_MEDIUM[medium][preset].items()}
    if preset == "paper":
        values_by_section["training"].setdefault("batch_size", batch_size)
    return values_by_section
