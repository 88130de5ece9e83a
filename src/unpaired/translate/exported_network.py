"""Networks of an exported file, with arrays as inputs and outputs, for any runtime. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from unpaired.data.domain import DOMAIN_KEYS
from unpaired.errors import WorkError
from unpaired.labels import Labels
from unpaired.routes import Route
from unpaired.translate.exported_model import INPUT, LABEL, LABEL_MASK, ExportedModel
from unpaired.translate.network import FloatArray, LabelVector

GraphRunner = Callable[[Mapping[str, FloatArray]], FloatArray]
"""Function that runs an exported graph: its inputs by name -> its output."""


class ExportedNetwork:
    """Networks of an exported model; `run_graph` computes them."""

    def __init__(self, run_graph: GraphRunner, model: ExportedModel) -> None:
        self._run_graph, self._model = run_graph, model
        self._routes = model.list_routes()

    @property
    def routes(self) -> Sequence[Route]:
        """Routes of the file."""
        return self._routes

    @property
    def labels(self) -> Labels | None:
        """Labels of a label-conditioned model, None for others."""
        return self._model.labels

    @property
    def stride(self) -> int:
        """Stride of the networks."""
        return self._model.stride

    @property
    def takes_any_source(self) -> bool:
        """False: methods that take any source need an encoder that a file does not contain."""
        return False

    def translate(
        self,
        x: FloatArray,
        route: Route,
        label: LabelVector | None = None,
        full_precision: bool = True,  # noqa: ARG002 - a file has one precision
    ) -> FloatArray:
        """Translate a batch; raises WorkError if the graph cannot run, for instance because memory is short."""
        feeds = {INPUT: np.ascontiguousarray(x, np.float32)}
        if self.labels is not None:
            label = label or self.labels.create_target_label(DOMAIN_KEYS.index(route.target))
            for name, values in ((LABEL, label), (LABEL_MASK, self.labels.choose_mask(label))):
                feeds[name] = np.tile(np.array(values, np.float32), (len(x), 1))
        try:
            return np.asarray(self._run_graph(feeds), np.float32)
        except Exception as error:  # the errors of runtimes have no common class
            raise WorkError(
                f"the exported network failed for {len(x)} items of {x.shape[-1]} x {x.shape[-2]} values ({error}); if "
                "memory is short, use smaller inputs or --batch-size 1"
            ) from error
