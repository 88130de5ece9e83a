"""Translating with a trained run: files, images, arrays and tensors of one domain in, of another out."""

from unpaired.translate.files import Outcome, translate_files
from unpaired.translate.route_request import TranslationRequest
from unpaired.translate.translator import Translator

__all__ = ["Outcome", "TranslationRequest", "Translator", "translate_files"]
