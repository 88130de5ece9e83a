"""What each preset changes of the papers' settings. A method's own share of a preset is in its file."""

from __future__ import annotations

from typing import Any, Literal

Preset = Literal["tiny", "small", "paper"]

PRESETS: dict[Preset, dict[str, dict[str, Any]]] = {
    "paper": {"data": {"size": 256}, "networks": {}, "training": {}},
    "small": {
        "data": {"size": 128},
        "networks": {
            "generator": "light",
            "width": 64,
            "blocks": 4,
            "norm": "group",
            "critic": "light",
            "critic_width": 32,
            "augment": "auto",
        },
        "training": {"batch": 4, "minutes": 30.0},
    },
    "tiny": {
        "data": {"size": 64},
        "networks": {
            "generator": "light",
            "width": 32,
            "blocks": 3,
            "norm": "group",
            "critic": "light",
            "critic_width": 16,
            "augment": "auto",
        },
        "training": {"batch": 4, "minutes": 6.0},
    },
}
"""Section -> setting -> value, over the defaults of `settings.py` (which are the papers')."""
