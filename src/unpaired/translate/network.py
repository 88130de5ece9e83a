"""Protocol of the networks of a translation, with arrays as inputs and outputs, for any library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from unpaired.labels import Labels
from unpaired.routes import Route

if TYPE_CHECKING:
    import torch
    from torch import Tensor

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


@runtime_checkable
class TensorNetwork(TranslationNetwork, Protocol):
    """Networks that also translate torch tensors and subclasses of them, which tiles are. `TorchNetwork` is one."""

    @property
    def device(self) -> torch.device:
        """Device of the networks."""

    def translate_tensor(self, x: Tensor, route: Route, label: LabelVector | None = None) -> Tensor:
        """Translate `x` (B, C, H, W) in [-1, 1], which is on `device`, at once; the result is float32."""

    def inference_mode(self, full_precision: bool) -> AbstractContextManager[Any]:
        """Return the context for `translate_tensor`: without gradients, with the precision of `translate`."""
