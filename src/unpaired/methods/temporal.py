"""The temporal consistency loss, which training adds to the turns of any method that translates in one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from unpaired.losses.temporal import move_images, sample_motions, temporal_consistency
from unpaired.methods.base import TEMPORAL_LOSS, Batch, BatchTranslation, Method, StepContext, Turn, Turns, sum_losses


def play_with_temporal_loss(method: Method, batch: Batch, context: StepContext) -> Iterator[Turns]:
    """Yield the turns of `play`; those of players that translate get the loss "temporal" if the method has a weight."""
    moves = method.play(batch, context)
    return add_temporal_loss(method, batch, moves) if method.temporal_weight else moves


def add_temporal_loss(method: Method, batch: Batch, moves: Iterator[Turns]) -> Iterator[Turns]:
    """Add the sum of the losses of a turn's translations, those with a role that the turn trains."""
    translations = method.list_translations(batch)
    for move in moves:
        turns = [move] if isinstance(move, Turn) else move
        losses: dict[tuple[str, ...], Tensor] = {}
        for turn in turns:
            roles = {role for player in turn.players for role in method.players[player].roles}
            own = [translation for translation in translations if roles & set(translation.roles)]
            loss = measure_consistency(own, losses)
            if loss is not None:
                turn.losses[TEMPORAL_LOSS] = loss
        yield move


def measure_consistency(
    translations: Sequence[BatchTranslation], known_losses: dict[tuple[str, ...], Tensor]
) -> Tensor | None:
    """Return the sum of the losses of translations, None if there are none; simultaneous turns share `known_losses`."""
    for translation in translations:
        if translation.key not in known_losses:
            known_losses[translation.key] = compute_temporal_loss(translation)
    return sum_losses(known_losses[translation.key] for translation in translations)


def compute_temporal_loss(translation: BatchTranslation) -> Tensor:
    """Compare the translation of images that a random motion moved with their moved translation."""
    x = translation.x
    motions = sample_motions(len(x), x.shape[2], x.shape[3])
    moved_x, mask = move_images(x, motions)
    moved_y, _ = move_images(translation.translate(x), motions)
    return temporal_consistency(moved_y, translation.translate(moved_x.clamp(-1, 1).to(x)), mask)
