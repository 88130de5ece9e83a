"""Marks of synthetic media in the metadata of files that hold comments."""

from __future__ import annotations

SYNTHETIC_COMMENT = (
    "synthetic: converted by unpaired, https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
)
"""Comment in the metadata of outputs, with the digital source type of the IPTC for media by trained models."""
