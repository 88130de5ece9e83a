"""What a run knows of a domain."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unpaired.config.settings import StrictModel
from unpaired.media.voice.speaker_statistics import VoiceStatistics

DOMAIN_KEYS = ("X", "Y", *(f"X{i}" for i in range(3, 1000)))
"""What methods call the domains, in the order in which they were given."""


class Domain(StrictModel):
    """What training learned of a domain's files, and translating needs to know of it."""

    name: str
    sources: tuple[str, ...] = Field(description="the folders that its files came from")
    color: bool = Field(False, description="whether any of its pictures has colour; without, it gives gray ones")
    bits: Literal[8, 16, 32] = Field(8, description="bits per channel of its pictures (32: floating point)")
    low: float = Field(0, description="raw value that the networks see as -1: 0 for 8 bits, else the lowest measured")
    high: float = Field(255, description="raw value that the networks see as 1: 255 for 8 bits, else the highest")
    voice: VoiceStatistics | None = Field(None, description="of recordings: what scales them, and their F0")
