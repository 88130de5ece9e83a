"""Translation with a trained run: of files, images, arrays and tensors."""

from unpaired.translate.files import Outcome, translate_files
from unpaired.translate.route_request import TranslationRequest
from unpaired.translate.translator import Translator

__all__ = ["Outcome", "TranslationRequest", "Translator", "translate_files"]
