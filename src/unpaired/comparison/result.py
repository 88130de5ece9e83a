"""The values of a comparison: what `compare.json` holds and the page shows."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from unpaired.comparison.folder import State
from unpaired.config.settings import StrictModel
from unpaired.media import MEDIA, Medium
from unpaired.metrics.base import Metric, RouteEvaluation


class HiddenInformation(StrictModel):
    """Hidden information of one direction, a fraction of the input, and its standard error."""

    fraction: float
    error: float


class MethodResult(StrictModel):
    """One method: how its training went, what it costs, and the measures of its routes."""

    method: str
    paper: str
    state: State
    reason: str = Field("", description="why it failed")
    steps: int = Field(0, description="training steps made")
    seconds: float = Field(0.0, description="seconds of training steps")
    precision: str = ""
    checkpoint: str = Field("", description="the checkpoint that was measured")
    checkpoint_step: int = Field(0, description="its step")
    parameters: int = Field(0, description="parameters of the networks that translate")
    total_parameters: int = Field(0, description="parameters of all networks, discriminators too")
    translate_s: float | None = Field(None, description="seconds to translate one item")
    is_still_improving: bool = Field(False, description="whether the validation metric still improved at the end")
    measured_on: str = ""
    routes: tuple[RouteEvaluation, ...] = ()
    hidden: dict[str, HiddenInformation] = Field({}, description="of each direction, where the run was audited")

    @property
    def state_label(self) -> str:
        """The state as a table shows it."""
        return "not finished" if self.state == "waiting" else self.state

    @property
    def step_s(self) -> float | None:
        """Seconds per training step."""
        return self.seconds / self.steps if self.steps else None

    def get_route(self, direction: str) -> RouteEvaluation | None:
        """Return the measures of a direction ("a -> b"), where the method offers it and was measured."""
        return next((r for r in self.routes if r.route == direction), None) if self.state == "done" else None


class Comparison(StrictModel):
    """A whole comparison."""

    unpaired: str
    path: str
    domains: tuple[str, ...]
    train_counts: tuple[int, ...] = Field(description="training items of each domain")
    budget: str = Field(description="training budget of each method")
    preset: str
    medium: str
    size: int = Field(description="size or length of a training item")
    item_size: str = Field(description="the same in words")
    batch_size: int
    seed: int
    device: str
    pairs: bool
    settings: dict[str, dict[str, Any]] = Field(description="the resolved settings of each method")
    results: tuple[MethodResult, ...]
    excluded: dict[str, str] = Field(description="methods that do not fit the data, and why")

    @property
    def batch_sizes(self) -> str:
        """Items of each domain per step: of all methods, or from the fewest to the most."""
        sizes = sorted({method["training"]["batch_size"] for method in self.settings.values()} or {self.batch_size})
        return f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"

    @property
    def finished(self) -> tuple[MethodResult, ...]:
        """The methods that were trained and measured."""
        return tuple(r for r in self.results if r.state == "done")

    @property
    def directions(self) -> tuple[str, ...]:
        """Every direction that some method was measured on."""
        return tuple(dict.fromkeys(route.route for r in self.finished for route in r.routes))

    def get_medium(self) -> Medium:
        """Return the medium of the compared files."""
        return MEDIA[self.medium]

    def get_routes(self, direction: str | None = None) -> list[RouteEvaluation]:
        """Return the measures of all finished methods, of one direction or of all."""
        return [route for r in self.finished for route in r.routes if direction in (None, route.route)]

    def get_baseline(self, direction: str, name: str, metric: Metric) -> float | None:
        """Return a baseline's value of a direction: that beside the first method that has it."""
        values = (route.baseline(name, metric) for route in self.get_routes(direction))
        return next((value for value in values if value is not None), None)
