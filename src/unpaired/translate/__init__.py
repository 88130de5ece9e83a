"""A trained run, used: files, images, arrays and tensors of one domain in, of another out."""

from unpaired.translate.files import Outcome, translate_files
from unpaired.translate.made import interpolate_files, sample_files
from unpaired.translate.translator import Translator
from unpaired.translate.way import Options, TranslationRequest

__all__ = [
    "Options",
    "Outcome",
    "TranslationRequest",
    "Translator",
    "interpolate_files",
    "sample_files",
    "translate_files",
]
