"""Interface of the evaluation during training, which every medium implements."""

from __future__ import annotations

from typing import Protocol


class Validator(Protocol):
    """Evaluation of the networks during training; every medium implements it."""

    def evaluate(self, step: int, spent_s: float, best_value: float | None) -> float | None:
        """Evaluate on the validation split and log the result.

        Returns the mean of the validation metric over the routes, or None if it cannot be measured.
        """

    def log_samples(self, step: int) -> None:
        """Log a grid of sample translations."""

    def finish(self, step: int) -> None:
        """Evaluate on the test split after the last step and log the commands to use next."""
