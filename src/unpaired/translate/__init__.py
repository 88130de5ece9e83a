"""Translation with a trained run or an exported model: of files, images, arrays and tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unpaired.translate.exported_translator import ExportedTranslator
from unpaired.translate.files import Outcome, translate_files
from unpaired.translate.route_request import TranslationRequest

if TYPE_CHECKING:
    from unpaired.translate.translator import Translator

__all__ = ["ExportedTranslator", "Outcome", "TranslationRequest", "Translator", "translate_files"]


def __getattr__(name: str) -> Any:
    """Import `Translator` on first use, because exported models translate without torch."""
    if name != "Translator":
        raise AttributeError(f"module 'unpaired.translate' has no attribute '{name}'")
    from unpaired.translate.translator import Translator  # noqa: PLC0415

    return Translator
