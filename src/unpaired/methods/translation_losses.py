"""Losses of translations that training adds to the turns of any method: no method has code for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from torch import Tensor

from unpaired.methods.base import (
    Batch,
    BatchTranslation,
    Method,
    StepContext,
    TranslationLoss,
    Turn,
    Turns,
    sum_losses,
)
from unpaired.routes import CONTEXT


def play_with_translation_losses(method: Method, batch: Batch, context: StepContext) -> Iterator[Turns]:
    """Yield the turns of `play`; those of players that translate get the method's translation losses."""
    moves = method.play({key: x for key, x in batch.items() if not key.endswith(CONTEXT)}, context)
    return add_translation_losses(method, batch, moves) if method.translation_losses else moves


def add_translation_losses(method: Method, batch: Batch, moves: Iterator[Turns]) -> Iterator[Turns]:
    """Add to each turn the losses of its translations, those with a role that the turn trains."""
    translations = [
        replace(translation, context=batch.get(translation.key[0] + CONTEXT))
        for translation in method.list_translations(batch)
    ]
    for move in moves:
        turns = [move] if isinstance(move, Turn) else move
        known_losses: dict[tuple[str, ...], Tensor] = {}
        for turn in turns:
            roles = {role for player in turn.players for role in method.players[player].roles}
            own = [translation for translation in translations if roles & set(translation.roles)]
            for loss in method.translation_losses:
                total = measure_translations(loss, own, known_losses)
                if total is not None:
                    turn.losses[loss.name] = total
        yield move


def measure_translations(
    loss: TranslationLoss, translations: Sequence[BatchTranslation], known_losses: dict[tuple[str, ...], Tensor]
) -> Tensor | None:
    """Return the sum of a loss over translations, None if there are none; simultaneous turns share `known_losses`."""
    keys = [(loss.name, *translation.key) for translation in translations]
    for key, translation in zip(keys, translations, strict=True):
        if key not in known_losses:
            known_losses[key] = loss(translation)
    return sum_losses(known_losses[key] for key in keys)
