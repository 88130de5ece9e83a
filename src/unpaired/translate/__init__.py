"""A trained run, used: files, images, arrays and tensors of one domain in, of another out."""

from unpaired.translate.files import Outcome, translate_files
from unpaired.translate.generation import interpolate_files, sample_files
from unpaired.translate.route_request import Options, TranslationRequest
from unpaired.translate.translator import Translator

__all__ = [
    "Options",
    "Outcome",
    "TranslationRequest",
    "Translator",
    "interpolate_files",
    "sample_files",
    "translate_files",
]
