"""Networks of one route, or of all labels, as a module whose inputs are those of an exported file."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unpaired.media.interface import NetworkInput
from unpaired.methods.base import Method
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.routes import Route
from unpaired.runs.method_builder import RouteModule
from unpaired.translate.exported_model import INPUT, LABEL, LABEL_MASK


class LabelModule(nn.Module):
    """A label-conditioned method with the labels as inputs."""

    def __init__(self, method: LabelConditionedMethod) -> None:
        super().__init__()
        self.method = method
        # With one group, every request names its value, and no label is estimated.
        self.estimates_labels = any(len(groups) > 1 for groups in method.labels.dataset_groups)

    def forward(self, x: Tensor, label: Tensor, label_mask: Tensor) -> Tensor:
        """Translate `x` (B, C, H, W) to `label` (B, L), NaN where the classifier estimates it; `label_mask` (B, L)."""
        if self.estimates_labels:
            label = torch.where(label.isnan(), self.method.classify(x).to(label), label)
        label = torch.where(label.isnan(), torch.zeros_like(label), label)
        return self.method.apply_labels(x, label * label_mask, label_mask)


@dataclass(frozen=True)
class Graph:
    """A module to export, the names of its inputs, and example inputs: two items."""

    module: nn.Module
    input_names: tuple[str, ...]
    examples: tuple[Tensor, ...]
    dynamic_shapes: tuple[dict[int, object], ...]
    """For each input, the dimensions that vary: the batch, and height and width in multiples of the stride."""


def build_graph(method: Method, route: Route, network_input: NetworkInput) -> Graph:
    """Build the graph of a route, or of a label-conditioned method; `method` keeps only the roles that it needs."""
    batch = torch.export.Dim("batch", min=1)
    # Not the training size, at which some networks leave out a resize, which the exporter would then leave out for all.
    shape = [2, *network_input.shape]
    sizes: dict[int, object] = {0: batch}
    for dim, name in ((2, "rows"), (3, "columns")):
        if network_input.is_resizable[dim - 2]:
            sizes[dim] = method.stride * torch.export.Dim(name, min=2)
            shape[dim] += (dim - 1) * method.stride
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    if not isinstance(method, LabelConditionedMethod):
        return Graph(RouteModule(method, route).eval(), (INPUT,), (x,), (sizes,))
    label = torch.zeros(2, method.labels.size)
    module = LabelModule(method).eval()
    return Graph(
        module, (INPUT, LABEL, LABEL_MASK), (x, label, torch.ones_like(label)), (sizes, {0: batch}, {0: batch})
    )
