"""What an evaluation was made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Provenance:
    """A run, the items that it was measured on, in words, whether they are its `own`, and its checkpoint's step."""

    run: str
    set: str
    checkpoint: str
    step: int
    is_own_data: bool

    def text(self) -> str:
        """In a line."""
        return f"{self.run}, the {self.checkpoint} checkpoint (step {self.step}), on {self.set}"
