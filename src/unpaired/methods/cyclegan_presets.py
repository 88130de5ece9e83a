"""Presets of CycleGAN, and the constants of its `identity_weight` "auto"."""

from __future__ import annotations

from typing import Any

AUTO_IDENTITY_WEIGHT = 2.5
AUTO_IDENTITY_MAX_DISTANCE = 0.25
"""Intensity distance of the domains (after `match_colors`, if on) from which "auto" turns the identity loss off.

The loss keeps dark pixels dark, which harms where they should become bright. Without it, a generator may exchange dark
and light between domains of equal intensities.
"""

SMALL_SETTINGS: dict[str, Any] = {
    "cycle_weight": 5.0,
    "identity_weight": "auto",
    "identity_end": 0.5,
    "lr": 4e-4,
    "lr_d": 4e-4,
}
SMALL_NETWORKS: dict[str, Any] = {
    "generator": "resnet",
    "width": 32,
    "blocks": 4,
    "norm": "instance",
    "residual": False,
    "skips": "half",
    "antialias": "late",
    "match_colors": "auto",
    "discriminator": "multi",
    "discriminator_layers": 2,
    "discriminator_width": 48,
    "augment": (),
}
"""Found for short training on a CPU (docs/results.md)."""
TINY_NETWORKS: dict[str, Any] = {**SMALL_NETWORKS, "width": 24, "blocks": 3, "discriminator_width": 32}
SMALL_TRAINING: dict[str, Any] = {"batch_size": 1, "ema_decay": 0.995, "memory_format": "contiguous"}

VOICE_OPTIMIZER: dict[str, Any] = {"lr": 4e-4, "lr_d": 1e-3, "grad_clip": 5.0}
VOICE_SMALL: dict[str, Any] = {
    "pool_size": 0,
    "cycle_weight": 2.0,
    "identity_weight": 0.0,
    "transport_weight": 5.0,
    **VOICE_OPTIMIZER,
}

PRESETS = {"small": SMALL_SETTINGS, "tiny": SMALL_SETTINGS}
MEDIA_PRESETS = {
    "voice": {
        "paper": {"pool_size": 0, "identity_end": 0.025, "lr_d": 1e-4},
        "small": VOICE_SMALL,
        "tiny": VOICE_SMALL,
    }
}
PRESET_SECTIONS = {
    "image": {
        "small": {"networks": SMALL_NETWORKS, "training": SMALL_TRAINING},
        "tiny": {"networks": TINY_NETWORKS, "training": SMALL_TRAINING},
    }
}
