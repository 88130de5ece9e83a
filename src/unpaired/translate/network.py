"""Protocol of the networks behind a translation: arrays in and out, whatever library computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from unpaired.labels import Labels
from unpaired.routes import Route

FloatArray = npt.NDArray[np.float32]
LabelVector = tuple[float, ...]
"""Values of the label vector (L,); NaN for values that stay unchanged."""


class TranslationNetwork(Protocol):
    """Networks of a model along its routes. `TorchNetwork` and `ExportedNetwork` implement it."""

    @property
    def routes(self) -> Sequence[Route]:
        """Routes that the networks translate."""

    @property
    def labels(self) -> Labels | None:
        """Definition of the label vector that `translate` takes; None if the model is not label-conditioned."""

    @property
    def stride(self) -> int:
        """Heights and widths must be multiples of this."""

    @property
    def takes_any_source(self) -> bool:
        """Whether inputs need not belong to a domain of the model, because only their content is used."""

    def translate(
        self, x: FloatArray, route: Route, label: LabelVector | None = None, full_precision: bool = True
    ) -> FloatArray:
        """Translate `x` (B, C, H, W) in [-1, 1] along `route`, or to `label`; the result has the same height and width.

        Without `full_precision`, convolutions may be computed with fewer bits than float32 has.
        """
