"""Suffixes of picture files that may contain several pictures."""

from __future__ import annotations

TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
NIFTI_SUFFIXES = frozenset({".nii", ".nii.gz"})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
SCAN_SUFFIXES = NIFTI_SUFFIXES | DICOM_SUFFIXES
"""Suffixes of files that are written from a file of the same type, with its header."""


def get_picture_suffix(name: str) -> str:
    """Return the suffix of a file's name in lower case, with the dot; of compressed volumes both, as ".nii.gz"."""
    lower = name.lower()
    return next((suffix for suffix in NIFTI_SUFFIXES if lower.endswith(suffix)), "." + lower.rpartition(".")[2])
