"""A method's networks on a torch device, with arrays in and out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unpaired.errors import OutOfMemoryError, is_out_of_memory
from unpaired.labels import Labels
from unpaired.methods.base import Method
from unpaired.methods.capabilities import LabelConditionedMethod, SynthesisMethod
from unpaired.routes import Route
from unpaired.translate.network import FloatArray, LabelVector


class TorchNetwork:
    """Networks of `method`, which are on `device`."""

    def __init__(self, method: Method, device: torch.device) -> None:
        self.method, self.device = method, device

    @property
    def routes(self) -> Sequence[Route]:
        """Routes of the method."""
        return self.method.routes

    @property
    def labels(self) -> Labels | None:
        """Labels of a label-conditioned method, None for others."""
        return self.method.labels if isinstance(self.method, LabelConditionedMethod) else None

    @property
    def stride(self) -> int:
        """Stride of the method's networks."""
        return self.method.stride

    @property
    def takes_any_source(self) -> bool:
        """Whether the method synthesizes from conditions that items of any origin have."""
        return isinstance(self.method, SynthesisMethod)

    def translate(
        self, x: FloatArray, route: Route, label: LabelVector | None = None, full_precision: bool = True
    ) -> FloatArray:
        """Translate a batch, in halves if the device runs out of memory; for a single item raises OutOfMemoryError.

        Without `full_precision`, CUDA may compute convolutions in TF32.
        """
        with self.inference_mode(full_precision):
            y = self._translate_within_memory(torch.from_numpy(np.ascontiguousarray(x, np.float32)), route, label)
        return np.asarray(y.numpy())

    def translate_tensor(self, x: Tensor, route: Route, label: LabelVector | None = None) -> Tensor:
        """Translate a tensor on the device at once."""
        if label is not None and isinstance(self.method, LabelConditionedMethod):
            return self.method.translate_to_labels(x, torch.tensor(label)).float()
        return self.method.translate(x, route.source, route.target).float()

    @contextmanager
    def inference_mode(self, full_precision: bool) -> Iterator[None]:
        """Return the context for `translate_tensor`."""
        with torch.no_grad(), _disable_tf32(self.device) if full_precision else nullcontext():
            yield

    def _translate_within_memory(self, x: Tensor, route: Route, label: LabelVector | None) -> Tensor:
        try:
            return self.translate_tensor(x.to(self.device), route, label).cpu()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(x) == 1:
                raise OutOfMemoryError(
                    f"{self.device} has too little memory for {x.shape[-1]} x {x.shape[-2]} values; use --device cpu, "
                    "or smaller inputs"
                ) from error
        return torch.cat([self._translate_within_memory(part, route, label) for part in x.split((len(x) + 1) // 2)])


def _disable_tf32(device: torch.device) -> AbstractContextManager[Any]:
    """Disable TF32 in convolutions on CUDA, whose 10-bit mantissa is visible in 16-bit pictures."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
