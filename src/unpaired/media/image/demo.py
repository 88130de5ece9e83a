"""Demo on pictures."""

from __future__ import annotations

from pathlib import Path

from unpaired.console import LogCallback
from unpaired.media.demo import SAMPLES, train_and_translate

AVATARS = SAMPLES / "avatars"
"""Adventurer avatars (CC BY 4.0, see the NOTICE there), not paired: 300 with black hair, 300 with blond hair."""


def run_image_demo(out: Path | None, minutes: float, log: LogCallback) -> Path:
    """Train on black and blond hair for `minutes`, translate the test avatars in both directions.

    Returns the run's folder.
    """
    log(f"demo: black hair to blond and back, {minutes:g} minutes of training on this machine")
    return train_and_translate([AVATARS / "black", AVATARS / "blond"], "avatars", out, minutes, log)
