"""The run that teaches another: what is recorded of it, and the way through its networks."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from unpaired.config.settings import StrictModel
from unpaired.methods.base import Method, Route


class Teacher(StrictModel):
    """A trained model whose translations another run learns from. The digest tells whether it is still the same."""

    file: str = Field(description="its weights, in the folder of its run")
    digest: str = Field(description="SHA-256 of them")
    source: str = Field(description="what it calls the learner's first domain")
    target: str = Field(description="what it calls the learner's second domain")


class RouteModule(nn.Module):
    """A route of a method, with the roles that the route needs and none of the others."""

    def __init__(self, method: Method, route: Route) -> None:
        super().__init__()
        for name in [name for name, _ in method.named_children() if name not in route.roles]:
            delattr(method, name)
        self.method = method
        self.domain_keys = route.source, route.target

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> its translation, of the same shape and range."""
        return self.method.translate(x, *self.domain_keys)
